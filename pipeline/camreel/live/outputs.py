"""What becomes of the pictures beside being shown: recordings and a stream, each behind a channel of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from camreel.live.options import LiveOptions
from camreel.runtime.concurrency import Channel, Overflow, QueueWorker
from camreel.sinks.options import VideoOptions
from camreel.sinks.publish.publisher import Publisher
from camreel.sinks.video.recorder import Recorder
from camreel.structures import DisplayFrame

WAITING = 64
"""Pictures that wait to be written at most."""
FINISH = 10.0
"""Seconds that finishing a recording may take."""


class Recording:
    """The recording of one camera, which whoever watches may interrupt.

    Args:
        path: of the first file.
        segment: seconds after which it goes on in another file; None: never.
        rate: pictures per second, as a hint.
        video: how it is encoded.
        overflow: what happens when pictures come faster than they are encoded.
    """

    def __init__(
        self, path: Path, segment: float | None, rate: Fraction, video: VideoOptions, overflow: Overflow
    ) -> None:
        self.recorder = Recorder(path, video, segment=segment, rate=rate)
        self._channel: Channel[DisplayFrame | None] = Channel(WAITING, overflow)
        self._drain = QueueWorker(self._channel, self._take, "camreel-record")
        self._on = False

    @property
    def dropped(self) -> int:
        """Pictures that are missing in it."""
        return self._channel.dropped

    def _take(self, screen: DisplayFrame | None) -> None:
        if screen is None:
            self.recorder.close()
        else:
            self.recorder.show(screen)

    def put(self, screen: DisplayFrame, wanted: bool) -> None:
        """Takes the next picture; where none is wanted any more the file is finished.

        Raises:
            OutputError: it cannot be written.
        """
        if wanted:
            self._drain.put(screen)
        elif self._on:
            self._drain.put(None)
        self._on = wanted

    def close(self) -> None:
        """Finishes the file.

        Raises:
            OutputError: it cannot be finished.
        """
        if self._drain.finish(FINISH):
            self.recorder.close()

    def abandon(self) -> None:
        """After an error: makes what was written so far valid. Never raises; may follow `close`."""
        self._drain.close()
        self.recorder.abandon()


def open_recordings(
    options: LiveOptions, count: int, video: VideoOptions, overflow: Overflow, own: ExitStack
) -> list[Recording]:
    """A recording for each camera, where they are wanted.

    Raises:
        ConfigError: the file's type or a setting is not known.
        OutputError: a file cannot be made.
    """
    if options.record is None:
        return []
    found = []
    for path in record_paths(options.record, count):
        found.append(Recording(path, options.segment, Fraction(30), video, overflow))
        own.callback(found[-1].abandon)
    return found


def record_paths(path: Path, count: int) -> list[Path]:
    """The file of each camera: the name as it is, or with the camera's number from 1."""
    return (
        [path] if count == 1 else [path.with_name(f"{path.stem}.{number + 1}{path.suffix}") for number in range(count)]
    )


class Pushing:
    """A stream of what is shown, in a lane of its own: encoding takes time.

    Args:
        url: of the receiver.
        video: how it is encoded.
    """

    def __init__(self, url: str, video: VideoOptions) -> None:
        self.push = Publisher(url, video)
        self._drain: QueueWorker[DisplayFrame] = QueueWorker(Channel(2, "latest"), self.push.show, "camreel-push")

    def put(self, screen: DisplayFrame) -> None:
        """Takes the next picture."""
        self._drain.put(screen)

    def close(self) -> None:
        """Ends the stream."""
        self._drain.finish(FINISH)
        self.push.close()


def open_push(url: str | None, video: VideoOptions, own: ExitStack) -> Pushing | None:
    """The stream, where one is wanted.

    Raises:
        ConfigError: nothing can be pushed there.
    """
    if url is None:
        return None
    pushing = Pushing(url, video)
    own.callback(pushing.close)
    return pushing


def finish_all(closers: Sequence[Callable[[], None]]) -> None:
    """Calls all; raises the first error when all were called."""
    errors = []
    for close in closers:
        try:
            close()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
