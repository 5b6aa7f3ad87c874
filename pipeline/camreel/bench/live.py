"""The benchmark of live runs: how old what is on the screen is, what is lost, and whether memory grows."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import cv2
import numpy as np
import orjson

from camreel.config.schema import Config
from camreel.errors import ConfigError
from camreel.flow import load_recognizer
from camreel.live.options import LiveOptions
from camreel.live.session import watch

SETTLED = 0.25
"""Share of a run after which memory is expected to be flat."""
BEAT = 0.5
"""Seconds between two looks at the memory."""
TOO_FAST = 3
"""How much faster than the network the fast source is."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What was measured of one run."""

    source: str
    seconds: float
    captured: int
    rate: Mapping[str, float]
    """Frames per second: in, inferred, shown."""
    dropped: int
    """Frames that the network did not see."""
    skipped: int
    """Frames that were not shown."""
    delay: Mapping[str, float | None]
    """Seconds from capture until a visitor of the page has decoded the picture: p50, p95, max."""
    age: Mapping[str, float | None]
    """Seconds that the map on the picture is older: p50, p95, max."""
    cpu: float
    """Seconds of all cores per second, without the visitor's."""
    rss_mb: float
    """Memory at the end."""
    slope: float
    """MB per minute that it grows by, once it has settled."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What was measured."""

    model: str
    follows: float
    """Frames per second that the network follows without dropping any."""
    steady: LiveRun
    fast: LiveRun
    """With a source that is three times as fast as the network follows."""
    max_latency: float
    """Seconds that a frame may wait for the network."""

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


def bench_live(source: str, config: Config, seconds: float) -> LiveReport:
    """Measures a live source, and one that is too fast, each in a process of its own and watched by a visitor.

    Args:
        source: what `camreel live` takes.
        config: all settings.
        seconds: of each run.

    Raises:
        ConfigError: what the page needs is not installed.
    """
    try:
        import websockets.sync.client  # noqa: F401
    except ImportError:
        raise ConfigError(
            "a live benchmark needs the page", "websockets is not installed", 'pip install "camreel[web]"'
        ) from None
    follows = _apart(_follow, config)
    steady = _measure(source, config, seconds)
    fast = _measure(f"test:rate={round(TOO_FAST * follows)}", config, seconds)
    return LiveReport(config.model.name, follows, steady, fast, config.live.max_latency)


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _follow(config: Config) -> float:
    """Frames of the test pattern per second that are answered when none may be lost."""
    config = config.model_copy(update={"live": config.live.model_copy(update={"policy": "block"})})
    recognizer = load_recognizer(config)
    # Faster than any network here: it is the channel that holds it back.
    (outcome,) = watch(["test:rate=1000"], config, LiveOptions(max_frames=300), recognizer)
    return outcome.summary.frames.written / outcome.seconds


def _measure(source: str, config: Config, seconds: float) -> LiveRun:
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
    """Watches a source and sends the page's address, and at the end what was measured."""
    recognizer = load_recognizer(config)
    memory = _Memory()

    def say(sentence: str) -> None:
        if sentence.startswith("open "):
            pipe.send(sentence.removeprefix("open "))

    options = LiveOptions(show=frozenset({"web"}), address="127.0.0.1:0", duration=seconds)
    begin = resource.getrusage(resource.RUSAGE_SELF)
    (outcome,) = watch([source], config, options, recognizer, check=memory.look, say=say)
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
            rss_mb=memory.now,
            slope=memory.slope,
        )
    )


class _Memory:
    """The memory of this process over time."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []

    def look(self) -> None:
        """To be called often."""
        now = time.monotonic()
        if not self._seen or now - self._seen[-1][0] >= BEAT:
            self._seen.append((now, _rss()))

    @property
    def now(self) -> float:
        """MB."""
        return self._seen[-1][1]

    @property
    def slope(self) -> float:
        """MB per minute, by least squares over the settled part."""
        settled = np.array(self._seen[int(SETTLED * len(self._seen)) :])
        if len(settled) < 3:
            return 0.0
        return 60 * float(np.polyfit(settled[:, 0] - settled[0, 0], settled[:, 1], 1)[0])


def _rss() -> float:
    """MB of memory in use; elsewhere than on Linux the most that was."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _visit(url: str, pipe: Connection) -> None:
    """Decodes every picture of a page and says so, as a browser does, until the page is gone."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    headers = {"Origin": url.rstrip("/")}
    with (
        suppress(ConnectionClosed),
        connect(f"{url.replace('http', 'ws', 1)}live", additional_headers=headers) as socket,
    ):
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
    """The report as text."""
    lines = [
        f"{report.model}: follows {report.follows:.0f} frames per second; a frame waits at most {1000 * report.max_latency:.0f} ms"
    ]
    for run in (report.steady, report.fast):
        lines += ["", f"  {run.source}, {run.seconds:.0f} s: {run.captured} frames, {run.rate['in']:.1f} per second"]
        lines += [
            f"    inferred {run.rate['inferred']:.1f}, shown {run.rate['shown']:.1f} per second; {run.dropped} dropped, "
            f"{run.skipped} not shown"
        ]
        for name, what in (("delay", "capture to display"), ("age", "age of the maps")):
            values = getattr(run, name)
            if values["p50"] is not None:
                p50, p95, most = (1000 * values[key] for key in ("p50", "p95", "max"))
                lines.append(f"    {what:<20} median {p50:.0f} ms, 95 % {p95:.0f} ms, at most {most:.0f} ms")
        lines.append(
            f"    {run.cpu:.2f} cores busy, {run.rss_mb:.0f} MB at the end, growing by {run.slope:.2f} MB per minute"
        )
    return "\n".join(lines)
