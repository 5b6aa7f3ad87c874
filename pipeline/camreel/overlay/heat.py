"""Saliency on the picture: cells at their true positions, color in proportion to the evidence, and isolines.

Colors are RGB and the YUV of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from camreel.imageops.color import rgb_to_yuv
from camreel.overlay.layer import Color, blend_plane, crop
from camreel.structures import F32, U8, Action, Matrix, Picture

MAX_SAMPLES = 256
"""Maximum number of samples along the longer side of a field."""
FAINT_LEVEL = 6
"""Level, of 255, below which evidence is not drawn."""
BLOCK_MULTIPLICATIONS = 1 << 17
"""Maximum number of multiplications in one call of BLAS."""
GATE_STEPS = 32
"""Number of steps in which the score fades the heat."""


_CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
"""(x, y) of the corners of a marching square."""
_EDGES = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
"""Vector from each corner to the next one."""
WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
AMBER: Color = (255, 196, 61)
CLASS_COLORS: tuple[Color, ...] = (
    (76, 201, 240),
    (128, 237, 153),
    (255, 112, 166),
    (255, 196, 61),
    (183, 148, 246),
    (251, 139, 36),
    (46, 196, 182),
    (255, 107, 107),
    (198, 230, 60),
    (120, 150, 255),
)
"""RGB colors of the classes: light enough to be read on a dark background and to stand out from most footage."""
INFERNO_START = 0.22
"""Position on the color map inferno at which the heat's colors begin: darker colors look like shadows."""


class SaliencyField:
    """The saliency of an action, sampled every `step` pixels of the picture.

    The cells are interpolated by Catmull-Rom splines, which pass through the value of each cell at its true center.
    Beyond the outermost cells the values are held.

    Args:
        action: an action with a saliency.
        width: width of the picture in pixels.
        height: height of the picture in pixels.

    Example:
        >>> draw_heat(picture, SaliencyField(action, 640, 360), 0.6, palette("bt601", False))
    """

    def __init__(self, action: Action, width: int, height: int) -> None:
        assert action.saliency is not None
        self.step = sample_step(width, height)
        rows, columns = action.saliency.shape
        down = _spline_weights(rows, action.grid.start[0], action.grid.jump[0], -(-height // self.step), self.step)
        across = _spline_weights(columns, action.grid.start[1], action.grid.jump[1], -(-width // self.step), self.step)
        self.values: F32 = np.clip(_product(_product(down, action.saliency), across.T), 0, 1)
        """[ceil(height / step), ceil(width / step)] in [0, 1]; sample (j, i) lies at ((j, i) + 0.5) * step - 0.5."""

    def upsample(self, part: tuple[slice, slice], scale: int) -> U8:
        """Return a part of the field as a picture, each sample `scale` pixels wide, with 255 for a saliency of 1."""
        # With one sample around the part, so that its edge is interpolated, too.
        rows, columns = (slice(max(s.start - 1, 0), s.stop + 1) for s in part)
        small = np.rint(self.values[rows, columns] * 255).astype(np.uint8)
        large = cv2.resize(small, (small.shape[1] * scale, small.shape[0] * scale), interpolation=cv2.INTER_LINEAR)
        top, left = (part[0].start - rows.start) * scale, (part[1].start - columns.start) * scale
        height, width = ((s.stop - s.start) * scale for s in part)
        return large[top : top + height, left : left + width].astype(np.uint8, copy=False)

    def extent(self) -> tuple[slice, slice] | None:
        """Return the rows and columns of samples that hold or touch visible evidence; None: no evidence is visible."""
        seen = self.values * 255 >= FAINT_LEVEL
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if rows.size == 0:
            return None
        height, width = seen.shape
        first = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
        return slice(first[0], min(int(rows[-1]) + 2, height)), slice(first[1], min(int(columns[-1]) + 2, width))

    def isolines(self, level: float) -> F32:
        """Return the line pieces [N, 2, 2] of (x, y) in pixels where the saliency is `level`, by marching squares."""
        # Every second sample: the difference is not visible on such smooth curves, and the cost of drawing grows with
        # the pieces.
        coarse = self.values[::2, ::2]
        corners = [coarse[:-1, :-1], coarse[:-1, 1:], coarse[1:, 1:], coarse[1:, :-1]]
        above = np.stack([corner >= level for corner in corners])
        j, i = np.nonzero(above.any(axis=0) & ~above.all(axis=0))
        value = np.stack([corner[j, i] for corner in corners], axis=1)
        ends, cells = value[:, [1, 2, 3, 0]], np.stack([i, j], axis=1)
        crossed = (value >= level) != (ends >= level)
        along = (level - value) / np.where(crossed, ends - value, 1)
        points = cells[:, None] + _CORNERS + along[..., None] * _EDGES
        # Two crossed edges make one piece, four (a saddle) make two. Crossed edges first, in order around the cell.
        order = np.argsort(~crossed, axis=1, kind="stable")
        points = np.take_along_axis(points, order[..., None], axis=1)
        pieces = np.concatenate([points[:, :2], points[crossed.all(axis=1)][:, 2:]])
        return ((2 * pieces + 0.5) * self.step - 0.5).astype(np.float32)


def sample_step(width: int, height: int) -> int:
    """Return the distance in pixels between the samples of a field: a power of two, at least 2."""
    step = 2
    while max(width, height) > MAX_SAMPLES * step:
        step *= 2
    return step


@lru_cache(maxsize=16)
def _spline_weights(cells: int, start: float, jump: float, samples: int, step: int) -> F32:
    """Return weights [samples, cells] of a Catmull-Rom spline through cells at start + jump * j, held at the ends."""
    position = np.clip(((np.arange(samples) + 0.5) * step - 0.5 - start) / jump, 0, cells - 1)
    base = np.floor(position).astype(int)
    t = (position - base)[:, None]
    columns = [((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t]
    weight = np.concatenate(columns, axis=1) / 2
    matrix = np.zeros((samples, cells), np.float32)
    for k in range(4):
        np.add.at(matrix, (np.arange(samples), np.clip(base + k - 1, 0, cells - 1)), weight[:, k])
    return matrix


def _product(a: F32, b: F32) -> F32:
    """Return a @ b in blocks so small that BLAS does not wake threads, which would cost ten times the work."""
    result = np.empty((len(a), b.shape[1]), np.float32)
    block = max(1, BLOCK_MULTIPLICATIONS // b.size)
    for first in range(0, len(a), block):
        np.matmul(a[first : first + block], b, out=result[first : first + block])
    return result


def gate(score: float) -> float:
    """Return the share of an action's evidence that is shown, 0 to 1: low scores look faint, high ones full."""
    return round((1 - (1 - min(max(score, 0.0), 1.0)) ** 2) * GATE_STEPS) / GATE_STEPS


def draw_heat(out: Picture, field: SaliencyField, opacity: float, palette: Palette) -> None:
    """Color a picture by saliency: hue, lightness and opacity rise with the saliency.

    Args:
        out: the picture; unchanged bit for bit where there is no evidence.
        field: saliency of an action.
        opacity: opacity where the saliency is 1.
        palette: palette of the picture.
    """
    extent = field.extent()
    if extent is None or opacity <= 0:
        return
    keep, add = _blend_tables(palette, round(opacity * 255))
    rows, columns = extent
    step = field.step
    width, height = (columns.stop - columns.start) * step, (rows.stop - rows.start) * step
    view = crop(out, columns.start * step, rows.start * step, width, height)
    _tint(view.y, field.upsample(extent, step), keep, add[0])
    half = field.upsample(extent, step // 2)
    _tint(view.u, half, keep, add[1])
    _tint(view.v, half, keep, add[2])


def _tint(plane: U8, saliency: U8, keep: U8, add: U8) -> None:
    part = np.ascontiguousarray(saliency[: plane.shape[0], : plane.shape[1]])
    kept, added = (cv2.LUT(part, table).astype(np.uint8, copy=False) for table in (keep, add))
    blend_plane(plane, kept, added)


@lru_cache(maxsize=64)
def _blend_tables(palette: Palette, opacity: int) -> tuple[U8, tuple[U8, U8, U8]]:
    """Return, by saliency [256], how much of the picture is kept, and the values that are added to Y, U and V."""
    saliency = np.arange(256) / 255
    alpha = opacity / 255 * saliency
    alpha[:FAINT_LEVEL] = 0
    # Faint evidence fades in from nothing: a step would draw an edge.
    alpha[FAINT_LEVEL : 4 * FAINT_LEVEL] *= np.linspace(0, 1, 3 * FAINT_LEVEL)
    keep = np.rint(255 * (1 - alpha))
    y, u, v = (np.rint(palette.heat[:, channel] * (1 - keep / 255)).astype(np.uint8) for channel in range(3))
    return keep.astype(np.uint8), (y, u, v)


def heat_rgb() -> U8:
    """Return the RGB colors [256, 3] of saliency 0 to 1.

    The color map is inferno without its black end: perceptually uniform and rising in lightness.
    """
    inferno = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    index = np.linspace(INFERNO_START * 255, 255, 256)
    table = np.stack([np.interp(index, np.arange(256), inferno[:, channel]) for channel in range(3)], axis=1)
    return np.rint(table).astype(np.uint8)


@dataclass(frozen=True)
class Palette:
    """The colors in one matrix and range; created by `palette`, once per kind of picture."""

    matrix: Matrix
    full_range: bool
    heat: U8
    """YUV [256, 3] of saliency 0 to 1."""

    @lru_cache(maxsize=256)  # noqa: B019 - palettes live as long as the process, and there are six
    def color(self, rgb: Color) -> Color:
        """Return the YUV of an RGB color."""
        y, u, v = rgb_to_yuv(np.array([rgb], np.uint8), self.matrix, self.full_range)[0].tolist()
        return y, u, v

    def __hash__(self) -> int:
        return hash((self.matrix, self.full_range))


@lru_cache(maxsize=6)
def palette(matrix: Matrix, full_range: bool) -> Palette:
    """Return the palette of pictures with this matrix and range.

    Example:
        >>> palette("bt709", False).color((255, 255, 255))
        (235, 128, 128)
    """
    return Palette(matrix, full_range, rgb_to_yuv(heat_rgb(), matrix, full_range))
