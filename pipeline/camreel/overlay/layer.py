"""Drawing on YUV 4:2:0 planes: prepared layers that are blended in, and lines and rectangles drawn directly."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.structures import F32, U8, Picture

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, half-open."""

SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""

Color = tuple[int, int, int]
"""(Y, U, V) or (R, G, B), 8 bit."""


def floor_even(value: float) -> int:
    """Return the largest even number that is not above `value`."""
    return int(value) // 2 * 2


def crop(out: Picture, left: int, top: int, width: int, height: int) -> Picture:
    """Return a view of a part of a picture. All sides are even, except those that end with the picture."""
    half = slice(top // 2, (top + height + 1) // 2), slice(left // 2, (left + width + 1) // 2)
    y = out.y[top : top + height, left : left + width]
    return Picture(y, out.u[half], out.v[half], out.matrix, out.full_range)


def copy_picture(source: Picture, out: Picture) -> None:
    """Copy a picture into one of even size, repeating the last column and row if the size of the source is odd."""
    for plane, target in ((source.y, out.y), (source.u, out.u), (source.v, out.v)):
        height, width = plane.shape
        _copy_plane(plane, target[:height, :width])
        target[:height, width:] = target[:height, width - 1 : width]
        target[height:] = target[height - 1 : height]


def _copy_plane(plane: U8, target: U8) -> None:
    # OpenCV rotates in a fifth of the time that numpy takes to copy a rotated view, so the rotation is undone and done
    # again.
    turns = ((1, cv2.ROTATE_90_COUNTERCLOCKWISE), (2, cv2.ROTATE_180), (3, cv2.ROTATE_90_CLOCKWISE))
    for times, code in () if plane.strides[1] == 1 else turns:
        stored = np.rot90(plane, -times)
        if stored.strides[1] == 1 and stored.strides[0] > 0:
            cv2.rotate(stored, code, dst=target)
            return
    np.copyto(target, plane)


def blend_plane(plane: U8, keep: U8, add: U8) -> None:
    """Compute plane = plane * keep / 255 + add in place; unchanged bit for bit where keep is 255 and add is 0."""
    cv2.multiply(plane, keep, dst=plane, scale=1 / 255)
    cv2.add(plane, add, dst=plane)


class Layer:
    """Colors multiplied by their opacity, and the share of the picture below that is kept.

    Args:
        width: width in pixels; rounded up to even.
        height: height in pixels; rounded up to even.

    Example:
        >>> layer = Layer(40, 20)
        >>> layer.paint(rounded_rectangle(40, 20, radius=4), palette.color(BLACK), opacity=0.6)
        >>> layer.blend(picture, 8, 8)
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = floor_even(width + 1), floor_even(height + 1)
        whole, half = (self.height, self.width), (self.height // 2, self.width // 2)
        self.planes = tuple(np.zeros(shape, np.uint8) for shape in (whole, half, half))
        """Y, U and V, multiplied by the opacity."""
        self.keep, self.keep_half = np.full(whole, 255, np.uint8), np.full(half, 255, np.uint8)

    def paint(self, mask: U8, color: Color, x: int = 0, y: int = 0, opacity: float = 1.0) -> None:
        """Paint a color over the layer where a mask [h, w] is set; parts outside the layer are cut off."""
        mask, x, y = self._fit(mask, x, y)
        if mask.size == 0:
            return
        height, width = mask.shape
        if opacity < 1:
            mask = _scaled(mask, opacity)
        half = cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        whole_area = slice(y, y + height), slice(x, x + width)
        half_area = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
        areas = ((whole_area, mask), (half_area, half), (half_area, half))
        for plane, (area, opaque), value in zip(self.planes, areas, color, strict=True):
            blend_plane(plane[area], _inverse(opaque), _scaled(opaque, value / 255))
        for keep, area, opaque in ((self.keep, whole_area, mask), (self.keep_half, half_area, half)):
            cv2.multiply(keep[area], _inverse(opaque), dst=keep[area], scale=1 / 255)

    def _fit(self, mask: U8, x: int, y: int) -> tuple[U8, int, int]:
        """Return the part of a mask that lies on the layer, grown to even sides, and its position."""
        mask = mask[max(-y, 0) : max(self.height - y, 0), max(-x, 0) : max(self.width - x, 0)]
        x, y = max(x, 0), max(y, 0)
        height, width = mask.shape
        grow = y % 2, (y + height) % 2, x % 2, (x + width) % 2
        if mask.size and any(grow):
            mask = cv2.copyMakeBorder(mask, *grow, cv2.BORDER_CONSTANT, value=(0,)).astype(np.uint8, copy=False)
        return mask, x - x % 2, y - y % 2

    def blend(self, out: Picture, x: int, y: int) -> None:
        """Blend the layer into a picture at an even position; parts outside the picture are cut off."""
        view = crop(out, x, y, self.width, self.height)
        keeps = self.keep, self.keep_half, self.keep_half
        for plane, keep, add in zip((view.y, view.u, view.v), keeps, self.planes, strict=True):
            height, width = plane.shape
            if plane.size:
                blend_plane(plane, keep[:height, :width], add[:height, :width])


def _scaled(mask: U8, factor: float) -> U8:
    return cv2.convertScaleAbs(mask, alpha=factor).astype(np.uint8, copy=False)


def _inverse(mask: U8) -> U8:
    return cv2.bitwise_not(mask).astype(np.uint8, copy=False)


def rounded_rectangle(width: int, height: int, radius: int) -> U8:
    """Return a filled rectangle with round corners as a mask [height, width]."""
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


def draw_lines(out: Picture, points: F32, color: Color, thickness: int, opacity: float = 1.0) -> None:
    """Draw polylines on a picture.

    Args:
        out: the picture.
        points: [N, n, 2], N lines through n points (x, y) in pixels.
        color: YUV.
        thickness: thickness in luma pixels.
        opacity: opacity of the lines as a whole.
    """
    if len(points) == 0 or opacity <= 0:
        return
    rim = thickness + 2
    left, top = (max(floor_even(edge) - rim - rim % 2, 0) for edge in points.min(axis=(0, 1)))
    right, bottom = points.max(axis=(0, 1)) + rim
    view = crop(out, left, top, floor_even(right) + 2 - left, floor_even(bottom) + 2 - top)
    # A chroma sample lies between two luma samples.
    whole, half = points - (left, top), (points - (left + 0.5, top + 0.5)) / 2
    half_thickness = -(-thickness // 2)
    planes = ((view.y, whole, thickness), (view.u, half, half_thickness), (view.v, half, half_thickness))
    for (plane, place, wide), value in zip(planes, color, strict=True):
        before = plane.copy() if opacity < 1 else None
        fixed_point = list(np.rint(place * (1 << SHIFT)).astype(np.int32))
        cv2.polylines(plane, fixed_point, False, (value,), wide, cv2.LINE_AA, SHIFT)
        if before is not None:
            cv2.addWeighted(plane, opacity, before, 1 - opacity, 0, dst=plane)


def draw_rectangle(out: Picture, rect: Rect, color: Color, thickness: int) -> None:
    """Draw the outline of a rectangle, inwards from its even sides so that chroma is not blurred."""
    left, top, right, bottom = rect
    thickness = floor_even(thickness + 1)
    inner = max(floor_even((right - left) / 2), 0), max(floor_even((bottom - top) / 2), 0)
    across, down = min(thickness, inner[0]), min(thickness, inner[1])
    fill_rectangle(out, (left, top, right, top + down), color)
    fill_rectangle(out, (left, bottom - down, right, bottom), color)
    fill_rectangle(out, (left, top, left + across, bottom), color)
    fill_rectangle(out, (right - across, top, right, bottom), color)


def fill_rectangle(out: Picture, rect: Rect, color: Color) -> None:
    """Fill a rectangle with even sides."""
    left, top, right, bottom = rect
    view = crop(out, left, top, right - left, bottom - top)
    view.y[:], view.u[:], view.v[:] = color
