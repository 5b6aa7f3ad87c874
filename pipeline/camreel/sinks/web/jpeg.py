"""JPEG encoding of pictures with OpenCV: about twice as fast as FFmpeg's encoder, including the color conversion."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.imageops.color import rgb_to_yuv
from camreel.structures import U8, Matrix, Picture

JPEG_QUALITY = 80
MAX_WIDTH_PIXELS = 1280
"""Wider pictures are made smaller, to spare the network connection and phones."""


def encode_jpeg(picture: Picture, max_width: int = MAX_WIDTH_PIXELS) -> bytes:
    """Encode a picture of even size as JPEG, at most `max_width` pixels wide.

    Example:
        >>> encode_jpeg(picture)[:2]
        b'\\xff\\xd8'
    """
    planes = _to_bt601(_reduce(picture, max_width))
    height, width = planes[0].shape
    i420 = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    bgr = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _reduce(picture: Picture, max_width: int) -> Picture:
    if picture.width <= max_width:
        return picture
    half_width, half_height = max_width // 2, round(max_width / 2 * picture.height / picture.width)
    y, u, v = (
        cv2.resize(plane, (times * half_width, times * half_height), interpolation=cv2.INTER_AREA)
        for plane, times in ((picture.y, 2), (picture.u, 1), (picture.v, 1))
    )
    return Picture(_as_u8(y), _as_u8(u), _as_u8(v), picture.matrix, picture.full_range)


def _to_bt601(picture: Picture) -> tuple[U8, U8, U8]:
    """Return the planes in BT.601, limited range: the only matrix and range that OpenCV converts from."""
    if picture.matrix == "bt601" and not picture.full_range:
        return picture.y, picture.u, picture.v
    gain, offset = _conversion(picture.matrix, picture.full_range)
    u = cv2.addWeighted(picture.u, gain[1, 1], picture.v, gain[1, 2], offset[1])
    v = cv2.addWeighted(picture.u, gain[2, 1], picture.v, gain[2, 2], offset[2])
    if picture.matrix == "bt601":
        return _as_u8(cv2.convertScaleAbs(picture.y, alpha=gain[0, 0], beta=offset[0])), _as_u8(u), _as_u8(v)
    # The share of chroma in luma may be negative, but the planes are unsigned: it is shifted by 128 on the way.
    share = cv2.addWeighted(picture.u, gain[0, 1], picture.v, gain[0, 2], 128 - 128 * (gain[0, 1] + gain[0, 2]))
    share = cv2.resize(share, (picture.width, picture.height), interpolation=cv2.INTER_NEAREST)
    return _as_u8(cv2.addWeighted(picture.y, gain[0, 0], share, 1, offset[0] - 128)), _as_u8(u), _as_u8(v)


def _as_u8(plane: NDArray[Any]) -> U8:
    """Return the same array with its real type, which the stubs of OpenCV do not state."""
    return np.asarray(plane, np.uint8)


@lru_cache(maxsize=6)
def _conversion(matrix: Matrix, full_range: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gain [3, 3] and offset [3] from YUV to BT.601, limited range; luma's offset is for chroma around 128."""
    # Colors at half strength around gray, so that nothing is clipped; with this many, 8-bit levels are exact enough.
    rgb = np.stack(np.meshgrid(*[np.arange(32, 224, 8)] * 3), axis=-1).reshape(-1, 3).astype(np.uint8)
    given = rgb_to_yuv(rgb, matrix, full_range).astype(np.float64)
    wanted = rgb_to_yuv(rgb, "bt601", False).astype(np.float64)
    system = np.concatenate([given, np.ones((len(given), 1))], axis=1)
    solution = np.linalg.lstsq(system, wanted, rcond=None)[0]
    gain, offset = solution[:3].T, solution[3].copy()
    offset[0] += 128 * (gain[0, 1] + gain[0, 2])
    return gain, offset
