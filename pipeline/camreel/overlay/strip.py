"""The strip along the bottom of the picture: the scores over time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import cv2
import numpy as np

from camreel.overlay.heat import BLACK, CLASS_COLORS, WHITE, Palette
from camreel.overlay.layer import SHIFT, Color, Layer, fill_rectangle, floor_even
from camreel.overlay.panels import BACKGROUND_OPACITY
from camreel.structures import U8, Action, Picture

LIVE_SECONDS = 30.0
"""Seconds that are shown if the end is not known."""
MAX_CURVES = 6
"""Maximum number of curves: those with the largest sum of scores so far."""
COLUMN_PIXELS = 2
"""Pixels per step in time: the width of a chroma sample."""
HALF_LINE_OPACITY = 0.12
"""Opacity of the line at a score of 0.5."""


def strip_height(height: int) -> int:
    """Return the height of the strip on a picture, in pixels."""
    return max(14, floor_even(height / 12))


class Timeline:
    """The scores of all reported classes by columns of time, as wide as the picture and never wider.

    `add` takes one frame after the other; the cost of `draw` does not depend on how many were added.

    Args:
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        span: seconds at which the video begins and ends; None: not known, the last `LIVE_SECONDS` are shown.

    Example:
        >>> timeline = Timeline(640, 360, span=(0.0, 12.5))
        >>> timeline.add(localization.frame.time, localization.actions)
        >>> timeline.draw(picture, palette("bt601", False))
    """

    def __init__(self, width: int, height: int, span: tuple[float, float] | None = None) -> None:
        self._layer_size = floor_even(width), strip_height(height)
        self._columns = max(2, self._layer_size[0] // COLUMN_PIXELS)
        self._scrolls = span is None
        self._start = span[0] if span else None
        self._column_seconds = max((span[1] - span[0] if span else LIVE_SECONDS) / self._columns, 1e-9)
        self._levels: dict[int, U8] = {}
        """Class id -> score by column, 1 to 255; 0: no score."""
        self._totals: dict[int, int] = {}
        self._scores: dict[int, int] = {}
        """Class id -> score on the latest frame, 1 to 255."""
        self._slots: dict[int, int] = {}
        """Class id -> position in the class colors."""
        self._now = 0
        """Column of the latest frame."""
        self._painted = 0
        """Column up to which the layer is painted."""
        self._shown: tuple[int, ...] = ()
        self._layer: Layer | None = None
        self._palette: Palette | None = None

    def color(self, class_id: int) -> Color:
        """Return the RGB color of a class: chosen by its id, and another one only if a class had the color before."""
        return CLASS_COLORS[self._slots.get(class_id, class_id) % len(CLASS_COLORS)]

    def add(self, time: float, actions: Sequence[Action]) -> None:
        """Add the scores of the next frame.

        Args:
            time: time of the frame in seconds.
            actions: actions of the frame; other classes have no score here, which is not a score of 0.
        """
        if self._start is None:
            self._start = time
        column = max(int((time - self._start) / self._column_seconds), self._now)
        if column >= self._columns:
            column = self._make_room(column) if self._scrolls else self._columns - 1
        scores = {action.class_id: max(1, round(min(max(action.score, 0.0), 1.0) * 255)) for action in actions}
        for class_id, level in scores.items():
            self._set_levels(class_id, self._now, column, level)
        self._scores, self._now = scores, column

    def _set_levels(self, class_id: int, before: int, column: int, level: int) -> None:
        """Fill the columns since the frame before."""
        if class_id not in self._levels:
            self._levels[class_id] = np.zeros(self._columns, np.uint8)
            self._slots[class_id] = self._free_slot(class_id)
        last, levels = self._scores.get(class_id), self._levels[class_id]
        if last is not None and column > before:
            levels[before : column + 1] = np.rint(np.linspace(last, level, column + 1 - before))
        levels[column] = level
        self._totals[class_id] = int(levels.sum(dtype=np.int64))

    def _free_slot(self, class_id: int) -> int:
        used = set(self._slots.values())
        preferred = [(class_id + n) % len(CLASS_COLORS) for n in range(len(CLASS_COLORS))]
        return next((slot for slot in preferred if slot not in used), preferred[0])

    def _make_room(self, column: int) -> int:
        """Move everything to the left so that `column` becomes the last column, and forget classes that have left."""
        by = column - self._columns + 1
        self._start = (self._start or 0.0) + by * self._column_seconds
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
        """Move the painted layer to the left by a number of columns, and paint fresh background beside it."""
        if self._layer is None:
            return
        layer, wide = self._layer, by * COLUMN_PIXELS
        keeps = (layer.keep, layer.keep_half)
        for plane in (*layer.planes, *keeps):
            pixels = wide if plane.shape == layer.keep.shape else by
            plane[:, :-pixels] = plane[:, pixels:].copy()
            plane[:, -pixels:] = 255 if any(plane is keep for keep in keeps) else 0
        self._paint_background(layer, layer.width - wide, layer.width)

    def draw(self, out: Picture, palette: Palette) -> None:
        """Draw the strip over the bottom of a picture of even size."""
        shown = heapq.nlargest(MAX_CURVES, self._totals, key=lambda c: (self._totals[c], -c))[::-1]
        if self._layer is None or set(shown) != set(self._shown) or palette is not self._palette:
            self._layer, self._painted = Layer(*self._layer_size), 0
            self._shown, self._palette = tuple(shown), palette
            self._paint_background(self._layer, 0, self._layer.width)
        self._paint_curves(self._layer, palette)
        top = out.height - self._layer.height
        self._layer.blend(out, 0, top)
        self._draw_head(out, top, palette)

    def _paint_background(self, layer: Layer, left: int, right: int) -> None:
        """Paint the dark band, with a line at a score of 0.5."""
        assert self._palette is not None
        band = np.full((layer.height, right - left), 255, np.uint8)
        layer.paint(band, self._palette.color(BLACK), left, 0, BACKGROUND_OPACITY)
        middle = floor_even(layer.height / 2)
        layer.paint(band[: max(1, layer.height // 60)], self._palette.color(WHITE), left, middle, HALF_LINE_OPACITY)

    def _paint_curves(self, layer: Layer, palette: Palette) -> None:
        """Paint the columns that became complete since the last call."""
        first, last = self._painted, self._now - 1
        if last <= first:
            return
        left, right = first * COLUMN_PIXELS, last * COLUMN_PIXELS
        for class_id in self._shown:
            levels = self._levels[class_id][first : last + 1]
            known = np.flatnonzero(levels)
            mask = np.zeros((layer.height, right - left + COLUMN_PIXELS), np.uint8)
            for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
                x = run * COLUMN_PIXELS + COLUMN_PIXELS / 2 - 0.5
                points = np.stack([x, self._y(levels[run])], axis=1)
                fixed_point = np.rint(points * (1 << SHIFT)).astype(np.int32)
                cv2.polylines(mask, [fixed_point], False, (255,), max(1, layer.height // 28), cv2.LINE_AA, SHIFT)
            layer.paint(mask, palette.color(self.color(class_id)), left, 0)
        self._painted = last

    def _y(self, levels: U8) -> np.ndarray:
        """Return the y positions of scores on the strip, in pixels."""
        rim = max(2.0, self._layer_size[1] * 0.1)
        return self._layer_size[1] - 1 - rim - levels / 255 * (self._layer_size[1] - 1 - 2 * rim)

    def _draw_head(self, out: Picture, top: int, palette: Palette) -> None:
        """Draw the play head, and a dot on each curve that has a score on the latest frame."""
        x, height = self._now * COLUMN_PIXELS, self._layer_size[1]
        fill_rectangle(out, (x, top, x + COLUMN_PIXELS, top + height), palette.color(WHITE))
        side = max(2, floor_even(height / 10))
        for class_id in self._shown:
            if class_id in self._scores:
                middle = top + int(self._y(np.array([self._scores[class_id]], np.uint8))[0])
                left = min(max(floor_even(x + 1 - side / 2), 0), out.width - side)
                upper = floor_even(middle + 1 - side / 2)
                fill_rectangle(out, (left, upper, left + side, upper + side), palette.color(self.color(class_id)))
