"""Conversion between YUV and RGB (ITU-T H.273), the only one in camreel."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.structures import F32, U8, Matrix, Picture

KR_KB: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
"""Luma coefficients of red and blue of each matrix."""
STRIP_ROWS = 128
"""Rows that are converted at once (even): large temporary arrays cost several times as much as the conversion."""


def yuv_to_rgb_matrix(matrix: Matrix, full_range: bool) -> F32:
    """Return the 3 x 4 matrix from 8-bit Y'CbCr to 8-bit R'G'B' (ITU-T H.273, equations 38 to 40 and 44 to 46)."""
    kr, kb = KR_KB[matrix]
    kg = 1 - kr - kb
    y_gain, c_gain, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    linear = np.array(
        [
            [y_gain, 0, c_gain * 2 * (1 - kr)],
            [y_gain, -c_gain * 2 * kb * (1 - kb) / kg, -c_gain * 2 * kr * (1 - kr) / kg],
            [y_gain, c_gain * 2 * (1 - kb), 0],
        ]
    )
    offset = -linear @ np.array([black, 128.0, 128.0])
    return np.column_stack([linear, offset]).astype(np.float32)


def to_rgb(picture: Picture, size: tuple[int, int] | None = None, *, average: bool = False) -> U8:
    """Convert a picture to RGB.

    Args:
        picture: the picture.
        size: (width, height) of the result, resized on the way so that no full-size RGB copy is made; None: that of
            the picture, and each chroma sample colors its 2 x 2 pixels.
        average: average over the source pixels instead of interpolating between them.

    Returns:
        RGB [h, w, 3].

    Example:
        >>> small = to_rgb(frame.picture, (320, 180), average=True)
    """
    matrix = yuv_to_rgb_matrix(picture.matrix, picture.full_range)
    if size is None:
        return _transform(picture, matrix)
    way = cv2.INTER_AREA if average else cv2.INTER_LINEAR
    planes = [
        cv2.resize(np.ascontiguousarray(plane), size, interpolation=way) for plane in (picture.y, picture.u, picture.v)
    ]
    return np.asarray(cv2.transform(cv2.merge(planes), matrix), np.uint8)


def to_bgr(picture: Picture) -> U8:
    """Convert a picture to BGR [H, W, 3], the channel order of OpenCV; otherwise equal to `to_rgb(picture)`."""
    return _transform(picture, yuv_to_rgb_matrix(picture.matrix, picture.full_range)[::-1])


def _transform(picture: Picture, matrix: F32) -> U8:
    """Apply a color matrix [3, 4] to every pixel."""
    height, width = picture.y.shape
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        rows, half = slice(top, min(top + STRIP_ROWS, height)), slice(top // 2, (top + STRIP_ROWS) // 2)
        y = np.ascontiguousarray(picture.y[rows])
        u, v = (_double(plane[half])[: len(y), :width] for plane in (picture.u, picture.v))
        cv2.transform(cv2.merge([y, u, v]), matrix, dst=out[rows])
    return out


def _double(plane: U8) -> U8:
    """Repeat every sample of a plane [h, w] in both directions."""
    height, width = plane.shape
    # A sample times 257 is a pair of equal bytes: six times as fast as `np.repeat` or `cv2.resize`.
    pairs = np.empty((height, 2, width), np.uint16)
    np.multiply(plane[:, None], np.uint16(257), out=pairs, dtype=np.uint16)
    return pairs.view(np.uint8).reshape(2 * height, 2 * width)


def rgb_to_yuv(rgb: U8, matrix: Matrix, full_range: bool) -> U8:
    """Convert RGB colors [N, 3] to 8-bit YUV [N, 3]."""
    kr, kb = KR_KB[matrix]
    r, g, b = rgb.astype(np.float64).T
    y = kr * r + (1 - kr - kb) * g + kb * b
    pb, pr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    luma, chroma, offset = (1.0, 1.0, 0.0) if full_range else (219 / 255, 224 / 255, 16.0)
    yuv = np.stack([y * luma + offset, pb * chroma + 128, pr * chroma + 128], axis=1)
    levels: U8 = np.clip(np.rint(yuv), 0, 255).astype(np.uint8)
    return levels
