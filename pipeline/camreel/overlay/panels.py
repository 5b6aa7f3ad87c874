"""Text on the picture: the list of actions, the legend of the heat, and the labels of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from camreel.overlay.heat import BLACK, WHITE, Palette
from camreel.overlay.layer import Color, Layer, rounded_rectangle
from camreel.structures import U8

FONT_WEIGHT = 560
"""Weight of the font between regular (400) and bold (700): thin strokes do not survive video compression."""
BACKGROUND_OPACITY = 0.62
"""Opacity of the dark background of panels and of the strip."""
LABEL_OPACITY = 0.92
"""Opacity of the background of a box's label."""


@lru_cache(maxsize=1)
def _font_face() -> Any:
    # OpenCV 5 contains a TrueType font; earlier versions only have Hershey's strokes and ASCII.
    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def _printable(text: str) -> str:
    """Return the text as one line of characters that the font can show."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if _font_face() is not None else text.encode("ascii", "replace").decode("ascii")


def line_height(size: int) -> int:
    """Return the height of a line of text in pixels, of which `size` are above the base line."""
    return size + -(-size * 3 // 10)


@lru_cache(maxsize=512)
def text_mask(text: str, size: int) -> U8:
    """Return a line of text as an anti-aliased mask [line_height(size), width of the text].

    Args:
        text: the text; characters that cannot be shown become "?" or a blank.
        size: size of the font in pixels.
    """
    text, height = _printable(text), line_height(size)
    room = max(1, (len(text.encode()) + 1) * size * 2)
    mask = np.zeros((height, room), np.uint8)
    if _font_face() is not None:
        end, _ = cv2.putText(mask, text, (0, size - max(1, size // 10)), (255,), _font_face(), size, FONT_WEIGHT)
    else:
        scale, thickness = size / 30, max(1, size // 12)
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        cv2.putText(mask, text, (0, size - 1), cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), thickness, cv2.LINE_AA)
        end = (width, 0)
    mask = np.ascontiguousarray(mask[:, : max(1, min(int(end[0]), room))])
    mask.setflags(write=False)
    return mask


def text_width(text: str, size: int) -> int:
    """Return the width of a line of text in pixels."""
    return int(text_mask(text, size).shape[1])


@lru_cache(maxsize=512)
def fit_text(text: str, size: int, width: int) -> str:
    """Return the longest beginning of a text that is at most `width` pixels wide, with an ellipsis if it is shortened.

    Example:
        >>> fit_text("playing a very long instrument", 12, 80)
        'playing a ve…'
    """
    text = _printable(text)
    if text_width(text, size) <= width:
        return text
    dots = "…" if _font_face() is not None else "..."
    shorter = next((n for n in range(len(text) - 1, 0, -1) if text_width(text[:n].rstrip() + dots, size) <= width), 0)
    return text[:shorter].rstrip() + dots if shorter else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the list of actions."""

    text: str
    value: str
    """Text at the right end of the row."""
    color: Color
    """RGB of the chip before the text."""
    plain: bool = False
    """Color the text itself, without a chip and a value."""


@lru_cache(maxsize=64)
def list_panel(rows: tuple[Row, ...], size: int, width: int, palette: Palette) -> Layer:
    """Return a panel with one line per row.

    Args:
        rows: rows from top to bottom, at least one.
        size: size of the font in pixels.
        width: maximum width of the panel in pixels.
        palette: palette of the picture.
    """
    pad, line = size // 2, line_height(size) + size // 8
    chip = size - size // 4
    values = max(text_width("0.00", size) + pad if row.value else 0 for row in rows)
    room = width - 2 * pad - values - max(0 if row.plain else chip + pad for row in rows)
    texts = [fit_text(row.text, size, room + (values + chip + pad if row.plain else 0)) for row in rows]
    widest = max(
        (0 if row.plain else chip + pad + values) + text_width(text, size)
        for row, text in zip(rows, texts, strict=True)
    )
    layer = _background(2 * pad + widest, len(rows) * line + pad, size, palette)
    for n, (row, text) in enumerate(zip(rows, texts, strict=True)):
        top = pad // 2 + n * line
        if row.plain:
            layer.paint(text_mask(text, size), palette.color(row.color), pad, top)
            continue
        chip_top = top + (line_height(size) - chip) // 2
        layer.paint(rounded_rectangle(chip, chip, size // 5), palette.color(row.color), pad, chip_top)
        layer.paint(text_mask(text, size), palette.color(WHITE), 2 * pad + chip, top)
        value = text_mask(row.value, size)
        layer.paint(value, palette.color(WHITE), layer.width - pad - value.shape[1], top)
    return layer


@lru_cache(maxsize=16)
def legend_panel(top_value: str, middle: str, size: int, palette: Palette) -> Layer:
    """Return the color scale of the heat with the logits that its colors stand for.

    Args:
        top_value: logits at the bright end.
        middle: logits in the middle.
        size: size of the font in pixels.
        palette: palette of the picture.
    """
    pad, bar = size // 2, max(4, size // 2)
    unit = text_mask("logit", size)
    text_room = text_width("0", size) + text_width(middle, size) + text_width(top_value, size)
    width = max(9 * size, text_room + 4 * pad)
    line = line_height(size)
    layer = _background(width + 3 * pad + unit.shape[1], pad + bar + line, size, palette)
    ramp = cv2.resize(np.arange(256, dtype=np.uint8)[None], (width, bar), interpolation=cv2.INTER_LINEAR)
    _paint_heat(layer, ramp, pad, pad // 2 + 1, palette)
    top = pad // 2 + bar + 2
    white = palette.color(WHITE)
    layer.paint(text_mask("0", size), white, pad, top)
    layer.paint(text_mask(middle, size), white, pad + (width - text_width(middle, size)) // 2, top)
    layer.paint(text_mask(top_value, size), white, pad + width - text_width(top_value, size), top)
    layer.paint(unit, white, 2 * pad + width, top)
    return layer


def _paint_heat(layer: Layer, saliency: np.ndarray, x: int, y: int, palette: Palette) -> None:
    """Paint the colors of a picture of saliency into a layer, opaque."""
    x, y = x - x % 2, y - y % 2
    height, width = saliency.shape
    saliency = cv2.resize(saliency, (width - width % 2, height + height % 2))
    half = saliency[::2, ::2]
    for plane, part, channel in zip(layer.planes, (saliency, half, half), range(3), strict=True):
        top, left = (y, x) if part is saliency else (y // 2, x // 2)
        plane[top : top + part.shape[0], left : left + part.shape[1]] = palette.heat[part, channel]
    layer.keep[y : y + saliency.shape[0], x : x + saliency.shape[1]] = 0
    layer.keep_half[y // 2 : y // 2 + half.shape[0], x // 2 : x // 2 + half.shape[1]] = 0


@lru_cache(maxsize=128)
def label_panel(text: str, color: Color, size: int, width: int, palette: Palette) -> Layer:
    """Return the label of a box on the RGB color of its class, at most `width` pixels wide."""
    pad = max(2, size // 3)
    mask = text_mask(fit_text(text, size, width - 2 * pad), size)
    layer = Layer(mask.shape[1] + 2 * pad, mask.shape[0] + 2)
    layer.paint(np.full((layer.height, layer.width), 255, np.uint8), palette.color(color), opacity=LABEL_OPACITY)
    layer.paint(mask, palette.color(BLACK), pad, 1)
    return layer


def _background(width: int, height: int, size: int, palette: Palette) -> Layer:
    layer = Layer(width, height)
    mask = rounded_rectangle(layer.width, layer.height, max(2, size // 3))
    layer.paint(mask, palette.color(BLACK), opacity=BACKGROUND_OPACITY)
    return layer
