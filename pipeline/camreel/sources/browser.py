"""Pictures that somebody sends: the camera of a page's visitor."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Final

import av
from av import FFmpegError, Packet, VideoCodecContext, VideoFrame

from camreel.interfaces import Source
from camreel.sources.picture import Conversion, color_tags
from camreel.sources.timeline import Relay, Running
from camreel.structures import Frame, VideoInfo

PAUSE: Final = 2.0
"""Seconds without a picture after which a new part begins: a visitor may have gone, and another one come."""
MOST_PIXELS: Final = 4096 * 4096
"""Of a picture; larger ones are refused before memory is taken for them."""
ARRIVAL_BASE: Final = Fraction(1, 90_000)
"""The frames have no clock of their own."""


class Pictures:
    """Decodes what is sent, and skips what cannot be decoded.

    Args:
        sent: (arrival by `time.monotonic()`, JPEG) in order.
    """

    def __init__(self, sent: Iterator[tuple[float, bytes]]) -> None:
        self.corrupt = 0
        """Pictures that could not be decoded so far."""
        self._sent = sent
        self._returned: tuple[float, VideoFrame] | None = None
        self._decoder = av.CodecContext.create("mjpeg", "r")
        self._decoder.thread_count = 1  # more would each hold a picture back
        self._decoder.options = {"max_pixels": str(MOST_PIXELS), "err_detect": "explode"}

    def next(self) -> tuple[float, VideoFrame] | None:
        """The next picture and its arrival; None: no more are sent."""
        returned, self._returned = self._returned, None
        if returned is not None:
            return returned
        for arrival, jpeg in self._sent:
            picture = self._decode(jpeg)
            if picture is not None:
                return arrival, picture
            self.corrupt += 1
        return None

    def give_back(self, arrival: float, picture: VideoFrame) -> None:
        """Makes a picture the next one again."""
        self._returned = arrival, picture

    def _decode(self, jpeg: bytes) -> VideoFrame | None:
        assert isinstance(self._decoder, VideoCodecContext)
        try:
            pictures = self._decoder.decode(Packet(jpeg)) if jpeg else []
        except FFmpegError:
            return None
        return pictures[0] if pictures else None


class PushedSource(Source):
    """Pictures of one size, for as long as they come without a pause.

    Args:
        pictures: where they come from; what this source leaves there is for the next one.
        first: the picture to begin with, and its arrival.
        name: of the sender, for people.
    """

    def __init__(self, pictures: Pictures, first: tuple[float, VideoFrame], name: str) -> None:
        self._pictures = pictures
        self._skipped = pictures.corrupt
        self._conversion = Conversion(first[1])
        pictures.give_back(*first)
        width, height = self._conversion.displayed
        self.notes: list[str] = []
        self.info = VideoInfo(
            uri=name,
            width=width,
            height=height,
            rotation=self._conversion.rotation,
            time_base=ARRIVAL_BASE,
            average_rate=None,
            frames=None,
            duration=None,
            live=True,
            codec="mjpeg",
            color=color_tags(first[1]),
        )
        self._iterator = self._emit(first[0], (first[1].width, first[1].height))

    @property
    def corrupt(self) -> int:
        """Pictures that could not be decoded so far."""
        return self._pictures.corrupt - self._skipped

    def __iter__(self) -> Iterator[Frame]:
        return self._iterator

    def close(self) -> None:
        """Ends the iteration."""
        self._iterator.close()

    def _emit(self, begin: float, size: tuple[int, int]) -> Generator[Frame]:
        index, last = 0, begin
        while (item := self._pictures.next()) is not None:
            arrival, picture = item
            if (picture.width, picture.height) != size or arrival - last > PAUSE:
                self._pictures.give_back(arrival, picture)
                return
            yield Frame(index, None, arrival - begin, ARRIVAL_BASE, self._conversion(picture), captured=arrival)
            index, last = index + 1, arrival


def pushed_connections(sent: Iterator[tuple[float, bytes]], name: str) -> Iterator[Source]:
    """Yields one source after another: each is to be iterated to its end before the next one is asked for.

    A new one begins where pictures of another size come, or some after a pause. Frames carry the running `index`, the running
    `time` by arrival, and the `part`.

    Args:
        sent: (arrival by `time.monotonic()`, JPEG) in order; ends when nobody can send any more.
        name: of the sender, for people.
    """
    pictures, running, part = Pictures(sent), Running(), 0
    while (first := pictures.next()) is not None:
        with PushedSource(pictures, first, name) as source:
            yield _numbered(source, running, part)
        running.reconnected()
        part += 1


def _numbered(source: PushedSource, running: Running, part: int) -> Source:
    return Relay(source, source.info, lambda frames: running(frames, part))
