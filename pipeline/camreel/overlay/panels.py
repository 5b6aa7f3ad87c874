"""What is written on the picture: the list of actions, the legend of the heat, the tags of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from camreel.overlay.color import BLACK, WHITE, Color, Palette
from camreel.overlay.layer import Layer, panel
from camreel.overlay.text import fit, line_height, text_mask, text_width

GROUND = 0.62
"""Opacity of a panel's ground."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    text: str
    value: str
    color: Color
    """RGB of the chip before the text."""
    plain: bool = False
    """The text itself is in colour, without a chip."""


@lru_cache(maxsize=64)
def listing(rows: tuple[Row, ...], size: int, width: int, palette: Palette) -> Layer:
    """A panel with one line per row.

    Args:
        rows: from top to bottom, at least one.
        size: of the font in pixels.
        width: of the panel at most, in pixels.
        palette: of the picture.
    """
    pad, line = size // 2, line_height(size) + size // 8
    chip = size - size // 4
    values = max(text_width("0.00", size) + pad if row.value else 0 for row in rows)
    room = width - 2 * pad - values - max(0 if row.plain else chip + pad for row in rows)
    texts = [fit(row.text, size, room + (values + chip + pad if row.plain else 0)) for row in rows]
    wide = max(
        (0 if row.plain else chip + pad + values) + text_width(text, size)
        for row, text in zip(rows, texts, strict=True)
    )
    layer = _ground(2 * pad + wide, len(rows) * line + pad, size, palette)
    for n, (row, text) in enumerate(zip(rows, texts, strict=True)):
        top = pad // 2 + n * line
        if row.plain:
            layer.paint(text_mask(text, size), palette.color(row.color), pad, top)
            continue
        layer.paint(panel(chip, chip, size // 5), palette.color(row.color), pad, top + (line_height(size) - chip) // 2)
        layer.paint(text_mask(text, size), palette.color(WHITE), 2 * pad + chip, top)
        value = text_mask(row.value, size)
        layer.paint(value, palette.color(WHITE), layer.width - pad - value.shape[1], top)
    return layer


@lru_cache(maxsize=16)
def legend(top_value: str, middle: str, size: int, palette: Palette) -> Layer:
    """The heat's colours with the logits that they stand for.

    Args:
        top_value: of the bright end.
        middle: of the middle.
        size: of the font in pixels.
        palette: of the picture.
    """
    pad, bar = size // 2, max(4, size // 2)
    unit = text_mask("logit", size)
    wide = max(9 * size, text_width("0", size) + text_width(middle, size) + text_width(top_value, size) + 4 * pad)
    line = line_height(size)
    layer = _ground(wide + 3 * pad + unit.shape[1], pad + bar + line, size, palette)
    ramp = cv2.resize(np.arange(256, dtype=np.uint8)[None], (wide, bar), interpolation=cv2.INTER_LINEAR)
    _ramp(layer, ramp, pad, pad // 2 + 1, palette)
    top = pad // 2 + bar + 2
    white = palette.color(WHITE)
    layer.paint(text_mask("0", size), white, pad, top)
    layer.paint(text_mask(middle, size), white, pad + (wide - text_width(middle, size)) // 2, top)
    layer.paint(text_mask(top_value, size), white, pad + wide - text_width(top_value, size), top)
    layer.paint(unit, white, 2 * pad + wide, top)
    return layer


def _ramp(layer: Layer, ramp: np.ndarray, x: int, y: int, palette: Palette) -> None:
    """Writes a picture of saliencies into a layer, opaque."""
    x, y = x - x % 2, y - y % 2
    ramp = cv2.resize(ramp, (ramp.shape[1] - ramp.shape[1] % 2, ramp.shape[0] + ramp.shape[0] % 2))
    half = ramp[::2, ::2]
    for plane, part, channel in zip(layer.planes, (ramp, half, half), range(3), strict=True):
        top, left = (y, x) if part is ramp else (y // 2, x // 2)
        plane[top : top + part.shape[0], left : left + part.shape[1]] = palette.heat[part, channel]
    layer.keep[y : y + ramp.shape[0], x : x + ramp.shape[1]] = 0
    layer.keep_half[y // 2 : y // 2 + half.shape[0], x // 2 : x // 2 + half.shape[1]] = 0


@lru_cache(maxsize=128)
def tag(text: str, color: Color, size: int, width: int, palette: Palette) -> Layer:
    """A label on its class's colour, at most `width` pixels wide."""
    pad = max(2, size // 3)
    mask = text_mask(fit(text, size, width - 2 * pad), size)
    layer = Layer(mask.shape[1] + 2 * pad, mask.shape[0] + 2)
    layer.paint(np.full((layer.height, layer.width), 255, np.uint8), palette.color(color), opacity=0.92)
    layer.paint(mask, palette.color(BLACK), pad, 1)
    return layer


def _ground(width: int, height: int, size: int, palette: Palette) -> Layer:
    layer = Layer(width, height)
    layer.paint(panel(layer.width, layer.height, max(2, size // 3)), palette.color(BLACK), opacity=GROUND)
    return layer
