"""Pictures as JPEG, the quickest way: OpenCV is about twice as fast as FFmpeg's encoder, its conversion included."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.imageops.color import rgb_to_yuv
from camreel.structures import U8, Matrix, Picture

QUALITY = 80
WIDEST = 1280
"""Pixels; wider pictures are made smaller, for the sake of the network and the phone at its end."""


def jpeg(picture: Picture, widest: int = WIDEST) -> bytes:
    """A picture of even size as JPEG, at most `widest` pixels wide."""
    planes = _as_bt601(_reduced(picture, widest))
    height, width = planes[0].shape
    i420 = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def _reduced(picture: Picture, widest: int) -> Picture:
    if picture.width <= widest:
        return picture
    width, height = widest // 2, round(widest / 2 * picture.height / picture.width)
    y, u, v = (
        cv2.resize(plane, (times * width, times * height), interpolation=cv2.INTER_AREA)
        for plane, times in ((picture.y, 2), (picture.u, 1), (picture.v, 1))
    )
    return Picture(_u8(y), _u8(u), _u8(v), picture.matrix, picture.full_range)


def _as_bt601(picture: Picture) -> tuple[U8, U8, U8]:
    """The planes in the only matrix and range that OpenCV converts from: BT.601, limited."""
    if picture.matrix == "bt601" and not picture.full_range:
        return picture.y, picture.u, picture.v
    by, offset = _conversion(picture.matrix, picture.full_range)
    u = cv2.addWeighted(picture.u, by[1, 1], picture.v, by[1, 2], offset[1])
    v = cv2.addWeighted(picture.u, by[2, 1], picture.v, by[2, 2], offset[2])
    if picture.matrix == "bt601":
        return _u8(cv2.convertScaleAbs(picture.y, alpha=by[0, 0], beta=offset[0])), _u8(u), _u8(v)
    # What chroma adds to luma may be negative, and the planes are unsigned: carried around 128.
    added = cv2.addWeighted(picture.u, by[0, 1], picture.v, by[0, 2], 128 - 128 * (by[0, 1] + by[0, 2]))
    added = cv2.resize(added, (picture.width, picture.height), interpolation=cv2.INTER_NEAREST)
    return _u8(cv2.addWeighted(picture.y, by[0, 0], added, 1, offset[0] - 128)), _u8(u), _u8(v)


def _u8(plane: NDArray[Any]) -> U8:
    """As it is: OpenCV says less of its arrays than is true."""
    return np.asarray(plane, np.uint8)


@lru_cache(maxsize=6)
def _conversion(matrix: Matrix, full_range: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The linear map [3, 3] from YUV to BT.601 in limited range, and what is added; the luma's leaves the neutral chroma out."""
    # Colours at half strength around grey, so that nothing is clipped; 8 bit levels are exact enough in this many.
    rgb = np.stack(np.meshgrid(*[np.arange(32, 224, 8)] * 3), axis=-1).reshape(-1, 3).astype(np.uint8)
    given = rgb_to_yuv(rgb, matrix, full_range).astype(np.float64)
    wanted = rgb_to_yuv(rgb, "bt601", False).astype(np.float64)
    system = np.concatenate([given, np.ones((len(given), 1))], axis=1)
    solution = np.linalg.lstsq(system, wanted, rcond=None)[0]
    by, offset = solution[:3].T, solution[3].copy()
    offset[0] += 128 * (by[0, 1] + by[0, 2])
    return by, offset
