"""Drawing on YUV 4:2:0 planes: small prepared layers that are blended in, and lines straight on the picture."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.overlay.color import Color
from camreel.structures import F32, U8, Picture

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, half-open."""

SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""


def even(value: float) -> int:
    """The largest even number not above `value`."""
    return int(value) // 2 * 2


def window(out: Picture, left: int, top: int, width: int, height: int) -> Picture:
    """A view of a picture's planes; the sides are even, the right and bottom ones may be the picture's own."""
    half = slice(top // 2, (top + height + 1) // 2), slice(left // 2, (left + width + 1) // 2)
    y = out.y[top : top + height, left : left + width]
    return Picture(y, out.u[half], out.v[half], out.matrix, out.full_range)


def copy(source: Picture, out: Picture) -> None:
    """Copies a picture into one of even size, repeating its last column and row where its own size is odd."""
    for plane, target in ((source.y, out.y), (source.u, out.u), (source.v, out.v)):
        height, width = plane.shape
        _copy_plane(plane, target[:height, :width])
        target[:height, width:] = target[:height, width - 1 : width]
        target[height:] = target[height - 1 : height]


def _copy_plane(plane: U8, target: U8) -> None:
    """Turned views are undone and turned by OpenCV, in a fifth of the time that numpy takes to walk them."""
    turns = ((1, cv2.ROTATE_90_COUNTERCLOCKWISE), (2, cv2.ROTATE_180), (3, cv2.ROTATE_90_CLOCKWISE))
    for times, code in () if plane.strides[1] == 1 else turns:
        stored = np.rot90(plane, -times)
        if stored.strides[1] == 1 and stored.strides[0] > 0:
            cv2.rotate(stored, code, dst=target)
            return
    np.copyto(target, plane)


def fade(plane: U8, keep: U8, add: U8) -> None:
    """plane = plane * keep / 255 + add, in place; untouched bit for bit where keep is 255 and add 0."""
    cv2.multiply(plane, keep, dst=plane, scale=1 / 255)
    cv2.add(plane, add, dst=plane)


class Layer:
    """Colours multiplied by their opacity, and how much of the picture below is kept.

    Args:
        width: in pixels; rounded up to even, as the height is.
        height: in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = even(width + 1), even(height + 1)
        whole, half = (self.height, self.width), (self.height // 2, self.width // 2)
        self.planes = tuple(np.zeros(shape, np.uint8) for shape in (whole, half, half))
        self.keep, self.keep_half = np.full(whole, 255, np.uint8), np.full(half, 255, np.uint8)

    def paint(self, mask: U8, color: Color, x: int = 0, y: int = 0, opacity: float = 1.0) -> None:
        """Lays a colour over the layer where a mask [h, w] is set; what leaves the layer is cut off."""
        mask, x, y = self._fit(mask, x, y)
        if mask.size == 0:
            return
        height, width = mask.shape
        if opacity < 1:
            mask = _scaled(mask, opacity)
        half = cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        whole_area = slice(y, y + height), slice(x, x + width)
        half_area = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
        for plane, area, opaque, value in zip(
            self.planes, (whole_area, half_area, half_area), (mask, half, half), color, strict=True
        ):
            fade(plane[area], _inverse(opaque), _scaled(opaque, value / 255))
        for keep, area, opaque in ((self.keep, whole_area, mask), (self.keep_half, half_area, half)):
            cv2.multiply(keep[area], _inverse(opaque), dst=keep[area], scale=1 / 255)

    def _fit(self, mask: U8, x: int, y: int) -> tuple[U8, int, int]:
        """The part of a mask that lies on the layer, grown to even sides."""
        mask = mask[max(-y, 0) : max(self.height - y, 0), max(-x, 0) : max(self.width - x, 0)]
        x, y = max(x, 0), max(y, 0)
        height, width = mask.shape
        grow = y % 2, (y + height) % 2, x % 2, (x + width) % 2
        if mask.size and any(grow):
            mask = cv2.copyMakeBorder(mask, *grow, cv2.BORDER_CONSTANT, value=(0,)).astype(np.uint8, copy=False)
        return mask, x - x % 2, y - y % 2

    def blend(self, out: Picture, x: int, y: int) -> None:
        """Lays the layer over a picture at an even position; what leaves the picture is cut off."""
        view = window(out, x, y, self.width, self.height)
        for plane, keep, add in zip(
            (view.y, view.u, view.v), (self.keep, self.keep_half, self.keep_half), self.planes, strict=True
        ):
            height, width = plane.shape
            if plane.size:
                fade(plane, keep[:height, :width], add[:height, :width])


def _scaled(mask: U8, factor: float) -> U8:
    return cv2.convertScaleAbs(mask, alpha=factor).astype(np.uint8, copy=False)


def _inverse(mask: U8) -> U8:
    return cv2.bitwise_not(mask).astype(np.uint8, copy=False)


def panel(width: int, height: int, radius: int) -> U8:
    """A filled rectangle with round corners as a mask [height, width]."""
    mask = np.zeros((height, width), np.uint8)
    radius = min(radius, (width - 1) // 2, (height - 1) // 2)
    if radius < 1:
        mask[:] = 255
        return mask
    mask[radius : height - radius] = 255
    mask[:, radius : width - radius] = 255
    for x in (radius, width - 1 - radius):
        for y in (radius, height - 1 - radius):
            cv2.circle(mask, (x << SHIFT, y << SHIFT), radius << SHIFT, (255,), -1, cv2.LINE_AA, SHIFT)
    return mask


def lines(out: Picture, points: F32, color: Color, thickness: int, opacity: float = 1.0) -> None:
    """Draws polylines straight on a picture.

    Args:
        out: the picture.
        points: [N, n, 2], N lines through n points (x, y) in pixels.
        color: YUV.
        thickness: in pixels of luma.
        opacity: of the lines as a whole.
    """
    if len(points) == 0 or opacity <= 0:
        return
    rim = thickness + 2
    left, top = (max(even(edge) - rim - rim % 2, 0) for edge in points.min(axis=(0, 1)))
    right, bottom = points.max(axis=(0, 1)) + rim
    view = window(out, left, top, even(right) + 2 - left, even(bottom) + 2 - top)
    # A chroma sample lies between two luma samples.
    whole, half = points - (left, top), (points - (left + 0.5, top + 0.5)) / 2
    for plane, place, wide, value in zip(
        (view.y, view.u, view.v),
        (whole, half, half),
        (thickness, -(-thickness // 2), -(-thickness // 2)),
        color,
        strict=True,
    ):
        before = plane.copy() if opacity < 1 else None
        cv2.polylines(
            plane, list(np.rint(place * (1 << SHIFT)).astype(np.int32)), False, (value,), wide, cv2.LINE_AA, SHIFT
        )
        if before is not None:
            cv2.addWeighted(plane, opacity, before, 1 - opacity, 0, dst=plane)


def frame(out: Picture, rect: Rect, color: Color, thickness: int) -> None:
    """Draws the outline of a rectangle inwards from its even sides, without blurring them."""
    left, top, right, bottom = rect
    thickness = even(thickness + 1)
    inner = max(even((right - left) / 2), 0), max(even((bottom - top) / 2), 0)
    across, down = min(thickness, inner[0]), min(thickness, inner[1])
    fill(out, (left, top, right, top + down), color)
    fill(out, (left, bottom - down, right, bottom), color)
    fill(out, (left, top, left + across, bottom), color)
    fill(out, (right - across, top, right, bottom), color)


def fill(out: Picture, rect: Rect, color: Color) -> None:
    """Fills a rectangle with even sides."""
    left, top, right, bottom = rect
    view = window(out, left, top, right - left, bottom - top)
    view.y[:], view.u[:], view.v[:] = color
