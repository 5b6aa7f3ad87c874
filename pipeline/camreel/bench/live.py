"""The benchmark of live runs: delays from capture to display, dropped frames, and the growth of memory."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import cv2
import numpy as np
import orjson

from camreel.config.schema import Config
from camreel.errors import ConfigError
from camreel.flow import load_recognizer
from camreel.live import served_display
from camreel.live.options import LiveOptions
from camreel.live.session import Callbacks, watch
from camreel.runtime.hardware import resident_memory

T = TypeVar("T")

SETTLING_SHARE = 0.25
"""Share of a run after which memory should not grow any more."""
MEMORY_SECONDS = 0.5
"""Interval between two measurements of the memory."""
FAST_FACTOR = 3
"""Frame rate of the fast source, relative to the rate that the network follows."""
CAPACITY_FRAMES = 300
"""Frames from which the rate that the network follows is measured."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """Figures of one live run."""

    source: str
    seconds: float
    captured: int
    rate: Mapping[str, float]
    """Frames per second: in, inferred, shown."""
    dropped: int
    """Number of frames that the network did not see."""
    skipped: int
    """Number of frames that were not shown."""
    delay: Mapping[str, float | None]
    """Seconds from capture until a visitor of the page has decoded the picture: p50, p95, max."""
    age: Mapping[str, float | None]
    """Seconds that the map on a picture is older than the picture: p50, p95, max."""
    cpu: float
    """CPU seconds of all cores per second, without the visitor's."""
    rss_mb: float
    """Resident memory at the end in MiB."""
    slope: float
    """Growth of the memory in MiB per minute, after it has settled."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """Result of a live benchmark."""

    model: str
    follows: float
    """Frames per second that the network follows without dropping any."""
    steady: LiveRun
    fast: LiveRun
    """Run of a source that is `FAST_FACTOR` times as fast as the network follows."""
    max_latency: float
    """Seconds that a frame may wait for the network."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return asdict(self)


def bench_live(source: str, config: Config, seconds: float) -> LiveReport:
    """Measure a live source, and one that is too fast, each in a process of its own with a visitor of the page.

    Args:
        source: source as for `camreel live`.
        config: all settings.
        seconds: length of each run.

    Raises:
        ConfigError: the packages of the page are not installed.

    Example:
        >>> report = bench_live("test:", Config().changed(causal=True, model={"name": "figures"}), seconds=60.0)
        >>> print(render_live(report))
    """
    try:
        import websockets.sync.client  # noqa: F401
    except ImportError:
        why, todo = "websockets is not installed", 'pip install "camreel[web]"'
        raise ConfigError("a live benchmark needs the page", why, todo) from None
    follows = _in_process(_measure_capacity, config)
    steady = _measure(source, config, seconds)
    fast = _measure(f"test:rate={round(FAST_FACTOR * follows)}", config, seconds)
    return LiveReport(config.model.name, follows, steady, fast, config.live.max_latency)


def _in_process(function: Callable[..., T], *arguments: Any) -> T:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _measure_capacity(config: Config) -> float:
    """Return the frames per second of the test pattern that are localized if none may be dropped."""
    config = config.changed(live={"policy": "block"})
    # Faster than any network: it is the full channel that sets the pace.
    options = LiveOptions(max_frames=CAPACITY_FRAMES)
    (outcome,) = watch(["test:rate=1000"], config, options, load_recognizer(config))
    return outcome.summary.frames.written / outcome.seconds


def _measure(source: str, config: Config, seconds: float) -> LiveRun:
    """Run a source in a process of its own and visit its page from this one."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_run, args=(source, config, seconds, theirs))
    worker.start()
    theirs.close()
    try:
        _visit(ours.recv(), ours)
        result: LiveRun = ours.recv()
    finally:
        worker.join()
    return result


def _run(source: str, config: Config, seconds: float, pipe: Connection) -> None:
    """Run a source; send the address of the page, and at the end the figures."""
    recognizer = load_recognizer(config)
    memory = _MemoryLog()
    options = LiveOptions(show=frozenset({served_display()}), address="127.0.0.1:0", duration=seconds)
    callbacks = Callbacks(on_ready=pipe.send, on_tick=memory.measure)
    begin = resource.getrusage(resource.RUSAGE_SELF)
    (outcome,) = watch([source], config, options, recognizer, callbacks)
    end = resource.getrusage(resource.RUSAGE_SELF)
    counts, live = outcome.summary.frames, outcome.live
    used = end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
    pipe.send(
        LiveRun(
            source=source,
            seconds=outcome.seconds,
            captured=counts.decoded,
            rate=live["rate"],
            dropped=counts.dropped,
            skipped=live["skipped"],
            delay=live["delay"],
            age=live["age"],
            cpu=used / outcome.seconds,
            rss_mb=memory.latest,
            slope=memory.slope,
        )
    )


class _MemoryLog:
    """Resident memory of this process over time."""

    def __init__(self) -> None:
        self._values: list[tuple[float, float]] = []

    def measure(self) -> None:
        """Add a value, unless the last one is newer than `MEMORY_SECONDS`; to be called often."""
        now = time.monotonic()
        if not self._values or now - self._values[-1][0] >= MEMORY_SECONDS:
            self._values.append((now, resident_memory()))

    @property
    def latest(self) -> float:
        """Newest value in MiB."""
        return self._values[-1][1]

    @property
    def slope(self) -> float:
        """Growth in MiB per minute: the slope of the least-squares line through the settled part."""
        settled = np.array(self._values[int(SETTLING_SHARE * len(self._values)) :])
        if len(settled) < 3:
            return 0.0
        return 60 * float(np.polyfit(settled[:, 0] - settled[0, 0], settled[:, 1], 1)[0])


def _visit(url: str, pipe: Connection) -> None:
    """Decode every picture of a page and acknowledge it, as a browser does, until the page is closed."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    address, headers = f"{url.replace('http', 'ws', 1)}live", {"Origin": url.rstrip("/")}
    with suppress(ConnectionClosed), connect(address, additional_headers=headers) as socket:
        for message in socket:
            if pipe.poll() or isinstance(message, str):
                return
            end = 4 + int.from_bytes(message[:4], "big")
            header = orjson.loads(message[4:end])
            if "number" in header:
                shown = len(message) > end
                if shown:
                    cv2.imdecode(np.frombuffer(message[end:], np.uint8), cv2.IMREAD_COLOR)
                socket.send(orjson.dumps({"type": "drawn", "number": header["number"], "shown": shown}).decode())


def render_live(report: LiveReport) -> str:
    """Return the report as text."""
    latency = f"a frame waits at most {1000 * report.max_latency:.0f} ms"
    lines = [f"{report.model}: follows {report.follows:.0f} frames per second; {latency}"]
    for run in (report.steady, report.fast):
        lines += [
            "",
            f"  {run.source}, {run.seconds:.0f} s: {run.captured} frames, {run.rate['in']:.1f} per second",
            f"    inferred {run.rate['inferred']:.1f}, shown {run.rate['shown']:.1f} per second; "
            f"{run.dropped} dropped, {run.skipped} not shown",
        ]
        for name, title in (("delay", "capture to display"), ("age", "age of the maps")):
            values = getattr(run, name)
            if values["p50"] is not None:
                p50, p95, maximum = (1000 * values[key] for key in ("p50", "p95", "max"))
                lines.append(f"    {title:<20} median {p50:.0f} ms, 95 % {p95:.0f} ms, at most {maximum:.0f} ms")
        growth = f"growing by {run.slope:.2f} MB per minute"
        lines.append(f"    {run.cpu:.2f} cores busy, {run.rss_mb:.0f} MB at the end, {growth}")
    return "\n".join(lines)
