"""A live run: the main lane, which takes frames and localizations from the cameras, and feeds displays and outputs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2

from camreel.config.schema import Config
from camreel.errors import CamreelError
from camreel.interfaces import Recognizer
from camreel.live.camera import VISITOR_CAMERA, LiveCamera, SharedContext, batching_for, connect_uri, connect_visitor
from camreel.live.display import Display
from camreel.live.options import LiveOptions
from camreel.live.outputs import Outputs
from camreel.live.renderer import CameraRenderer
from camreel.recognize.backend import choose_backend
from camreel.recognize.stage import Batching
from camreel.run_plan import RuntimeHooks, make_header
from camreel.runtime.concurrency import Channel, Condition, wait_for_any
from camreel.sources.address import without_credentials
from camreel.structures import Counts, DisplayFrame, Frame, Header, Summary, VideoInfo

log = logging.getLogger(__name__)

TICK_SECONDS = 0.02
"""Longest wait for new frames before the displays are asked for commands."""
DRAIN_SECONDS = 3.0
"""Time at the end in which frames that were captured are still localized."""
END_GRACE_SECONDS = 0.5
"""Time after the end of the duration in which a source may end by itself, before it counts as hanging."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one camera."""

    name: str
    """Address without credentials."""
    summary: Summary
    live: dict[str, Any]
    """Live statistics, as in the summary record."""
    seconds: float
    """Wall-clock seconds from the first frame of the run."""
    error: CamreelError | None
    """Reason why the camera was given up; None: it was not."""
    files: tuple[Path, ...] = ()
    """Recordings of the camera."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Functions that a live run calls in the main lane."""

    on_ready: Callable[[str | None], None] = lambda url: None
    """Called with the address of the page (None: no page) when everything is open, before the cameras start."""
    on_tick: Callable[[], None] = lambda: None
    """Called many times a second; may raise KeyboardInterrupt, which ends the run with complete, valid outputs."""
    on_end: Callable[[Outcome], None] = lambda outcome: None
    """Called with the result of each camera at the end, also after a KeyboardInterrupt."""


def watch(
    uris: Sequence[str],
    config: Config,
    options: LiveOptions,
    recognizer: Recognizer,
    callbacks: Callbacks | None = None,
) -> list[Outcome]:
    """Run cameras until they end, the time is over, or a viewer stops the run.

    Args:
        uris: addresses as `camreel.sources.connections` takes them; none if the source is the visitor's camera.
        config: all settings.
        options: displays and outputs.
        recognizer: a loaded network.
        callbacks: functions to call during the run.

    Returns:
        The result of each camera.

    Raises:
        CamreelError: an output cannot be written, or the network fails.
        KeyboardInterrupt: from `on_tick`.

    Example:
        >>> config = Config().changed(causal=True, model={"name": "figures"})
        >>> options = LiveOptions(records="out.jsonl", duration=5.0)
        >>> (outcome,) = watch(["test:"], config, options, load_recognizer(config))
        >>> outcome.summary.frames.written
        150
    """
    with LiveSession(uris, config, options, recognizer) as session:
        return session.run(callbacks or Callbacks())


class LiveSession:
    """A run of cameras. `with` opens displays and outputs, `run` starts the cameras.

    Args:
        uris: see `watch`.
        config: all settings.
        options: displays and outputs.
        recognizer: a loaded network.
    """

    def __init__(self, uris: Sequence[str], config: Config, options: LiveOptions, recognizer: Recognizer) -> None:
        self._config, self._options = config, options
        self._changed = Condition()
        self._context = self._make_context(recognizer, several=len(uris) > 1)
        self._cameras = self._make_cameras(uris)
        self._outputs = Outputs(options, config, self._cameras, self._make_header)
        self._display = Display(self._cameras, options, recognizer.classes, config.video.opacity)
        self._renderers = [
            CameraRenderer(camera, config.video.style, recognizer.weights, show_name=self._context.several)
            for camera in self._cameras
        ]
        self._first_frame: float | None = None
        """When the first frame was captured, by the monotonic clock."""
        self._reported: list[LiveCamera] = []
        """Cameras whose failure was logged."""
        self._own = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as own:
            own.enter_context(self._outputs)
            own.enter_context(self._display)
            # The flows of several cameras restore this setting in any order: the last one may restore that of another.
            own.callback(cv2.setNumThreads, cv2.getNumThreads())
            for camera in self._cameras:
                own.callback(camera.close)
            self._own = own.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own.close()

    def _make_context(self, recognizer: Recognizer, several: bool) -> SharedContext:
        model = self._config.model
        backend = choose_backend(recognizer, model.device, model.precision, model.batch)
        hooks = RuntimeHooks(
            picked=lambda: self._display.options.class_id,
            batching=batching_for(recognizer) if several else Batching(),
        )
        return SharedContext(recognizer, backend, self._config, hooks, self._changed, several)

    def _make_cameras(self, uris: Sequence[str]) -> list[LiveCamera]:
        if self._options.browser:
            connect = connect_visitor(lambda: self._display.camera_frames())
            return [LiveCamera(VISITOR_CAMERA, connect, self._context, self._is_past_end)]
        capture, realtime = self._config.live, self._options.realtime
        return [
            LiveCamera(without_credentials(uri), connect_uri(uri, capture, realtime), self._context, self._is_past_end)
            for uri in uris
        ]

    def _make_header(self, info: VideoInfo) -> Header:
        return make_header(self._context.plan(info))

    def _is_past_end(self, frame: Frame) -> bool:
        duration, count = self._options.duration, self._options.max_frames
        return (duration is not None and frame.time >= duration) or (count is not None and frame.index >= count)

    def run(self, callbacks: Callbacks) -> list[Outcome]:
        """Start the cameras, run until the end, and finish the outputs; see `watch`."""
        if self._display.url:
            log.info("open %s", self._display.url)
        callbacks.on_ready(self._display.url)
        for camera in self._cameras:
            camera.start()
        outcomes: list[Outcome] = []
        try:
            while not self._is_over():
                self._wait()
                callbacks.on_tick()
                self._turn()
            outcomes = self._finish()
        except KeyboardInterrupt:
            outcomes = self._finish()
            raise
        finally:
            for outcome in outcomes:
                callbacks.on_end(outcome)
        return outcomes

    def _wait(self) -> None:
        """Wait for a frame or a localization, `TICK_SECONDS` at most."""
        channels: list[Channel[Any]] = [
            channel for camera in self._cameras for channel in (camera.display_frames, camera.localizations)
        ]
        wait_for_any(channels, self._changed, TICK_SECONDS)

    def _is_over(self) -> bool:
        duration, first = self._options.duration, self._first_frame
        # A source that hangs yields no frame that lies past the end.
        if duration is not None and first is not None and time.monotonic() > first + duration + END_GRACE_SECONDS:
            return True
        return self._display.stop_requested or all(camera.over for camera in self._cameras)

    def _turn(self) -> None:
        """Take and pass on everything that the cameras have ready."""
        changed = False
        every = self._config.live.policy == "block"
        for number, (camera, renderer) in enumerate(zip(self._cameras, self._renderers, strict=True)):
            self._report_failure(camera)
            for localization in camera.localizations.poll():
                renderer.add(localization)
                camera.metrics.answered += 1
                self._outputs.write(number, localization)
            for shown in renderer.render(self._display.options, every):
                self._show(number, shown)
                changed = True
        composite = self._display.update(changed)
        if composite is not None:
            self._outputs.publish(composite)

    def _report_failure(self, camera: LiveCamera) -> None:
        """Log once that one of several cameras was given up."""
        if self._context.several and camera.error is not None and camera not in self._reported:
            self._reported.append(camera)
            log.info("%s: the others go on", camera.error.what)

    def _show(self, number: int, shown: DisplayFrame) -> None:
        if self._first_frame is None:
            self._first_frame = shown.frame.captured or time.monotonic()
        self._display.set_picture(number, shown)
        self._outputs.record(number, shown, self._display.recording)

    def _finish(self) -> list[Outcome]:
        """Localize the frames that were captured, finish all outputs, and return the results."""
        self._display.end_camera()
        for camera in self._cameras:
            camera.stop()
        deadline = time.monotonic() + DRAIN_SECONDS
        while not all(camera.localizations.over for camera in self._cameras) and time.monotonic() < deadline:
            self._wait()
            self._turn()
        self._turn()
        seconds = time.monotonic() - self._first_frame if self._first_frame is not None else 0.0
        outcomes = [self._outcome(number, seconds) for number in range(len(self._cameras))]
        for number, outcome in enumerate(outcomes):
            self._outputs.end(number, outcome.summary, outcome.live)
        self._outputs.close()
        return [replace(outcome, files=self._outputs.files(number)) for number, outcome in enumerate(outcomes)]

    def _outcome(self, number: int, seconds: float) -> Outcome:
        camera = self._cameras[number]
        metrics, stats = camera.metrics, camera.stats
        counts = Counts(
            decoded=metrics.captured,
            written=metrics.answered,
            dropped=metrics.captured - metrics.answered,
            corrupt=camera.corrupt,
            inferred=metrics.inferred,
        )
        per_second = {"in": metrics.captured, "inferred": metrics.inferred, "shown": metrics.shown}
        live = {
            "shown": metrics.shown,
            "skipped": camera.snapshot().skipped,
            "reconnects": metrics.reconnects,
            "rate": {name: round(count / seconds, 2) if seconds else 0.0 for name, count in per_second.items()},
            "delay": self._display.delays.quantiles(),
            "age": metrics.ages.quantiles(),
        }
        fallbacks = (*stats.notes, *self._outputs.notes(number))
        summary = Summary(counts, (), (), stats.completeness_error, stats.stages, fallbacks)
        return Outcome(metrics.name, summary, live, seconds, camera.error)
