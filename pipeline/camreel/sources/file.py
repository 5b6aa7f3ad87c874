"""Video files, and what can be read like one: files over http, standard input, test patterns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain, islice

from av import FFmpegError, VideoFrame, VideoStream

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import Address
from camreel.sources.container import TIMEOUT, can_seek, open_container, why_lost
from camreel.sources.decoder import PATIENCE, AnyPacket, Decoder
from camreel.sources.picture import Conversion
from camreel.sources.streams import describe, pick_video, split_others
from camreel.sources.timestamps import Clock, zero_of
from camreel.structures import Frame

STEPS_BACK = (0.0, 2.0, 10.0)
"""Seconds before `start` to seek to, in turn, until a seek lands on a frame at or before it."""
SLACK = 10.0
"""Seconds that audio may be stored behind the picture it belongs to."""
SHORT = 0.75
"""A file that holds less than this share of the frames it claims is called truncated (edit lists hide a few)."""


class FileSource(Source):
    """Exactly the frames that decoding the first video stream gives, with the packets of all audio streams.

    The first frame is decoded on opening, because rotation, size and colour are certain only then.
    """

    def __init__(
        self, address: Address, *, start: float | None = None, end: float | None = None, audio: bool = True
    ) -> None:
        """Opens the source.

        Args:
            address: Of a file, also over http, of standard input, or of a test pattern.
            start: Seconds from the source's zero; frames before it are dropped.
            end: Seconds; frames from it on are dropped.
            audio: Whether audio packets are carried.

        Raises:
            InputError: there is no video in it.
        """
        self._start, self._end = start, end
        self._address, self._name = address, address.name
        self._sought: int | None = None
        self._begins = float("-inf")
        self._container = open_container(address)
        self._seekable = can_seek(address)
        try:
            self._video = pick_video(self._container, self._name)
            tracks, self.notes = split_others(self._container, self._video)
            tracks = tracks if audio else []
            self._decoder = Decoder(self._container, self._video, tracks, remote=address.remote)
            self._frames = self._read()
            self._first = self._first_frame()
            self._conversion = Conversion(self._first)
            self.info, notes = describe(self._name, self._container, self._video, self._first, self._conversion, tracks)
            self.notes += notes
            self._time_base = self.info.time_base
            self._zero = zero_of(self._video.start_time, self._first.pts, self._time_base)
            self._clock = Clock(self._time_base, self.info.average_rate, self._zero)
        except BaseException:
            self._container.close()
            raise
        self._iterator = self._emit()

    @property
    def corrupt(self) -> int:
        """Packets that could not be decoded so far."""
        return self._decoder.corrupt

    def __iter__(self) -> Iterator[Frame]:
        return self._iterator

    def close(self) -> None:
        """Ends the iteration and closes the file. `Track.template` must not be used any more: its memory is gone."""
        self._iterator.close()
        self._frames.close()
        self._container.close()

    # Opening

    def _first_frame(self) -> VideoFrame:
        try:
            first = next(self._frames, None)
        except FFmpegError as error:
            raise self._lost(error) from None
        if first is None:
            why = self._decoder.failure.strerror if self._decoder.failure else None
            raise InputError(f"{self._name}: not a single frame can be decoded", (why or "the stream is empty").lower())
        return first

    # Reading

    def _emit(self) -> Generator[Frame]:
        count = 0
        held: tuple[VideoFrame, float] | None = None  # so that packets behind the last frame have a carrier
        try:
            for item in self._window():
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
            self._begins = time
        packets = self._decoder.packets
        if packets:
            self._decoder.packets = []
            if self._start is not None:
                packets = [packet for packet in packets if self._packet_time(packet) >= self._begins]
            if self._end is not None:
                packets = [packet for packet in packets if self._packet_time(packet) < self._end]
        return Frame(index, frame.pts, time, self._time_base, self._conversion(frame), tuple(packets))

    def _window(self) -> Iterator[tuple[VideoFrame, float]]:
        """The frames with start <= time < end."""
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
                    self._decoder.packets = [
                        packet for packet in self._decoder.packets if self._packet_time(packet) >= start
                    ]
        except FFmpegError as error:
            raise self._lost(error) from None

    def _from_start(self) -> Iterator[VideoFrame]:
        """All frames, or those from a keyframe at or before `start` where the source can be searched."""
        start = self._start or 0.0
        origin = self._clock.at(self._first.pts or 0)
        targets = [start - back for back in STEPS_BACK if start - back > origin]
        if not targets or not self._seekable or self.info.duration is None:
            return chain((self._first,), self._frames)
        # The last place is the beginning; MPEG streams go there only when asked for a time before it.
        places = [self._zero + int(Fraction(target) / self._time_base) for target in targets]
        found: VideoFrame | None = None
        for pts in (*places, min(0, self._first.pts or 0)):
            try:
                self._decoder.seek(pts)
            except FFmpegError:
                return chain((self._first,), self._frames)
            self._sought = pts
            self._frames = self._read()
            found = next(self._frames, None)
            if found is not None and found.pts is not None and self._clock.at(found.pts) <= start:
                break
        return chain((found,), self._frames) if found is not None else self._frames

    def _read(self) -> Generator[VideoFrame]:
        """All frames from where the container stands, those too that frame threads would lose at a damaged end."""
        yield from self._decoder.frames()
        if self._seekable and self._decoder.may_lack_its_tail:
            yield from self._read_again(skip=self._decoder.given)

    def _read_again(self, skip: int) -> Generator[VideoFrame]:
        with open_container(self._address) as container:
            video = container.streams[self._video.index]
            assert isinstance(video, VideoStream)
            decoder = Decoder(container, video, (), threads="SLICE")
            if self._sought is not None:
                decoder.seek(self._sought)
            yield from islice(decoder.frames(), skip, None)
            self._decoder.corrupt = decoder.corrupt

    def _read_tracks_until(self, end: float) -> None:
        self._decoder.finish(
            past=lambda packet: self._packet_time(packet) >= end,
            hopeless=lambda packet: self._packet_time(packet) >= end + SLACK,
        )

    def _packet_time(self, packet: AnyPacket) -> float:
        """Seconds from the source's zero."""
        stamp = packet.dts if packet.pts is None else packet.pts
        return float((stamp or 0) * packet.time_base - self._zero * self._time_base)

    # What went wrong

    def _nothing_between(self) -> InputError:
        until = "its end" if self._end is None else f"{self._end:g} s"
        why = f"it lasts {self.info.duration:.2f} s" if self.info.duration else ""
        return InputError(
            f"{self._name}: no frame between {self._start or 0:g} s and {until}", why, "choose another start or end"
        )

    def _lost(self, error: FFmpegError) -> InputError:
        todo = "try again, or download the file first"
        return InputError(f"{self._name}: the connection was lost", why_lost(error, TIMEOUT), todo)

    def _note_truncation(self, count: int) -> None:
        claimed = self.info.frames
        if self._start is None and self._end is None and claimed and count < SHORT * claimed:
            self.notes.append(f"the file is cut off: it holds {count} of the {claimed} frames it claims")
        elif self._end is None and self._decoder.may_lack_its_tail:
            self.notes.append("the file is cut off or damaged at its end")

    def _note_damage(self) -> None:
        if self.corrupt:
            self.notes.append(f"{self.corrupt} damaged packets were skipped")
        if self._decoder.gave_up:
            self.notes.append(f"reading ended after {PATIENCE} failures in a row; what is behind them is missing")
        if self._conversion.resized:
            width, height = self._conversion.displayed
            self.notes.append(f"{self._conversion.resized} frames of another size were scaled to {width}x{height}")
