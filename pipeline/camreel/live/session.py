"""The main lane: takes what the cameras' lanes give, paints, shows, keeps, and ends in good order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from camreel.config.schema import Config
from camreel.errors import CamreelError
from camreel.interfaces import Recognizer, Source
from camreel.live.camera import Camera, Shared
from camreel.live.display import Screens
from camreel.live.options import LiveOptions
from camreel.live.outputs import finish_all, open_push, open_recordings
from camreel.live.records import Records
from camreel.live.renderer_state import Face
from camreel.recognize.backend import Backend, choose_backend
from camreel.recognize.batches import ForwardRequest, backbone_batch
from camreel.recognize.stage import Batching
from camreel.recognize.streaming import StepRequest, step_batch
from camreel.run_plan import RuntimeHooks, make_header, make_plan
from camreel.runtime.concurrency import Channel, Condition, DynamicBatcher, Event, wait_for_any
from camreel.sources.address import without_credentials
from camreel.sources.browser import browser_connections
from camreel.sources.reconnect import ConnectionEvent, ReconnectPolicy, connections
from camreel.structures import Counts, DisplayFrame, Frame, Header, Localization, Summary, VideoInfo

TICK = 0.02
"""Seconds that keys and the page wait at most to be heard."""
LAST = 3.0
"""Seconds that what was captured may take to be answered at the end."""
VISITOR = "the visitor's camera"
LATE = 0.5
"""Seconds after the end that a source which has stopped may hold it up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one camera."""

    name: str
    """Without credentials."""
    summary: Summary
    live: dict[str, Any]
    """As in the records."""
    seconds: float
    error: CamreelError | None
    """Why it was given up."""
    files: tuple[Path, ...] = ()
    """Its recordings."""


def watch(
    uris: Sequence[str],
    config: Config,
    options: LiveOptions,
    recognizer: Recognizer,
    *,
    check: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda text: None,
    ended: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Runs cameras until they end, the time is up, or somebody asks for the end.

    Args:
        uris: what `connections` takes; none where the camera is the visitor's.
        config: all settings.
        options: what to do with the pictures.
        recognizer: the network.
        check: called all the time; may raise KeyboardInterrupt, and everything so far is finished and valid.
        say: hears what happens, as sentences.
        ended: hears what came of each camera, also where `check` ends the run.

    Returns:
        What came of each camera.

    Raises:
        CamreelError: an output cannot be written, or the network fails.
        KeyboardInterrupt: from `check`.
    """
    model = config.model
    backend = choose_backend(recognizer, model.device, model.precision, model.batch)
    with ExitStack() as own:
        return _Run(uris, config, options, recognizer, backend, say, own).go(check, ended)


class _Run:
    def __init__(
        self,
        uris: Sequence[str],
        config: Config,
        options: LiveOptions,
        recognizer: Recognizer,
        backend: Backend,
        say: Callable[[str], None],
        own: ExitStack,
    ) -> None:
        self._config, self._options, self._recognizer, self._backend, self._say = (
            config,
            options,
            recognizer,
            backend,
            say,
        )
        self._changed = Condition()
        self._first: float | None = None
        """When the first frame came, by the monotonic clock."""
        self._cameras = self._make_cameras(uris)
        count, policy = len(self._cameras), config.live.policy
        self._records = Records(options.records, self._cameras, self._header, own)
        self._recordings = open_recordings(
            options, count, config.video, "block" if policy == "block" else "drop-oldest", own
        )
        self._push = open_push(options.push, config.video, own)
        self._screens = Screens(self._cameras, options, recognizer.classes, config.video.opacity, own)
        self._faces = [Face(camera, config.video.style, recognizer.weights, count > 1) for camera in self._cameras]
        self._failed: list[Camera] = []
        own.callback(cv2.setNumThreads, cv2.getNumThreads())
        for camera in self._cameras:
            own.callback(camera.close)
            camera.start()
        if self._screens.url:
            say(f"open {self._screens.url}")

    # Sources

    def _make_cameras(self, uris: Sequence[str]) -> list[Camera]:
        recognizer = self._recognizer
        steering = RuntimeHooks(picked=lambda: self._screens.view.class_id)
        if len(uris) > 1:
            steps: DynamicBatcher[StepRequest, Any] = DynamicBatcher(
                lambda steps: step_batch(recognizer, steps), lambda step: step.key
            )
            looks: DynamicBatcher[ForwardRequest, Any] = DynamicBatcher(
                lambda looks: backbone_batch(recognizer, looks), lambda backbone_batch: backbone_batch.key
            )
            steering = replace(
                steering, batching=Batching(lambda clips, keep: looks(ForwardRequest(clips, keep)), steps)
            )
        shared = Shared(recognizer, self._backend, self._config, steering, self._changed)
        if self._options.browser:
            return [Camera(VISITOR, self._visitor, shared, self._ends)]
        return [Camera(without_credentials(uri), self._connect(uri), shared, self._ends) for uri in uris]

    def _connect(self, uri: str) -> Callable[..., Iterable[Source]]:
        live, realtime = self._config.live, self._options.realtime

        def connect(
            halt: Event, notify: Callable[[str], None], on_event: Callable[[ConnectionEvent], None]
        ) -> Iterable[Source]:
            policy = ReconnectPolicy(silence=live.silence, deadline=live.deadline)
            return connections(uri, wait=halt.wait, realtime=realtime, policy=policy, note=notify, on_event=on_event)

        return connect

    def _visitor(
        self, halt: Event, notify: Callable[[str], None], on_event: Callable[[ConnectionEvent], None]
    ) -> Iterable[Source]:
        # A generator, so that it begins when the page is open.
        yield from browser_connections(self._screens.camera_frames(), VISITOR)

    def _ends(self, frame: Frame) -> bool:
        duration, most = self._options.duration, self._options.max_frames
        return (duration is not None and frame.time >= duration) or (most is not None and frame.index >= most)

    # The loop

    def go(self, check: Callable[[], None], ended: Callable[[Outcome], None]) -> list[Outcome]:
        """See `watch`."""
        outcomes: list[Outcome] = []
        try:
            while not self._is_over():
                self._wait(TICK)
                check()
                self._turn()
            outcomes = self._finish()
        except KeyboardInterrupt:
            outcomes = self._finish()
            raise
        finally:
            for outcome in outcomes:
                ended(outcome)
        return outcomes

    def _wait(self, seconds: float) -> None:
        channels: list[Channel[Any]] = [
            channel for camera in self._cameras for channel in (camera.screen, camera.answers)
        ]
        wait_for_any(channels, self._changed, seconds)

    def _is_over(self) -> bool:
        """Also where a source hangs, which no frame ends then."""
        duration, first = self._options.duration, self._first
        if duration is not None and first is not None and time.monotonic() > first + duration + LATE:
            return True
        return self._screens.asked_to_end or all(camera.over for camera in self._cameras)

    def _turn(self) -> None:
        """Everything that is there to be done, once."""
        changed = False
        for number, (camera, face) in enumerate(zip(self._cameras, self._faces, strict=True)):
            self._tell(camera)
            for answer in camera.answers.poll():
                self._take(number, answer)
            for screen in face.look(self._screens.view, every=self._config.live.policy == "block"):
                self._show(number, screen)
                changed = True
        shown = self._screens.refresh(changed)
        if shown is not None and self._push is not None:
            self._push.put(shown)
        while self._screens.said:
            self._say(self._screens.said.pop(0))

    def _tell(self, camera: Camera) -> None:
        several = len(self._cameras) > 1
        while camera.unsaid:
            self._say(f"{camera.counters.name}: {camera.unsaid.popleft()}" if several else camera.unsaid.popleft())
        if several and camera.error is not None and camera not in self._failed:
            self._failed.append(camera)
            self._say(f"{camera.error.what}: the others go on")

    def _take(self, number: int, answer: Localization) -> None:
        """An answer: for the records, and for the pictures from now on."""
        camera = self._cameras[number]
        self._faces[number].painter.learn(answer)
        camera.counters.answered += 1
        self._records.take(number, answer)

    def _header(self, info: VideoInfo) -> Header:
        settings = make_plan(info, self._recognizer, self._config, self._backend)
        return make_header(settings)

    def _show(self, number: int, screen: DisplayFrame) -> None:
        if self._first is None:
            self._first = screen.frame.captured or time.monotonic()
        self._screens.take(number, screen)
        if self._recordings:
            self._recordings[number].put(screen, self._screens.recording)

    # The end

    def _finish(self) -> list[Outcome]:
        """Answers what was captured, finishes all outputs, and sums up."""
        self._screens.end_camera()
        for camera in self._cameras:
            camera.stop()
        until = time.monotonic() + LAST
        while not all(camera.answers.over for camera in self._cameras) and time.monotonic() < until:
            self._wait(TICK)
            self._turn()
        self._turn()
        seconds = time.monotonic() - self._first if self._first is not None else 0.0
        outcomes = [self._outcome(number, seconds) for number in range(len(self._cameras))]
        for number, outcome in enumerate(outcomes):
            self._records.end(number, outcome.summary, outcome.live)
        closers = [recording.close for recording in self._recordings]
        finish_all([*closers, self._records.close, *([self._push.close] if self._push else [])])
        files = [tuple(recording.recorder.files) for recording in self._recordings] or [()] * len(outcomes)
        return [replace(outcome, files=each) for outcome, each in zip(outcomes, files, strict=True)]

    def _outcome(self, number: int, seconds: float) -> Outcome:
        camera = self._cameras[number]
        counters, meter, reading = camera.counters, camera.meter, camera.reading()
        answered, captured = counters.answered, counters.captured
        counts = Counts(captured, answered, captured - answered, camera.corrupt, counters.inferred)
        fallbacks = [*meter.notes, *(self._push.push.notes if self._push else ())]
        if self._recordings:
            recording = self._recordings[number]
            fallbacks += recording.recorder.notes
            if recording.dropped:
                fallbacks.append(
                    f"{recording.dropped} pictures are missing in the recording: they came faster than they were encoded"
                )
        per_second = {"in": captured, "inferred": counters.inferred, "shown": counters.shown}
        live = {
            "shown": counters.shown,
            "skipped": reading.skipped,
            "reconnects": counters.reconnects,
            "rate": {name: round(count / seconds, 2) if seconds else 0.0 for name, count in per_second.items()},
            "delay": self._screens.delays.quantiles(),
            "age": counters.ages.quantiles(),
        }
        summary = Summary(counts, (), (), meter.completeness_error, meter.stages, tuple(fallbacks))
        return Outcome(counters.name, summary, live, seconds, camera.error)
