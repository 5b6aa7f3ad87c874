"""Small RGB pictures with heat, boxes, peaks and text, side by side in a strip."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.imageops.color import to_rgb
from camreel.overlay.color import BLACK, WHITE, Color, heat_rgb
from camreel.overlay.heat import gate
from camreel.overlay.panels import line_height, text_mask
from camreel.structures import U8, Action, Picture

TILE_WIDTH = 320
"""Width of a tile in pixels."""
GAP = 4
"""Pixels between the tiles of a strip."""
GAP_LEVEL = 128
"""Gray level of the gaps."""
OPACITY = 0.7
"""Opacity of the heat at full evidence."""
TEXT_SIZE = 12
"""Font size in pixels."""
TEXT_MARGIN = 6
JPEG_QUALITY = 82


def make_tile(picture: Picture) -> U8:
    """Return a picture as small RGB [h, w, 3], `TILE_WIDTH` wide."""
    size = TILE_WIDTH, round(picture.height * TILE_WIDTH / picture.width)
    return to_rgb(picture, size, average=True)


def draw_heat(tile: U8, action: Action) -> None:
    """Color a tile by an action's saliency, more faintly if its score is low."""
    if action.saliency is None:
        return
    size = tile.shape[1], tile.shape[0]
    saliency = np.clip(cv2.resize(action.saliency, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    colors = heat_rgb()[np.rint(saliency * 255).astype(int)]
    opacity = (OPACITY * gate(action.score) * saliency)[..., None]
    tile[:] = np.rint(tile * (1 - opacity) + colors * opacity)


def draw_box(tile: U8, box: NDArray[np.floating], color: Color) -> None:
    """Draw the outline of a box, xyxy in pixels of the tile."""
    left, top, right, bottom = (round(float(edge)) for edge in box)
    cv2.rectangle(tile, (left, top), (right - 1, bottom - 1), color, 1)


def draw_peak(tile: U8, x: float, y: float) -> None:
    """Draw a cross at (x, y) in pixels of the tile."""
    for color, size, thickness in ((BLACK, 11, 3), (WHITE, 9, 1)):
        cv2.drawMarker(tile, (round(x), round(y)), color, cv2.MARKER_TILTED_CROSS, size, thickness)


def draw_text(tile: U8, text: str, row: int) -> None:
    """Write a line of white text with a black outline in the top left corner."""
    mask = np.pad(text_mask(text, TEXT_SIZE), 1)
    top = TEXT_MARGIN + line_height(TEXT_SIZE) * row
    part = tile[top : top + mask.shape[0], TEXT_MARGIN : TEXT_MARGIN + mask.shape[1]]
    # Text that is too long ends at the edge of the tile.
    mask = mask[: part.shape[0], : part.shape[1]]
    outline = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    for color, cover in ((BLACK, outline), (WHITE, mask)):
        opacity = cover[..., None] / 255
        part[:] = np.rint(part * (1 - opacity) + np.array(color) * opacity)


def encode_strip(tiles: Sequence[U8]) -> bytes:
    """Return tiles side by side as a JPEG."""
    height = max(tile.shape[0] for tile in tiles)
    strip = np.full((height, len(tiles) * (TILE_WIDTH + GAP) - GAP, 3), GAP_LEVEL, np.uint8)
    for i, tile in enumerate(tiles):
        strip[: tile.shape[0], i * (TILE_WIDTH + GAP) : i * (TILE_WIDTH + GAP) + TILE_WIDTH] = tile
    _, data = cv2.imencode(".jpg", strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data)
