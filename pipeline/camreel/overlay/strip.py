"""The scores over time along the bottom of the picture."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import cv2
import numpy as np

from camreel.overlay.color import BLACK, CLASS_COLORS, WHITE, Color, Palette
from camreel.overlay.layer import SHIFT, Layer, even, fill
from camreel.structures import U8, Action, Picture

WINDOW = 30.0
"""Seconds that are shown where the end is not known."""
CURVES = 6
"""Curves shown at most: those with the most score so far."""
COLUMN = 2
"""Pixels per step in time: the width of a chroma sample."""
GROUND = 0.62
"""Opacity of the band."""


def strip_height(height: int) -> int:
    """Height of the strip on a picture, in pixels."""
    return max(14, even(height / 12))


class Timeline:
    """The score of every class that was reported, by columns of time; as wide as the picture and never more.

    Grows by `add`, once per frame in order, and is drawn at a cost that does not depend on how much was added.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        span: seconds at which the whole begins and ends; None: not known, the last half minute is shown.
    """

    def __init__(self, width: int, height: int, span: tuple[float, float] | None = None) -> None:
        self._layer_size = even(width), strip_height(height)
        self._columns = max(2, self._layer_size[0] // COLUMN)
        self._scrolls = span is None
        self._start = span[0] if span else None
        self._pace = max((span[1] - span[0] if span else WINDOW) / self._columns, 1e-9)
        self._levels: dict[int, U8] = {}
        self._totals: dict[int, int] = {}
        self._scores: dict[int, int] = {}
        self._slots: dict[int, int] = {}
        self._now = 0
        self._painted = 0
        self._shown: tuple[int, ...] = ()
        self._layer: Layer | None = None
        self._palette: Palette | None = None

    def color(self, class_id: int) -> Color:
        """RGB of a class: set by its id, moved only where another class on this timeline had it before."""
        return CLASS_COLORS[self._slots.get(class_id, class_id) % len(CLASS_COLORS)]

    def add(self, time: float, actions: Sequence[Action]) -> None:
        """Takes the scores of the next frame.

        Args:
            time: of the frame in seconds.
            actions: with their scores; a class that is not among them has no score here, which is not a score of 0.
        """
        if self._start is None:
            self._start = time
        column = max(int((time - self._start) / self._pace), self._now)
        if column >= self._columns:
            column = self._make_room(column) if self._scrolls else self._columns - 1
        scores = {action.class_id: max(1, round(min(max(action.score, 0.0), 1.0) * 255)) for action in actions}
        for class_id, level in scores.items():
            self._put(class_id, self._now, column, level)
        self._scores, self._now = scores, column

    def _put(self, class_id: int, before: int, column: int, level: int) -> None:
        """Fills the columns since the frame before."""
        if class_id not in self._levels:
            self._levels[class_id] = np.zeros(self._columns, np.uint8)
            self._slots[class_id] = self._free_slot(class_id)
        last, levels = self._scores.get(class_id), self._levels[class_id]
        if last is not None and column > before:
            levels[before : column + 1] = np.rint(np.linspace(last, level, column + 1 - before))
        levels[column] = level
        self._totals[class_id] = int(levels.sum(dtype=np.int64))

    def _free_slot(self, class_id: int) -> int:
        taken = set(self._slots.values())
        wishes = [(class_id + n) % len(CLASS_COLORS) for n in range(len(CLASS_COLORS))]
        return next((slot for slot in wishes if slot not in taken), wishes[0])

    def _make_room(self, column: int) -> int:
        """Moves everything to the left so that `column` is the last one, and forgets what has left."""
        by = column - self._columns + 1
        self._start = (self._start or 0.0) + by * self._pace
        for class_id, levels in list(self._levels.items()):
            levels[:-by] = levels[by:].copy()
            levels[-by:] = 0
            self._totals[class_id] = int(levels.sum(dtype=np.int64))
            if not levels.any():
                del self._levels[class_id], self._totals[class_id], self._slots[class_id]
        self._now, self._painted = max(self._now - by, 0), max(self._painted - by, 0)
        self._scroll(min(by, self._columns))
        return self._columns - 1

    def _scroll(self, by: int) -> None:
        """Moves what is painted to the left, and lays fresh ground beside it."""
        if self._layer is None:
            return
        layer, wide = self._layer, by * COLUMN
        for plane, blank in (
            (layer.planes[0], 0),
            (layer.keep, 255),
            (layer.planes[1], 0),
            (layer.planes[2], 0),
            (layer.keep_half, 255),
        ):
            pixels = wide if plane.shape == layer.keep.shape else by
            plane[:, :-pixels] = plane[:, pixels:].copy()
            plane[:, -pixels:] = blank
        self._ground(layer, layer.width - wide, layer.width)

    def draw(self, out: Picture, palette: Palette) -> None:
        """Lays the strip over the bottom of a picture of even size."""
        shown = heapq.nlargest(CURVES, self._totals, key=lambda c: (self._totals[c], -c))[::-1]
        if self._layer is None or set(shown) != set(self._shown) or palette is not self._palette:
            self._layer, self._painted = Layer(*self._layer_size), 0
            self._shown, self._palette = tuple(shown), palette
            self._ground(self._layer, 0, self._layer.width)
        self._paint(self._layer, palette)
        top = out.height - self._layer.height
        self._layer.blend(out, 0, top)
        self._head(out, top, palette)

    def _ground(self, layer: Layer, left: int, right: int) -> None:
        """The dark band, with a line at a score of a half."""
        assert self._palette is not None
        layer.paint(np.full((layer.height, right - left), 255, np.uint8), self._palette.color(BLACK), left, 0, GROUND)
        middle = even(layer.height / 2)
        layer.paint(
            np.full((max(1, layer.height // 60), right - left), 255, np.uint8),
            self._palette.color(WHITE),
            left,
            middle,
            0.12,
        )

    def _paint(self, layer: Layer, palette: Palette) -> None:
        """Draws the columns that became complete since the last time."""
        first, last = self._painted, self._now - 1
        if last <= first:
            return
        left, right = first * COLUMN, last * COLUMN
        for class_id in self._shown:
            levels = self._levels[class_id][first : last + 1]
            known = np.flatnonzero(levels)
            mask = np.zeros((layer.height, right - left + COLUMN), np.uint8)
            for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
                points = np.stack([run * COLUMN + COLUMN / 2 - 0.5, self._y(levels[run])], axis=1)
                fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
                cv2.polylines(mask, [fixed], False, (255,), max(1, layer.height // 28), cv2.LINE_AA, SHIFT)
            layer.paint(mask, palette.color(self.color(class_id)), left, 0)
        self._painted = last

    def _y(self, levels: U8) -> np.ndarray:
        rim = max(2.0, self._layer_size[1] * 0.1)
        return self._layer_size[1] - 1 - rim - levels / 255 * (self._layer_size[1] - 1 - 2 * rim)

    def _head(self, out: Picture, top: int, palette: Palette) -> None:
        """The play head, and a dot on each curve that has a score now."""
        x, height = self._now * COLUMN, self._layer_size[1]
        fill(out, (x, top, x + COLUMN, top + height), palette.color(WHITE))
        side = max(2, even(height / 10))
        for class_id in self._shown:
            if class_id in self._scores:
                middle = top + int(self._y(np.array([self._scores[class_id]], np.uint8))[0])
                left, upper = min(max(even(x + 1 - side / 2), 0), out.width - side), even(middle + 1 - side / 2)
                fill(out, (left, upper, left + side, upper + side), palette.color(self.color(class_id)))
