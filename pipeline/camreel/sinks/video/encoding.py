"""Pictures through an encoder: what a file and a live stream share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from camreel.sinks.video.clock import Stamps
from camreel.sinks.video.encoder import threads
from camreel.structures import ColorTags, Frame, Picture

GOP = 2.0
"""Seconds between key frames, and so what a killed process loses at most."""
_MATRICES = {"bt601": 6, "bt709": 1, "bt2020": 9}


@dataclass(frozen=True, slots=True)
class Coding:
    """How pictures are encoded."""

    encoder: str
    options: dict[str, str]
    """The encoder's own."""
    rate: Fraction = Fraction(30)
    """Pictures per second, as a hint."""
    gop: float = GOP
    """Seconds between key frames."""
    timed: bool = False
    """Key frames by the pictures' times and not by their count, which says little where the rate is not known."""


class Encoding:
    """Encodes pictures of one size.

    Args:
        context: of the encoder, not open yet.
        size: (width, height) of the pictures, even.
        coding: how.
        clock: gives the time stamps.
        color: the source's colour description.
        pixel_aspect: width of a pixel over its height.
    """

    def __init__(
        self,
        context: Any,
        size: tuple[int, int],
        coding: Coding,
        clock: Stamps,
        color: ColorTags,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self.started = False
        """Whether a picture came, and with it the colour description."""
        self._context, self._size, self._coding, self._clock, self._color = context, size, coding, clock, color
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.sample_aspect_ratio = pixel_aspect
        context.time_base, context.framerate = clock.time_base, coding.rate
        context.gop_size = max(1, round(coding.gop * min(float(coding.rate), 240)))
        context.options = {**coding.options, "threads": str(threads(*size))}
        self._key: int | None = None

    def canvas(self, like: Picture) -> Picture:
        """Planes of the next picture, to be filled.

        Args:
            like: has the matrix and range of what will be drawn.
        """
        if not self.started:
            self._tag(like)
        self._image = av.VideoFrame(*self._size, "yuv420p")
        self._image.color_range = 2 if like.full_range else 1
        return planes(self._image, like)

    def _tag(self, picture: Picture) -> None:
        """The colour description, known in full with the first picture: RGB sources name no YUV matrix."""
        context, tags = self._context, self._color
        context.color_range = 2 if picture.full_range else 1
        context.colorspace = tags.matrix if tags.matrix not in (0, 8) else _MATRICES[picture.matrix]
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self.started = True

    def encode(self, frame: Frame) -> list[Any]:
        """Packets that come out when the canvas goes in, at the time of `frame`."""
        image, stamp = self._image, self._clock.stamp(frame)
        image.pts, image.time_base = stamp, self._clock.time_base
        if self._coding.timed and (
            self._key is None or (stamp - self._key) * self._clock.time_base >= self._coding.gop
        ):
            image.pict_type, self._key = PictureType.I, stamp
        return self._packets(image)

    def flush(self) -> list[Any]:
        """What the encoder still holds; nothing can be encoded after it."""
        return self._packets(None)

    def _packets(self, image: av.VideoFrame | None) -> list[Any]:
        packets = self._context.encode(image)
        for packet in packets:
            self._clock.restore(packet)
        return list(packets)


def planes(image: av.VideoFrame, like: Picture) -> Picture:
    """An image's own memory as a picture to draw on, in the matrix and range of another."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]  # type: ignore[call-overload]
        for plane in image.planes
    )
    return Picture(y, u, v, like.matrix, like.full_range)


def color_tags(picture: Picture) -> ColorTags:
    """The colour description of a picture of which no more is known than it says itself."""
    return ColorTags(matrix=_MATRICES[picture.matrix], full_range=picture.full_range)
