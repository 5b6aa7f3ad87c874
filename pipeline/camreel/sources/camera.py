"""Webcams, network cameras and streams: frames as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final

from av import FFmpegError, VideoFrame
from av.container import InputContainer

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import Address
from camreel.sources.container import TIMEOUT, Unreachable, why_lost
from camreel.sources.decoder import PATIENCE, Decoder, Watch
from camreel.sources.picture import Conversion
from camreel.sources.streams import as_fraction, describe, pick_video, split_others
from camreel.sources.timestamps import Clock, zero_of
from camreel.structures import Frame

CLOCKLESS: Final = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc", "m4v"})
"""Demuxers that invent timestamps, whenever a picture comes."""
TICK: Final = 1e-6
"""Seconds at least between two frames that are timed by their arrival."""
ARRIVAL_BASE: Final = Fraction(1, 90_000)
"""For the frames of a source without a clock of its own."""


def captured(frame: VideoFrame) -> float:
    """When the packet of a frame came, in monotonic seconds."""
    assert isinstance(frame.opaque, float)
    return frame.opaque


class Connection:
    """One open connection, and the frames that come over it, whatever their size."""

    def __init__(
        self,
        address: Address,
        container: InputContainer,
        *,
        silence: float = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes over an open container, and waits for its first frame.

        Args:
            address: what it was opened from.
            container: the demuxer; closed here, also where this fails.
            silence: seconds without a frame after which the connection is dead.
            clock: monotonic seconds.

        Raises:
            Unreachable: no frame came.
            InputError: there is no video in it.
        """
        self.name = address.name
        self.ended = ""
        """Why no more frames come, for people."""
        self.container = container
        self._silence, self._now = silence, clock
        try:
            self.video = pick_video(container, address.name)
            sound, self.notes = split_others(container, self.video)
            self.notes += ["its sound is not carried: the source is live"] if sound else []
            self.decoder = Decoder(container, self.video, (), remote=True, threads="SLICE", watch=Watch(clock, silence))
            self._frames = self.decoder.frames()
            first = self.next()
            if first is not None and first.pts is None:  # RTSP knows no time before its second picture
                first = self.next() or first
            if first is None:
                raise Unreachable(f"{self.name}: no picture came", self.ended, "check that it plays elsewhere")
        except BaseException:
            container.close()
            raise
        self.first = first
        self._begin = captured(first)
        self._last = -1.0
        self.by_arrival = address.kind == "webcam" or container.format.name in CLOCKLESS or first.pts is None
        """Whether a frame's time is when it came, because its timestamps cannot be believed."""
        base = as_fraction(self.video.time_base) or Fraction(1, 1000)
        self._clock = Clock(base, self.rate, zero_of(None, first.pts, base), leap=silence)

    @property
    def rate(self) -> Fraction | None:
        """Frames per second as the stream claims."""
        return as_fraction(self.video.codec_context.framerate) if not self.by_arrival else None

    @property
    def bursts(self) -> bool:
        """Whether frames come a segment at a time."""
        return self.container.format.name == "hls"

    def next(self) -> VideoFrame | None:
        """The next frame, or None at the end."""
        try:
            frame = next(self._frames, None)
        except FFmpegError as error:
            self.ended = why_lost(error, self._silence)
            return None
        if frame is None and not self.ended:
            self.ended = self._why_ended()
        if frame is not None and frame.opaque is None:  # drained at the end
            frame.opaque = self._now()
        return frame

    def time(self, frame: VideoFrame) -> float:
        """Seconds from the connection's first frame: by its own clock, else by arrival; strictly increasing."""
        if not self.by_arrival:
            return self._clock(frame.pts)
        self._last = max(captured(frame) - self._begin, self._last + TICK)
        return self._last

    def close(self) -> None:
        """Ends the connection."""
        self._frames.close()
        self.container.close()

    def _why_ended(self) -> str:
        if self.decoder.stalled:
            return f"no picture came for {self._silence:g} s"
        if self.decoder.gave_up:
            return f"{PATIENCE} damaged packets came in a row"
        return "the sender ended it"


class LiveSource(Source):
    """The frames of one connection for as long as their size stays the same. Sound is not carried."""

    def __init__(
        self,
        connection: Connection,
        first: VideoFrame | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        """Begins to read.

        Args:
            connection: closed with this source.
            first: the frame to begin with; None: the connection's first.
            start: seconds from the connection's first frame; frames before it are dropped.
            end: seconds; frames from it on are dropped.
        """
        self._connection = connection
        self._first = connection.first if first is None else first
        self._start, self._end = start, end
        self._conversion = Conversion(self._first)
        self._changed: VideoFrame | None = None
        info, notes = describe(connection.name, connection.container, connection.video, self._first, self._conversion)
        self.info = replace(info, live=True, frames=None, duration=None, average_rate=connection.rate)
        if connection.by_arrival:
            self.info = replace(self.info, time_base=ARRIVAL_BASE)
        self.notes = [*connection.notes, *notes]
        self._iterator = self._emit()

    @property
    def corrupt(self) -> int:
        """Packets that could not be decoded so far, on the whole connection."""
        return self._connection.decoder.corrupt

    @property
    def ended(self) -> str:
        """Why no more frames come, for people; empty as long as they do, and where the reader ended it."""
        if self._changed is not None:
            return f"the picture changed to {self._changed.width}x{self._changed.height}"
        return self._connection.ended

    @property
    def bursts(self) -> bool:
        """Whether frames come many at once, with pauses between."""
        return self._connection.bursts

    def __iter__(self) -> Iterator[Frame]:
        return self._iterator

    def follow(self) -> LiveSource | None:
        """What goes on over the same connection with pictures of another size, once this source has ended with them."""
        return LiveSource(self._connection, self._changed) if self._changed is not None else None

    def close(self) -> None:
        """Ends the iteration and the connection."""
        self._iterator.close()
        self._connection.close()

    def _emit(self) -> Generator[Frame]:
        frame: VideoFrame | None = self._first
        count = 0
        while frame is not None:
            if (frame.width, frame.height) != (self._first.width, self._first.height):
                self._changed = frame
                break
            seconds = self._connection.time(frame)
            if self._end is not None and seconds >= self._end:
                return
            if self._start is None or seconds >= self._start:
                yield self._frame(count, frame, seconds)
                count += 1
            frame = self._connection.next()
        if not count:
            raise InputError(f"{self._connection.name}: no frame came after {self._start or 0:g} s", self.ended)
        self.notes.append(f"the stream ended: {self.ended}")

    def _frame(self, index: int, frame: VideoFrame, seconds: float) -> Frame:
        pts = None if self._connection.by_arrival else frame.pts
        return Frame(index, pts, seconds, self.info.time_base, self._conversion(frame), captured=captured(frame))
