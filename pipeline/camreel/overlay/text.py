"""Words as masks: anti-aliased, in one font, cached."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from camreel.structures import U8

WEIGHT = 560
"""Between regular (400) and bold (700): thin strokes do not survive video compression."""


@lru_cache(maxsize=1)
def _face() -> Any:
    """OpenCV 5 carries a TrueType font; before, there are only Hershey's strokes and ASCII."""
    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def _plain(text: str) -> str:
    """One line of printable characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if _face() is not None else text.encode("ascii", "replace").decode("ascii")


def line_height(size: int) -> int:
    """Pixels that a line of text takes, of which `size` stand above the base line."""
    return size + -(-size * 3 // 10)


@lru_cache(maxsize=512)
def text_mask(text: str, size: int) -> U8:
    """A line of text as a mask [line_height(size), width of the text].

    Args:
        text: what cannot be shown becomes "?" or a blank.
        size: of the font in pixels.
    """
    text, height = _plain(text), line_height(size)
    room = max(1, (len(text.encode()) + 1) * size * 2)
    mask = np.zeros((height, room), np.uint8)
    if _face() is not None:
        end, _ = cv2.putText(mask, text, (0, size - max(1, size // 10)), (255,), _face(), size, WEIGHT)
    else:
        scale, thickness = size / 30, max(1, size // 12)
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        cv2.putText(mask, text, (0, size - 1), cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), thickness, cv2.LINE_AA)
        end = (width, 0)
    mask = np.ascontiguousarray(mask[:, : max(1, min(int(end[0]), room))])
    mask.setflags(write=False)
    return mask


def text_width(text: str, size: int) -> int:
    """Width of a line of text in pixels."""
    return int(text_mask(text, size).shape[1])


@lru_cache(maxsize=512)
def fit(text: str, size: int, width: int) -> str:
    """The longest beginning of a text that is at most `width` pixels wide, with an ellipsis where something is missing."""
    text = _plain(text)
    if text_width(text, size) <= width:
        return text
    dots = "…" if _face() is not None else "..."
    shorter = next((n for n in range(len(text) - 1, 0, -1) if text_width(text[:n].rstrip() + dots, size) <= width), 0)
    return text[:shorter].rstrip() + dots if shorter else ""
