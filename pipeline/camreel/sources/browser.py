"""The camera of a web page's visitor: JPEG pictures that a browser sends."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import av
from av import FFmpegError, Packet, VideoCodecContext, VideoFrame

from camreel.interfaces import Source
from camreel.sources.camera import ARRIVAL_TIME_BASE
from camreel.sources.picture import Conversion, color_tags
from camreel.sources.timeline import MappedSource, Timeline
from camreel.structures import Frame, VideoInfo

MAX_PAUSE_SECONDS = 2.0
"""Time without a picture after which a new part begins: one visitor may have left and another one may have come."""
MAX_PIXELS = 4096 * 4096
"""Largest accepted picture; larger ones are refused before memory is allocated for them."""


class JpegDecoder:
    """Decode the pictures that a browser sends, and skip those that cannot be decoded.

    Args:
        pictures: (arrival by `time.monotonic()`, JPEG) in order.
    """

    def __init__(self, pictures: Iterator[tuple[float, bytes]]) -> None:
        self.corrupt = 0
        """Number of pictures that could not be decoded so far."""
        self._pictures = pictures
        self._returned: tuple[float, VideoFrame] | None = None
        self._decoder = av.CodecContext.create("mjpeg", "r")
        self._decoder.thread_count = 1  # each further thread would hold a picture back
        self._decoder.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}

    def next(self) -> tuple[float, VideoFrame] | None:
        """Return the next picture and its arrival; None: no more are sent."""
        returned, self._returned = self._returned, None
        if returned is not None:
            return returned
        for arrival, jpeg in self._pictures:
            picture = self._decode(jpeg)
            if picture is not None:
                return arrival, picture
            self.corrupt += 1
        return None

    def push_back(self, arrival: float, picture: VideoFrame) -> None:
        """Make a picture the next one again."""
        self._returned = arrival, picture

    def _decode(self, jpeg: bytes) -> VideoFrame | None:
        assert isinstance(self._decoder, VideoCodecContext)
        try:
            pictures = self._decoder.decode(Packet(jpeg)) if jpeg else []
        except FFmpegError:
            return None
        return pictures[0] if pictures else None


class BrowserSource(Source):
    """Pictures of one size, for as long as they arrive without a pause.

    Args:
        decoder: pictures that this source does not take are left for the next source.
        first: arrival and picture to begin with.
        name: the sender as shown to people.
    """

    def __init__(self, decoder: JpegDecoder, first: tuple[float, VideoFrame], name: str) -> None:
        self._decoder = decoder
        self._corrupt_before = decoder.corrupt
        self._conversion = Conversion(first[1])
        decoder.push_back(*first)
        width, height = self._conversion.displayed
        self.notes: list[str] = []
        self.info = VideoInfo(
            uri=name,
            width=width,
            height=height,
            rotation=self._conversion.rotation,
            time_base=ARRIVAL_TIME_BASE,
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
        """Number of pictures that could not be decoded so far."""
        return self._decoder.corrupt - self._corrupt_before

    def __iter__(self) -> Iterator[Frame]:
        return self._iterator

    def close(self) -> None:
        """End the iteration."""
        self._iterator.close()

    def _emit(self, start: float, size: tuple[int, int]) -> Generator[Frame]:
        index, last = 0, start
        while (item := self._decoder.next()) is not None:
            arrival, picture = item
            if (picture.width, picture.height) != size or arrival - last > MAX_PAUSE_SECONDS:
                self._decoder.push_back(arrival, picture)
                return
            time = arrival - start
            yield Frame(index, None, time, ARRIVAL_TIME_BASE, self._conversion(picture), captured=arrival)
            index, last = index + 1, arrival


def browser_connections(pictures: Iterator[tuple[float, bytes]], name: str) -> Iterator[Source]:
    """Yield one source after another; iterate each to its end before asking for the next one.

    A new source begins when pictures of another size arrive, or after a pause. `index` and `time` (by arrival) of the
    frames continue over all sources; `part` counts them.

    Args:
        pictures: (arrival by `time.monotonic()`, JPEG) in order; ends when the page is closed.
        name: the sender as shown to people.
    """
    decoder, timeline, part = JpegDecoder(pictures), Timeline(), 0
    while (first := decoder.next()) is not None:
        with BrowserSource(decoder, first, name) as source:
            yield _numbered(source, timeline, part)
        timeline.start_connection()
        part += 1


def _numbered(source: BrowserSource, timeline: Timeline, part: int) -> Source:
    return MappedSource(source, source.info, lambda frames: timeline.number(frames, part))
