"""Frame* -> Frame*: choose the frames that the network sees, on its own clock, and shrink them.

A network trained at 15 frames per second must be shown 15 frames per second, whatever the video's rate. Ticks of that clock are
answered by the nearest frame in time, so variable frame rates and gaps are safe; slow videos answer several ticks with one frame.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.structures import F32, U8, Frame, Grid, Picture

_KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


@dataclass(frozen=True, slots=True)
class InputSize:
    """How the displayed picture is shrunk for the network."""

    width: int
    height: int
    pad_x: int = 0
    """Columns of padding on the left (and about as many on the right) inside `canvas`."""
    pad_y: int = 0
    canvas: tuple[int, int] | None = None
    """(height, width) of the network's fixed input; None: the shrunk picture itself."""
    smooth: bool = False
    """Average over the source pixels (as image networks were trained) instead of picking (as torchvision's video networks were)."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """RGB of the padding."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) that the network gets."""
        return self.canvas or (self.height, self.width)

    def grid(self, width: int, height: int, start: tuple[float, float], jump: tuple[float, float]) -> Grid:
        """Cells of the network's input (y, x) as cells of the displayed picture of width x height pixels."""
        scale = (height / self.height, width / self.width)
        pad = (self.pad_y, self.pad_x)
        return Grid(
            start=_pair((start[i] - pad[i] + 0.5) * scale[i] - 0.5 for i in (0, 1)),
            jump=_pair(jump[i] * scale[i] for i in (0, 1)),
        )


def _pair(values: Iterable[float]) -> tuple[float, float]:
    first, second = values
    return first, second


def input_size(width: int, height: int, short_side: int, *, fixed: bool, smooth: bool, fill: tuple[int, int, int]) -> InputSize:
    """The full picture at `short_side`, aspect kept, nothing cropped; `fixed`: fitted inside a square of that size and padded."""
    scale = short_side / (max if fixed else min)(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    if not fixed:
        return InputSize(w, h, smooth=smooth, fill=fill)
    return InputSize(w, h, (short_side - w) // 2, (short_side - h) // 2, (short_side, short_side), smooth, fill)


def sample(
    frames: Iterable[Frame],
    rate: float | None,
    interval: float | None,
    sizes: Sequence[InputSize],
    pace: Callable[[], float] = lambda: 1.0,
) -> Iterator[Frame]:
    """Marks which frames answer the ticks of the network's clock, and gives those their small RGB pictures.

    Args:
        frames: source frames in order of time.
        rate: ticks per second; None: every frame is one tick.
        interval: typical seconds between source frames; a frame answers a tick up to half of it (at most half a tick) early.
        sizes: the inputs to make of each chosen frame.
        pace: share of the ticks that there is time for, in (0, 1]; asked at each frame.

    Yields:
        Every frame, with `tick`, `samples` and `inputs` set. A gap longer than `GAP_TICKS` ticks is bridged by that many; ticks of
        frames that were dropped before (their indices are missing) are left out.
    """
    clock = _Clock(rate, interval)
    for frame in frames:
        tick, samples = clock.answer(frame, pace())
        inputs = tuple(shrink(frame.picture, size) for size in sizes) if samples else ()
        yield dataclasses.replace(frame, tick=tick, samples=samples, inputs=inputs)


GAP_TICKS = 64


class _Clock:
    """Assigns ticks to frames; a long gap moves the clock's zero instead of showing the network a still for hours."""

    def __init__(self, rate: float | None, interval: float | None) -> None:
        self._rate = rate
        self._interval = interval or 0.0
        self._zero: float | None = None
        """Time (frames, without a rate) of the first tick, were the pace always as it is now."""
        self._pace = 1.0
        self._index: int | None = None
        self._count = 0
        self._next = 0

    def answer(self, frame: Frame, pace: float) -> tuple[float, int]:
        """(position of the frame in ticks, ticks that it answers)."""
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
        wanted = min(samples, GAP_TICKS, max(1, round(samples / (lost + 1))) if lost else GAP_TICKS)
        self._zero += (samples - wanted) / rate
        self._next += wanted
        self._index, self._count = frame.index, self._count + 1
        return tick - (samples - wanted), wanted


def shrink(picture: Picture, size: InputSize) -> U8:
    """The picture as small RGB [h, w, 3], made from the planes without a full-size RGB copy."""
    way = cv2.INTER_AREA if size.smooth else cv2.INTER_LINEAR
    planes = [
        cv2.resize(np.ascontiguousarray(p), (size.width, size.height), interpolation=way) for p in (picture.y, picture.u, picture.v)
    ]
    rgb = cv2.transform(cv2.merge(planes), rgb_matrix(picture))
    if size.canvas is None:
        return np.asarray(rgb, np.uint8)
    height, width = size.canvas
    below, right = height - size.height - size.pad_y, width - size.width - size.pad_x
    padded = cv2.copyMakeBorder(rgb, size.pad_y, below, size.pad_x, right, cv2.BORDER_CONSTANT, value=size.fill)
    return np.asarray(padded, np.uint8)


def rgb_matrix(picture: Picture) -> F32:
    """The 3 x 4 matrix from 8-bit Y'CbCr to 8-bit R'G'B' (ITU-T H.273, equations 38 to 40 and 44 to 46)."""
    kr, kb = _KR_KB[picture.matrix]
    kg = 1 - kr - kb
    y_gain, c_gain, black = (1.0, 1.0, 0.0) if picture.full_range else (255 / 219, 255 / 224, 16.0)
    linear = np.array(
        [
            [y_gain, 0, c_gain * 2 * (1 - kr)],
            [y_gain, -c_gain * 2 * kb * (1 - kb) / kg, -c_gain * 2 * kr * (1 - kr) / kg],
            [y_gain, c_gain * 2 * (1 - kb), 0],
        ]
    )
    offset = -linear @ np.array([black, 128.0, 128.0])
    return np.column_stack([linear, offset]).astype(np.float32)
