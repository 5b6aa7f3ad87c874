"""Live sources: frames as they arrive over one connection to a webcam, a network camera or a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction

from av import FFmpegError, VideoFrame
from av.container import InputContainer

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import SILENCE_SECONDS
from camreel.sources.container import (
    DEFAULT_TIME_BASE,
    Unreachable,
    as_fraction,
    describe_video,
    explain_lost,
    find_audio_streams,
    find_video_stream,
)
from camreel.sources.decoder import MAX_FAILURES, Decoder, Watchdog
from camreel.sources.picture import Conversion
from camreel.sources.timeline import TimestampClock, zero_timestamp
from camreel.structures import Frame

FORMATS_WITHOUT_CLOCK = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc", "m4v"})
"""Demuxers that invent timestamps which have nothing to do with the arrival of the pictures."""
MIN_ARRIVAL_INTERVAL_SECONDS = 1e-6
"""Interval between two frames that are timed by their arrival and arrive at once."""
ARRIVAL_TIME_BASE = Fraction(1, 90_000)
"""Time base of a source without a clock of its own; its frames have no `pts`."""


class Connection:
    """One open connection, and the frames that arrive over it, whatever their size.

    Creating it waits for the first frame.

    Args:
        name: the source as shown to people.
        container: demuxer; closed with the connection, and if this constructor fails.
        silence: seconds without a frame after which the connection is dead.
        clock: return monotonic seconds.
        has_clock: the source's timestamps tell when a picture was taken.

    Raises:
        Unreachable: no frame arrived.
        InputError: there is no video in it.
    """

    def __init__(
        self,
        name: str,
        container: InputContainer,
        *,
        silence: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        has_clock: bool = True,
    ) -> None:
        self.name = name
        self.end_reason = ""
        """Why no more frames arrive, for people; empty: more may arrive."""
        self.container = container
        self._silence, self._now = silence, clock
        try:
            self.video = find_video_stream(container, name)
            audio, self.notes = find_audio_streams(container, self.video)
            self.notes += ["its sound is not carried: the source is live"] if audio else []
            watchdog = Watchdog(clock, silence)
            self.decoder = Decoder(container, self.video, (), remote=True, threads="SLICE", watchdog=watchdog)
            self._frames = self.decoder.frames()
            first = self.next()
            if first is not None and first.pts is None:  # RTSP has no timestamp before its second picture
                first = self.next() or first
            if first is None:
                raise Unreachable(f"{name}: no picture came", self.end_reason, "check that it plays elsewhere")
        except BaseException:
            container.close()
            raise
        self.first = first
        self._start = arrival(first)
        self._last = -1.0
        self.timed_by_arrival = not has_clock or container.format.name in FORMATS_WITHOUT_CLOCK or first.pts is None
        """Whether the time of a frame is its arrival, because its timestamps cannot be believed."""
        base = as_fraction(self.video.time_base) or DEFAULT_TIME_BASE
        self._clock = TimestampClock(base, self.rate, zero_timestamp(None, first.pts, base), max_leap=silence)

    @property
    def rate(self) -> Fraction | None:
        """Frames per second according to the stream."""
        return as_fraction(self.video.codec_context.framerate) if not self.timed_by_arrival else None

    @property
    def in_bursts(self) -> bool:
        """Whether frames arrive a segment at a time."""
        return self.container.format.name == "hls"

    def next(self) -> VideoFrame | None:
        """Return the next frame, or None at the end."""
        try:
            frame = next(self._frames, None)
        except FFmpegError as error:
            self.end_reason = explain_lost(error, self._silence)
            return None
        if frame is None and not self.end_reason:
            self.end_reason = self._explain_end()
        if frame is not None and frame.opaque is None:  # drained from the decoder at the end
            frame.opaque = self._now()
        return frame

    def time(self, frame: VideoFrame) -> float:
        """Return the seconds from the connection's first frame, by timestamp or by arrival; strictly increasing."""
        if not self.timed_by_arrival:
            return self._clock(frame.pts)
        self._last = max(arrival(frame) - self._start, self._last + MIN_ARRIVAL_INTERVAL_SECONDS)
        return self._last

    def close(self) -> None:
        """End the connection."""
        self._frames.close()
        self.container.close()

    def _explain_end(self) -> str:
        if self.decoder.stalled:
            return f"no picture came for {self._silence:g} s"
        if self.decoder.gave_up:
            return f"{MAX_FAILURES} damaged packets came in a row"
        return "the sender ended it"


class LiveSource(Source):
    """The frames of one connection for as long as their size stays the same. Sound is not carried.

    Args:
        connection: closed with this source.
        first: frame to begin with; None: the connection's first.
        start: seconds from the connection's first frame; frames before it are dropped.
        end: seconds from the connection's first frame; frames from it on are dropped.
    """

    def __init__(
        self,
        connection: Connection,
        first: VideoFrame | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        self._connection = connection
        self._first = connection.first if first is None else first
        self._start, self._end = start, end
        self._conversion = Conversion(self._first)
        self._changed: VideoFrame | None = None
        """First frame of another size."""
        info, notes = describe_video(
            connection.name, connection.container, connection.video, self._first, self._conversion
        )
        self.info = replace(info, live=True, frames=None, duration=None, average_rate=connection.rate)
        if connection.timed_by_arrival:
            self.info = replace(self.info, time_base=ARRIVAL_TIME_BASE)
        self.notes = [*connection.notes, *notes]
        self._iterator = self._emit()

    @property
    def corrupt(self) -> int:
        """Number of packets that could not be decoded so far, on the whole connection."""
        return self._connection.decoder.corrupt

    @property
    def end_reason(self) -> str:
        """Why no more frames arrive, for people; empty while they do, and if the reader stopped."""
        if self._changed is not None:
            return f"the picture changed to {self._changed.width}x{self._changed.height}"
        return self._connection.end_reason

    @property
    def in_bursts(self) -> bool:
        """Whether many frames arrive at once, with pauses between."""
        return self._connection.in_bursts

    def __iter__(self) -> Iterator[Frame]:
        return self._iterator

    def continuation(self) -> LiveSource | None:
        """Return the source of the frames that follow on the same connection with another size; None: none do."""
        return LiveSource(self._connection, self._changed) if self._changed is not None else None

    def close(self) -> None:
        """End the iteration and the connection."""
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
            what = f"{self._connection.name}: no frame came after {self._start or 0:g} s"
            raise InputError(what, self.end_reason)
        self.notes.append(f"the stream ended: {self.end_reason}")

    def _frame(self, index: int, frame: VideoFrame, seconds: float) -> Frame:
        pts = None if self._connection.timed_by_arrival else frame.pts
        return Frame(index, pts, seconds, self.info.time_base, self._conversion(frame), captured=arrival(frame))


def arrival(frame: VideoFrame) -> float:
    """Return the monotonic time in seconds at which the packet of a frame arrived."""
    assert isinstance(frame.opaque, float)
    return frame.opaque
