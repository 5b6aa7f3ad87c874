"""Small pictures with heat, boxes and words on them, side by side in a strip."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.overlay.color import BLACK, WHITE, Color, heat_rgb
from camreel.overlay.heat import gate
from camreel.structures import U8, Action, Picture

WIDTH = 320
"""Of a frame in pixels."""
GAP = 4
OPACITY = 0.7
"""Of the heat where the evidence is full."""
QUALITY = 82


def tile_of(picture: Picture) -> U8:
    """RGB [h, w, 3] of a picture, made small."""
    size = WIDTH, round(picture.height * WIDTH / picture.width)
    return np.asarray(cv2.resize(_rgb(picture), size, interpolation=cv2.INTER_AREA), np.uint8)


def _rgb(picture: Picture) -> U8:
    y, u, v = (
        plane[: plane.shape[0] // n * n, : plane.shape[1] // n * n]
        for plane, n in ((picture.y, 2), (picture.u, 1), (picture.v, 1))
    )
    half = y.shape[0] // 2, y.shape[1] // 2
    planes = [np.ascontiguousarray(plane).ravel() for plane in (y, u[: half[0], : half[1]], v[: half[0], : half[1]])]
    return np.asarray(cv2.cvtColor(np.concatenate(planes).reshape(-1, y.shape[1]), cv2.COLOR_YUV2RGB_I420), np.uint8)


def draw_heat(tile: U8, action: Action) -> None:
    """Colours a tile by an action's saliency, as strong as its score."""
    if action.saliency is None:
        return
    size = tile.shape[1], tile.shape[0]
    saliency = np.clip(cv2.resize(action.saliency, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    colors = heat_rgb()[np.rint(saliency * 255).astype(int)]
    opacity = (OPACITY * gate(action.score) * saliency)[..., None]
    tile[:] = np.rint(tile * (1 - opacity) + colors * opacity)


def draw_box(tile: U8, box: NDArray[np.floating], color: Color) -> None:
    """Draws a box, xyxy in pixels of the tile."""
    left, top, right, bottom = (round(float(edge)) for edge in box)
    cv2.rectangle(tile, (left, top), (right - 1, bottom - 1), color, 1)


def write(tile: U8, text: str, row: int) -> None:
    """Writes a line of text."""
    for color, thickness in ((BLACK, 3), (WHITE, 1)):
        cv2.putText(tile, text, (6, 16 + 16 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.42, color, thickness, cv2.LINE_AA)


def pack(tiles: Sequence[U8]) -> bytes:
    """Frames side by side, as a JPEG."""
    height = max(tile.shape[0] for tile in tiles)
    strip = np.full((height, len(tiles) * (WIDTH + GAP) - GAP, 3), 128, np.uint8)
    for i, tile in enumerate(tiles):
        strip[: tile.shape[0], i * (WIDTH + GAP) : i * (WIDTH + GAP) + WIDTH] = tile
    _, data = cv2.imencode(".jpg", strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)
