"""Video files, and sources that are read like files: standard input, test patterns, files over HTTP (see `remote`)."""

from __future__ import annotations

import stat
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
from av import FFmpegError, VideoFrame, VideoStream

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import SILENCE_SECONDS, Address, OpenOptions, scheme_of
from camreel.sources.container import (
    Media,
    describe_video,
    error_reason,
    explain_lost,
    explain_not_a_video,
    find_audio_streams,
    find_video_stream,
    open_container,
)
from camreel.sources.decoder import MAX_FAILURES, AnyPacket, Decoder
from camreel.sources.picture import Conversion
from camreel.sources.timeline import TimestampClock, zero_timestamp
from camreel.structures import Frame

SEEK_BACK_SECONDS = (0.0, 2.0, 10.0)
"""Times before `start` to seek to, in turn, until a seek lands on a frame at or before `start`."""
MAX_TRACK_LAG_SECONDS = 10.0
"""Longest distance at which audio may be stored behind the picture that it belongs to."""
TRUNCATED_SHARE = 0.75
"""A file that holds less than this share of the frames it claims is reported as cut off (edit lists hide a few)."""
PATTERN_DEFAULTS = {"size": "640x360", "rate": "30"}
"""Options of `test:` that the text does not set."""


def parse_file(text: str) -> Address | None:
    """Take every text that is not a URL as a file name."""
    # Without "file:" FFmpeg would take a name with a colon for a protocol.
    return None if scheme_of(text) else Address(text, f"file:{text}")


def open_file(address: Address, options: OpenOptions) -> FileSource:
    """Open a video file."""
    path = Path(address.name)
    if path.is_dir():
        raise InputError(f"{address.name}: is a directory", todo="name a video in it")
    if not path.exists():
        raise InputError(f"{address.name}: no such file", todo="check the path; quote names that hold spaces")
    regular = stat.S_ISREG(path.stat().st_mode)
    if regular and path.stat().st_size == 0:
        why = "the recording or the copy did not finish"
        raise InputError(f"{address.name}: the file is empty", why, "copy or record it again")
    return FileSource(Media(address, address.target, _explain_file, seekable=regular), options)


def parse_pipe(text: str) -> Address | None:
    """Recognize standard input: `-`."""
    return Address(text, "pipe:0") if text == "-" else None


def open_pipe(address: Address, options: OpenOptions) -> FileSource:
    """Read a video from standard input."""
    return FileSource(Media(address, address.target, _explain_local), options)


def parse_pattern(text: str) -> Address | None:
    """Recognize a test pattern (`test:`, `test:size=1280x720:rate=25`) or an FFmpeg filter graph (`lavfi:GRAPH`)."""
    if text.startswith("test:"):
        options = dict(part.partition("=")[::2] for part in text.removeprefix("test:").split(":") if part)
        graph = ":".join(f"{key}={value}" for key, value in (PATTERN_DEFAULTS | options).items())
        return Address(text, f"testsrc2={graph}", "lavfi")
    return Address(text, text.removeprefix("lavfi:"), "lavfi") if text.startswith("lavfi:") else None


def open_pattern(address: Address, options: OpenOptions) -> FileSource:
    """Start a test pattern."""
    return FileSource(Media(address, address.target, _explain_pattern), options)


class FileSource(Source):
    """Exactly the frames that decoding the first video stream gives, with the packets of all audio streams.

    The first frame is decoded on opening, because rotation, size and color are certain only then.

    Args:
        media: the input to open.
        options: section of the video and whether audio is carried.

    Raises:
        InputError: there is no video in it.
    """

    def __init__(self, media: Media, options: OpenOptions) -> None:
        self._start, self._end = options.start, options.end
        self._media, self._name = media, media.address.name
        self._sought: int | None = None
        """Timestamp of the seek to `start`."""
        self._first_time = float("-inf")
        """Time of the first frame of a section."""
        self._container = open_container(media)
        try:
            self._video = find_video_stream(self._container, self._name)
            tracks, self.notes = find_audio_streams(self._container, self._video)
            tracks = tracks if options.audio else []
            self._decoder = Decoder(self._container, self._video, tracks, remote=media.remote)
            self._frames = self._read()
            self._first = self._first_frame()
            self._conversion = Conversion(self._first)
            self.info, notes = describe_video(
                self._name, self._container, self._video, self._first, self._conversion, tracks
            )
            self.notes += notes
            self._time_base = self.info.time_base
            self._zero = zero_timestamp(self._video.start_time, self._first.pts, self._time_base)
            self._clock = TimestampClock(self._time_base, self.info.average_rate, self._zero)
        except BaseException:
            self._container.close()
            raise
        self._iterator = self._emit()

    @property
    def corrupt(self) -> int:
        """Number of packets that could not be decoded so far."""
        return self._decoder.corrupt

    def __iter__(self) -> Iterator[Frame]:
        return self._iterator

    def close(self) -> None:
        """End the iteration and close the file. `Track.template` must not be used any more: its memory is freed."""
        self._iterator.close()
        self._frames.close()
        self._container.close()

    def _first_frame(self) -> VideoFrame:
        try:
            first = next(self._frames, None)
        except FFmpegError as error:
            raise self._lost(error) from None
        if first is None:
            why = self._decoder.failure.strerror if self._decoder.failure else None
            raise InputError(f"{self._name}: not a single frame can be decoded", (why or "the stream is empty").lower())
        return first

    def _emit(self) -> Generator[Frame]:
        count = 0
        # One frame is held back, so that packets behind the last frame have a frame to ride on.
        held: tuple[VideoFrame, float] | None = None
        try:
            for item in self._section():
                if held is not None:
                    yield self._frame(count, *held)
                    count += 1
                held = item
            if held is None:
                raise self._nothing_between()
            yield self._frame(count, *held)
            self._note_truncation(count + 1)
        finally:
            self._note_damage()

    def _frame(self, index: int, frame: VideoFrame, time: float) -> Frame:
        if index == 0 and self._start is not None:
            self._first_time = time
        packets = self._decoder.packets
        if packets:
            self._decoder.packets = []
            if self._start is not None:
                packets = [packet for packet in packets if self._packet_time(packet) >= self._first_time]
            if self._end is not None:
                packets = [packet for packet in packets if self._packet_time(packet) < self._end]
        return Frame(index, frame.pts, time, self._time_base, self._conversion(frame), tuple(packets))

    def _section(self) -> Iterator[tuple[VideoFrame, float]]:
        """Yield the frames with start <= time < end, and their times."""
        start, end = self._start, self._end
        try:
            for frame in self._from_start():
                time = self._clock(frame.pts)
                if end is not None and time >= end:
                    self._read_tracks_until(end)
                    return
                if start is None or time >= start:
                    yield frame, time
                else:
                    packets = self._decoder.packets
                    self._decoder.packets = [packet for packet in packets if self._packet_time(packet) >= start]
        except FFmpegError as error:
            raise self._lost(error) from None

    def _from_start(self) -> Iterator[VideoFrame]:
        """Return all frames, or those from a keyframe at or before `start` if the source can be searched."""
        start = self._start or 0.0
        first_time = self._clock.seconds(self._first.pts or 0)
        targets = [start - back for back in SEEK_BACK_SECONDS if start - back > first_time]
        if not targets or not self._media.seekable or self.info.duration is None:
            return chain((self._first,), self._frames)
        # The last attempt is the beginning; MPEG streams go there only when they are asked for a time before it.
        attempts = [self._zero + int(Fraction(target) / self._time_base) for target in targets]
        found: VideoFrame | None = None
        for pts in (*attempts, min(0, self._first.pts or 0)):
            try:
                self._decoder.seek(pts)
            except FFmpegError:
                return chain((self._first,), self._frames)
            self._sought = pts
            self._frames = self._read()
            found = next(self._frames, None)
            if found is not None and found.pts is not None and self._clock.seconds(found.pts) <= start:
                break
        return chain((found,), self._frames) if found is not None else self._frames

    def _read(self) -> Generator[VideoFrame]:
        """Yield all frames from the container's position, including those that frame threads lose at a damaged end."""
        yield from self._decoder.frames()
        if self._media.seekable and self._decoder.may_lack_its_tail:
            yield from self._read_again(skip=self._decoder.decoded)

    def _read_again(self, skip: int) -> Generator[VideoFrame]:
        with open_container(self._media) as container:
            video = container.streams[self._video.index]
            assert isinstance(video, VideoStream)
            decoder = Decoder(container, video, (), threads="SLICE")
            if self._sought is not None:
                decoder.seek(self._sought)
            yield from islice(decoder.frames(), skip, None)
            self._decoder.corrupt = decoder.corrupt

    def _read_tracks_until(self, end: float) -> None:
        self._decoder.read_tracks(
            reached=lambda packet: self._packet_time(packet) >= end,
            beyond=lambda packet: self._packet_time(packet) >= end + MAX_TRACK_LAG_SECONDS,
        )

    def _packet_time(self, packet: AnyPacket) -> float:
        """Return the seconds of a packet from the source's zero."""
        stamp = packet.dts if packet.pts is None else packet.pts
        return float((stamp or 0) * packet.time_base - self._zero * self._time_base)

    def _nothing_between(self) -> InputError:
        until = "its end" if self._end is None else f"{self._end:g} s"
        what = f"{self._name}: no frame between {self._start or 0:g} s and {until}"
        why = f"it lasts {self.info.duration:.2f} s" if self.info.duration else ""
        return InputError(what, why, "choose another start or end")

    def _lost(self, error: FFmpegError) -> InputError:
        todo = "try again, or download the file first"
        return InputError(f"{self._name}: the connection was lost", explain_lost(error, SILENCE_SECONDS), todo)

    def _note_truncation(self, count: int) -> None:
        claimed = self.info.frames
        if self._start is None and self._end is None and claimed and count < TRUNCATED_SHARE * claimed:
            self.notes.append(f"the file is cut off: it holds {count} of the {claimed} frames it claims")
        elif self._end is None and self._decoder.may_lack_its_tail:
            self.notes.append("the file is cut off or damaged at its end")

    def _note_damage(self) -> None:
        if self.corrupt:
            self.notes.append(f"{self.corrupt} damaged packets were skipped")
        if self._decoder.gave_up:
            self.notes.append(f"reading ended after {MAX_FAILURES} failures in a row; what is behind them is missing")
        if self._conversion.resized:
            width, height = self._conversion.displayed
            self.notes.append(f"{self._conversion.resized} frames of another size were scaled to {width}x{height}")


def _explain_local(error: Exception, address: Address, late: bool) -> InputError:
    if isinstance(error, PermissionError):
        todo = "change its permissions or run as its owner"
        return InputError(f"{address.name}: no permission to read it", todo=todo)
    if isinstance(error, av.error.InvalidDataError):
        return explain_not_a_video(address)
    return InputError(f"{address.name}: cannot be opened", error_reason(error))


def _explain_file(error: Exception, address: Address, late: bool) -> InputError:
    if isinstance(error, av.error.InvalidDataError) and Path(address.name).is_file():
        with open(address.name, "rb") as file:
            if file.read(8)[4:] == b"ftyp":  # MP4 and MOV
                why = "the recording was cut off before its index (moov) was written, or the file is damaged"
                todo = "copy it again, or repair it with untrunc"
                return InputError(f"{address.name}: the video has no readable index", why, todo)
    return _explain_local(error, address, late)


def _explain_pattern(error: Exception, address: Address, late: bool) -> InputError:
    todo = "try test: or test:size=1280x720:rate=25, or lavfi: with a filter graph of FFmpeg"
    return InputError(f"{address.name}: not a test pattern", error_reason(error), todo)
