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
    """Convert a picture to RGB, made smaller on the way: no full-size RGB copy is made.

    Args:
        picture: the picture.
        size: (width, height) of the result; None: the picture's own.
        average: average over the source pixels instead of interpolating between them.

    Returns:
        RGB [h, w, 3].
    """
    way = cv2.INTER_AREA if average else cv2.INTER_LINEAR
    target = size or (picture.width, picture.height)
    planes = [
        cv2.resize(np.ascontiguousarray(plane), target, interpolation=way)
        for plane in (picture.y, picture.u, picture.v)
    ]
    rgb = cv2.transform(cv2.merge(planes), yuv_to_rgb_matrix(picture.matrix, picture.full_range))
    return np.asarray(rgb, np.uint8)


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
