"""Outputs of a live run: records, recordings and a published stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from camreel.config.schema import Config
from camreel.interfaces import DisplaySink
from camreel.live.camera import LiveCamera
from camreel.live.options import LiveOptions
from camreel.runtime.concurrency import Channel, Overflow, QueueWorker
from camreel.sinks.json_records import EventSink
from camreel.sinks.publish.publisher import Publisher
from camreel.sinks.video.recorder import Recorder
from camreel.structures import DisplayFrame, Frame, Header, Localization, Summary, VideoInfo

MAX_WAITING_PICTURES = 64
"""Pictures that wait for the encoder of a recording."""
FINISH_SECONDS = 10.0
"""Maximum time to finish a recording or a stream."""
RATE_HINT = Fraction(30)
"""Expected pictures per second, a hint for the encoder."""


class BackgroundSink:
    """A `DisplaySink` that feeds another one in a thread of its own, behind a bounded queue.

    Args:
        sink: the sink to feed; used in the thread only, but for `notes`, once `start` was called.
        depth: maximum number of waiting pictures.
        overflow: policy of a full queue.
        name: name of the thread.

    Example:
        >>> background = BackgroundSink(Recorder(Path("out.mp4")), depth=64, overflow="drop-oldest")
        >>> background.start()
        >>> background.show(shown)
        >>> background.close()
    """

    def __init__(self, sink: DisplaySink, depth: int, overflow: Overflow, name: str = "camreel-output") -> None:
        self._sink, self._name = sink, name
        self._channel: Channel[DisplayFrame | None] = Channel(depth, overflow)
        self._worker: QueueWorker[DisplayFrame | None] | None = None
        self._started = False
        """Whether the sink has got pictures since it was last finished."""

    @property
    def notes(self) -> list[str]:
        """Run notes of the sink."""
        return self._sink.notes

    @property
    def dropped(self) -> int:
        """Number of pictures that are missing because the queue was full."""
        return self._channel.dropped

    def start(self) -> None:
        """Start the thread."""
        self._worker = QueueWorker(self._channel, self._take, self._name)

    def _take(self, shown: DisplayFrame | None) -> None:
        if shown is None:
            self._sink.close()
        else:
            self._sink.show(shown)

    def show(self, shown: DisplayFrame) -> None:
        """Queue the next picture.

        Raises:
            OutputError: the sink has failed.
        """
        self._put(shown)
        self._started = True

    def interrupt(self) -> None:
        """Finish the output after the waiting pictures; the next picture starts another one."""
        if self._started:
            self._put(None)
        self._started = False

    def _put(self, item: DisplayFrame | None) -> None:
        if self._worker is None:
            raise RuntimeError("the sink is not started")
        self._worker.put(item)

    def close(self) -> None:
        """Feed the waiting pictures and finish the output, unless that takes longer than `FINISH_SECONDS`.

        Raises:
            OutputError: the output cannot be finished.
        """
        if self._worker is None or self._worker.finish(FINISH_SECONDS):
            self._sink.close()

    def abandon(self) -> None:
        """After an error: discard the waiting pictures, and make the output valid as far as it is written."""
        if self._worker is not None:
            self._worker.close()
        self._sink.abandon()


class LiveRecords:
    """The records of all cameras in one file.

    Args:
        path: JSON Lines, or `-` for standard output.
        cameras: the cameras that share the file.
        make_header: return the header of a source.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(self, path: str, cameras: Sequence[LiveCamera], make_header: Callable[[VideoInfo], Header]) -> None:
        self._cameras, self._make_header = cameras, make_header
        self._sink = EventSink(path, len(cameras))
        self._parts = [-1] * len(cameras)
        """Of each camera the number of the connection whose record was written last; -1: none."""

    def write(self, number: int, localization: Localization) -> None:
        """Write the next localization of a camera."""
        if localization.frame.part != self._parts[number]:
            self._write_connection(number, localization.frame)
        self._sink.write(number, localization)

    def _write_connection(self, number: int, frame: Frame) -> None:
        """Write the header of a camera before its first frame, and the connection that later frames come over."""
        info = self._cameras[number].infos[frame.part]
        if self._parts[number] < 0:
            self._sink.begin(number, self._make_header(replace(info, live=True)))
        if frame.part > 0:
            self._sink.connect(number, frame.part, info, frame.time)
        self._parts[number] = frame.part

    def end(self, number: int, summary: Summary, live: dict[str, Any]) -> None:
        """Write the summary of a camera, if it has any record."""
        if self._parts[number] >= 0:
            self._sink.end(number, summary, live)

    def close(self) -> None:
        """Give the file its final name."""
        self._sink.close()

    def abandon(self) -> None:
        """After an error: leave the records so far under the partial name."""
        self._sink.abandon()


class Outputs:
    """Everything that a run writes, as far as it is wanted. `with` opens the outputs, and abandons those not closed.

    Args:
        options: which outputs to open.
        config: all settings.
        cameras: the cameras, by number.
        make_header: return the header of a source.
    """

    def __init__(
        self,
        options: LiveOptions,
        config: Config,
        cameras: Sequence[LiveCamera],
        make_header: Callable[[VideoInfo], Header],
    ) -> None:
        self._options, self._config, self._cameras, self._make_header = options, config, cameras, make_header
        self._records: LiveRecords | None = None
        self._recorders: list[Recorder] = []
        self._recordings: list[BackgroundSink] = []
        self._stream: BackgroundSink | None = None
        self._own = ExitStack()

    def __enter__(self) -> Self:
        """Open the outputs, before there is anything to write: an output that cannot be written costs no work.

        Raises:
            ConfigError: a file type, a setting or an address is not supported.
            OutputError: a file cannot be created.
        """
        with ExitStack() as own:
            if self._options.records:
                self._records = LiveRecords(self._options.records, self._cameras, self._make_header)
                own.callback(self._records.abandon)
            if self._options.record is not None:
                for path in recording_paths(self._options.record, len(self._cameras)):
                    self._open_recording(path, own)
            if self._options.push is not None:
                self._open_stream(self._options.push, own)
            self._own = own.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own.close()

    def _open_recording(self, path: Path, own: ExitStack) -> None:
        overflow: Overflow = "block" if self._config.live.policy == "block" else "drop-oldest"
        recorder = Recorder(path, self._config.video, segment=self._options.segment, rate=RATE_HINT)
        self._recorders.append(recorder)
        self._recordings.append(_start(recorder, MAX_WAITING_PICTURES, overflow, own))

    def _open_stream(self, url: str, own: ExitStack) -> None:
        self._stream = _start(Publisher(url, self._config.video), 2, "latest", own)

    def write(self, number: int, localization: Localization) -> None:
        """Write the record of a camera's localization."""
        if self._records is not None:
            self._records.write(number, localization)

    def record(self, number: int, shown: DisplayFrame, wanted: bool) -> None:
        """Record a camera's picture; when recording is not wanted any more, the file is finished.

        Raises:
            OutputError: the recording has failed.
        """
        if not self._recordings:
            return
        if wanted:
            self._recordings[number].show(shown)
        else:
            self._recordings[number].interrupt()

    def publish(self, shown: DisplayFrame) -> None:
        """Send a picture to the stream.

        Raises:
            OutputError: the stream has failed.
        """
        if self._stream is not None:
            self._stream.show(shown)

    def notes(self, number: int) -> list[str]:
        """Return the run notes of the outputs of a camera."""
        notes = list(self._stream.notes) if self._stream is not None else []
        if self._recordings:
            recording = self._recordings[number]
            notes += recording.notes
            if recording.dropped:
                missing = f"{recording.dropped} pictures are missing in the recording"
                notes.append(f"{missing}: they came faster than they were encoded")
        return notes

    def files(self, number: int) -> tuple[Path, ...]:
        """Return the finished recordings of a camera."""
        return tuple(self._recorders[number].files) if self._recorders else ()

    def end(self, number: int, summary: Summary, live: dict[str, Any]) -> None:
        """Write the summary of a camera."""
        if self._records is not None:
            self._records.end(number, summary, live)

    def close(self) -> None:
        """Finish all outputs; raise the first error when all were tried.

        Raises:
            OutputError: an output cannot be finished.
        """
        errors = []
        for output in (*self._recordings, self._records, self._stream):
            try:
                if output is not None:
                    output.close()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


def _start(sink: DisplaySink, depth: int, overflow: Overflow, own: ExitStack) -> BackgroundSink:
    background = BackgroundSink(sink, depth, overflow)
    own.callback(background.abandon)
    background.start()
    return background


def recording_paths(path: Path, count: int) -> list[Path]:
    """Return the recording of each camera: the path itself, or with several cameras the path with their number from 1.

    Example:
        >>> [path.name for path in recording_paths(Path("out.mp4"), 2)]
        ['out.1.mp4', 'out.2.mp4']
    """
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}.{number + 1}{path.suffix}") for number in range(count)]
