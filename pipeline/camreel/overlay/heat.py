"""Saliency on the picture: true cell geometry, colour in proportion to evidence, iso-lines."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from camreel.overlay.color import Palette
from camreel.overlay.layer import fade, window
from camreel.structures import F32, U8, Action, Picture

FIELD_SIDE = 256
"""Samples along the long side of a field, at most."""
FAINT = 6
"""Levels of 255 below which evidence is not drawn."""
BLOCK = 1 << 17
"""Multiplications in one call of BLAS."""
GATES = 32
"""Steps in which the score fades the heat."""


class Field:
    """An action's saliency, sampled every `step` pixels of the picture.

    Cells are joined by Catmull-Rom splines, which pass through each cell's value at its true centre; beyond the outer cells
    they are held.

    Args:
        action: an action with a saliency.
        width: of the picture in pixels.
        height: of the picture in pixels.
    """

    def __init__(self, action: Action, width: int, height: int) -> None:
        assert action.saliency is not None
        self.step = step_of(width, height)
        rows, columns = action.saliency.shape
        down = _spline(rows, action.grid.start[0], action.grid.jump[0], -(-height // self.step), self.step)
        across = _spline(columns, action.grid.start[1], action.grid.jump[1], -(-width // self.step), self.step)
        self.values: F32 = np.clip(_product(_product(down, action.saliency), across.T), 0, 1)
        """[ceil(height / step), ceil(width / step)] in [0, 1]; sample (j, i) lies at ((j, i) + 0.5) * step - 0.5."""

    def upsample(self, part: tuple[slice, slice], scale: int) -> U8:
        """A part of the field as a picture, each sample `scale` pixels wide, 255 for a saliency of 1."""
        # One sample of surroundings, so that the part's rim is interpolated too.
        rows, columns = (slice(max(s.start - 1, 0), s.stop + 1) for s in part)
        small = np.rint(self.values[rows, columns] * 255).astype(np.uint8)
        large = cv2.resize(small, (small.shape[1] * scale, small.shape[0] * scale), interpolation=cv2.INTER_LINEAR)
        top, left = (part[0].start - rows.start) * scale, (part[1].start - columns.start) * scale
        height, width = ((s.stop - s.start) * scale for s in part)
        return large[top : top + height, left : left + width].astype(np.uint8, copy=False)

    def extent(self) -> tuple[slice, slice] | None:
        """The rows and columns of samples that hold or touch visible evidence; None where there is none."""
        seen = self.values * 255 >= FAINT
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if rows.size == 0:
            return None
        height, width = seen.shape
        first = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
        return slice(first[0], min(int(rows[-1]) + 2, height)), slice(first[1], min(int(columns[-1]) + 2, width))

    def isolines(self, level: float) -> F32:
        """Line pieces [N, 2, 2] of (x, y) in pixels along which the saliency is `level` (marching squares)."""
        # Every second sample: chords of curves this smooth are not seen, and drawing costs by the piece.
        coarse = self.values[::2, ::2]
        corners = [coarse[:-1, :-1], coarse[:-1, 1:], coarse[1:, 1:], coarse[1:, :-1]]
        above = np.stack([corner >= level for corner in corners])
        j, i = np.nonzero(above.any(axis=0) & ~above.all(axis=0))
        value = np.stack([corner[j, i] for corner in corners], axis=1)
        ends, cells = value[:, [1, 2, 3, 0]], np.stack([i, j], axis=1)
        crossed = (value >= level) != (ends >= level)
        along = (level - value) / np.where(crossed, ends - value, 1)
        points = cells[:, None] + _CORNERS + along[..., None] * _EDGES
        # Two crossed edges make one piece, four (a saddle) make two; crossed ones first, in order around the cell.
        order = np.argsort(~crossed, axis=1, kind="stable")
        points = np.take_along_axis(points, order[..., None], axis=1)
        pieces = np.concatenate([points[:, :2], points[crossed.all(axis=1)][:, 2:]])
        return ((2 * pieces + 0.5) * self.step - 0.5).astype(np.float32)


_CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
_EDGES = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def step_of(width: int, height: int) -> int:
    """Pixels between the samples of a field: a power of two from 2."""
    step = 2
    while max(width, height) > FIELD_SIDE * step:
        step *= 2
    return step


@lru_cache(maxsize=16)
def _spline(cells: int, start: float, jump: float, samples: int, step: int) -> F32:
    """Weights [samples, cells] of a Catmull-Rom spline through cells at start + jump * j, held beyond the ends."""
    position = np.clip(((np.arange(samples) + 0.5) * step - 0.5 - start) / jump, 0, cells - 1)
    base = np.floor(position).astype(int)
    t = (position - base)[:, None]
    weight = (
        np.concatenate(
            [((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t], axis=1
        )
        / 2
    )
    matrix = np.zeros((samples, cells), np.float32)
    for k in range(4):
        np.add.at(matrix, (np.arange(samples), np.clip(base + k - 1, 0, cells - 1)), weight[:, k])
    return matrix


def _product(a: F32, b: F32) -> F32:
    """a @ b in blocks so small that BLAS does not wake threads, which would cost ten times the work."""
    result = np.empty((len(a), b.shape[1]), np.float32)
    block = max(1, BLOCK // b.size)
    for first in range(0, len(a), block):
        np.matmul(a[first : first + block], b, out=result[first : first + block])
    return result


def gate(score: float) -> float:
    """How much of an action's evidence is shown, 0 to 1: a faint class looks faint, a sure one is shown in full."""
    return round((1 - (1 - min(max(score, 0.0), 1.0)) ** 2) * GATES) / GATES


def draw_heat(out: Picture, field: Field, opacity: float, palette: Palette) -> None:
    """Colours a picture by its saliency: hue and lightness tell the saliency, opacity rises with it from nothing.

    Args:
        out: the picture; untouched bit for bit where there is no evidence.
        field: of the action shown.
        opacity: where the saliency is 1.
        palette: of the picture.
    """
    extent = field.extent()
    if extent is None or opacity <= 0:
        return
    keep, add = _tables(palette, round(opacity * 255))
    rows, columns = extent
    step = field.step
    view = window(
        out,
        columns.start * step,
        rows.start * step,
        (columns.stop - columns.start) * step,
        (rows.stop - rows.start) * step,
    )
    _tint(view.y, field.upsample(extent, step), keep, add[0])
    half = field.upsample(extent, step // 2)
    _tint(view.u, half, keep, add[1])
    _tint(view.v, half, keep, add[2])


def _tint(plane: U8, saliency: U8, keep: U8, add: U8) -> None:
    part = np.ascontiguousarray(saliency[: plane.shape[0], : plane.shape[1]])
    fade(plane, cv2.LUT(part, keep).astype(np.uint8, copy=False), cv2.LUT(part, add).astype(np.uint8, copy=False))


@lru_cache(maxsize=64)
def _tables(palette: Palette, opacity: int) -> tuple[U8, tuple[U8, U8, U8]]:
    """By saliency [256]: how much of the picture is kept, and what is added to Y, U and V."""
    saliency = np.arange(256) / 255
    alpha = opacity / 255 * saliency
    alpha[:FAINT] = 0
    # What is faint begins from nothing, not with a step.
    alpha[FAINT : 4 * FAINT] *= np.linspace(0, 1, 3 * FAINT)
    keep = np.rint(255 * (1 - alpha))
    y, u, v = (np.rint(palette.heat[:, channel] * (1 - keep / 255)).astype(np.uint8) for channel in range(3))
    return keep.astype(np.uint8), (y, u, v)
