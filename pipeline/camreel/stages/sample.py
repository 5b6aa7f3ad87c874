"""Frame* -> Frame*: select the frames that the network sees, on its own clock, and shrink them.

A network trained at 15 frames per second must be shown 15 frames per second, whatever the rate of the video. Each tick
of that clock is answered by the nearest frame in time, so variable frame rates and gaps are safe; in slow videos one
frame answers several ticks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from camreel.imageops.color import to_rgb
from camreel.interfaces import Recognizer
from camreel.structures import U8, Frame, Grid, Picture, VideoInfo

MAX_GAP_TICKS = 64
"""Longest gap in ticks that is filled with repeated samples; the rest of a longer gap is skipped."""


@dataclass(frozen=True, slots=True)
class InputSize:
    """Size of the picture that the network gets."""

    width: int
    height: int
    pad_x: int = 0
    """Columns of padding on the left (and about as many on the right) inside `canvas`."""
    pad_y: int = 0
    """Rows of padding at the top (and about as many at the bottom) inside `canvas`."""
    canvas: tuple[int, int] | None = None
    """(height, width) of the fixed input of the network; None: the shrunk picture itself."""
    average: bool = False
    """Average over the source pixels (as image networks were trained) instead of interpolating between them (as
    torchvision's video networks were)."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """RGB of the padding."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        return self.canvas or (self.height, self.width)

    def grid(self, picture: tuple[int, int], start: tuple[float, float], jump: tuple[float, float]) -> Grid:
        """Convert cells of the network's input to cells of the displayed picture.

        Args:
            picture: (width, height) of the displayed picture in pixels.
            start: (y, x) of the first cell on the input.
            jump: (y, x) distance of the cells on the input.
        """
        scale = (picture[1] / self.height, picture[0] / self.width)
        pad = (self.pad_y, self.pad_x)
        y, x = ((start[i] - pad[i] + 0.5) * scale[i] - 0.5 for i in (0, 1))
        return Grid((y, x), (jump[0] * scale[0], jump[1] * scale[1]))


def fit_input(picture: tuple[int, int], short_side: int, *, fixed: bool = False) -> InputSize:
    """Scale the full picture, aspect kept and nothing cropped.

    Args:
        picture: (width, height) in pixels.
        short_side: short side of the network's input in pixels.
        fixed: the network takes only squares of `short_side`: the picture is fitted inside and padded.
    """
    scale = short_side / (max if fixed else min)(picture)
    width, height = (max(1, round(side * scale)) for side in picture)
    if not fixed:
        return InputSize(width, height)
    return InputSize(width, height, (short_side - width) // 2, (short_side - height) // 2, (short_side, short_side))


def network_input_size(info: VideoInfo, recognizer: Recognizer, short_side: int) -> InputSize:
    """Return the size of a network's input for a video, with the true aspect of the displayed picture."""
    width = round(info.width * info.pixel_aspect)
    red, green, blue = (round(value * 255) for value in recognizer.mean)
    fitted = fit_input((width, info.height), short_side, fixed=recognizer.fixed_size)
    return dataclasses.replace(fitted, average=recognizer.clip_len == 1, fill=(red, green, blue))


@dataclass(frozen=True, slots=True)
class Sampling:
    """Clock and input sizes of a network for one video."""

    sizes: tuple[InputSize, ...]
    """Inputs to make of each sampled frame: for the scores and, if different, for the maps."""
    rate: float | None = None
    """Ticks per second; None: every frame is one tick."""
    interval: float | None = None
    """Typical seconds between source frames; a frame answers a tick up to half of it (at most half a tick) early."""


def sample(frames: Iterable[Frame], sampling: Sampling, pace: Callable[[], float] = lambda: 1.0) -> Iterator[Frame]:
    """Mark the frames that answer the ticks of the network's clock, and add their small RGB pictures.

    Args:
        frames: source frames in order of time.
        sampling: clock and input sizes.
        pace: return the share of the ticks that there is time for, in (0, 1]; called for each frame.

    Yields:
        Every frame, with `tick`, `samples` and `inputs` set. A gap longer than `MAX_GAP_TICKS` ticks is filled with
        that many; ticks of frames that were dropped before (their indices are missing) are left out.
    """
    clock = _Clock(sampling.rate, sampling.interval)
    for frame in frames:
        tick, samples = clock.answer(frame, pace())
        inputs = input_pictures(frame.picture, sampling.sizes) if samples else ()
        yield dataclasses.replace(frame, tick=tick, samples=samples, inputs=inputs)


class _Clock:
    """Assign ticks to frames. A long gap moves the clock's zero instead of showing the network a still for hours."""

    def __init__(self, rate: float | None, interval: float | None) -> None:
        self._rate = rate
        self._interval = interval or 0.0
        self._zero: float | None = None
        """Time (frame count, without a rate) of the first tick if the pace had always been the current one."""
        self._pace = 1.0
        self._index: int | None = None
        self._count = 0
        self._next = 0

    def answer(self, frame: Frame, pace: float) -> tuple[float, int]:
        """Return the position of the frame in ticks, and the number of ticks that it answers."""
        now = float(self._count) if self._rate is None else frame.time
        rate = pace * (self._rate or 1.0)
        if self._zero is None:
            self._zero = now
        elif pace != self._pace:
            self._zero = now - (now - self._zero) * self._pace / pace
        self._pace = pace
        early = 0.5 * min(1.0, self._interval * rate) if self._rate else 0.0
        tick = (now - self._zero) * rate
        samples = max(0, math.floor(tick + early + 1e-6) + 1 - self._next)
        lost = 0 if self._index is None else max(0, frame.index - self._index - 1)
        most = max(1, round(samples / (lost + 1))) if lost else MAX_GAP_TICKS
        wanted = min(samples, MAX_GAP_TICKS, most)
        self._zero += (samples - wanted) / rate
        self._next += wanted
        self._index, self._count = frame.index, self._count + 1
        return tick - (samples - wanted), wanted


def input_pictures(picture: Picture, sizes: Sequence[InputSize]) -> tuple[U8, ...]:
    """Return the picture as small RGB [h, w, 3] at each size."""
    return tuple(_input_picture(picture, size) for size in sizes)


def _input_picture(picture: Picture, size: InputSize) -> U8:
    rgb = to_rgb(picture, (size.width, size.height), average=size.average)
    if size.canvas is None:
        return rgb
    height, width = size.canvas
    below, right = height - size.height - size.pad_y, width - size.width - size.pad_x
    padded = cv2.copyMakeBorder(rgb, size.pad_y, below, size.pad_x, right, cv2.BORDER_CONSTANT, value=size.fill)
    return np.asarray(padded, np.uint8)
