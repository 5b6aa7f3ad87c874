"""Colours: the heat's colour map and the classes' colours, in the picture's own YUV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from camreel.structures import U8, Matrix

Color = tuple[int, int, int]
"""(Y, U, V) or (R, G, B), 8 bit."""

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
AMBER: Color = (255, 196, 61)

CLASS_COLORS: tuple[Color, ...] = (
    (76, 201, 240),
    (128, 237, 153),
    (255, 112, 166),
    (255, 196, 61),
    (183, 148, 246),
    (251, 139, 36),
    (46, 196, 182),
    (255, 107, 107),
    (198, 230, 60),
    (120, 150, 255),
)
"""Light enough to be read on a dark ground and to stand out from most footage."""

HEAT_FROM = 0.22
"""Where the heat's colours begin on inferno: below it is too dark to be told from shadow."""

_KR_KB: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


def heat_rgb() -> U8:
    """Colours [256, 3] of saliency 0 to 1: inferno without its black end, perceptually even and rising in lightness."""
    inferno = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    index = np.linspace(HEAT_FROM * 255, 255, 256)
    table = np.stack([np.interp(index, np.arange(256), inferno[:, channel]) for channel in range(3)], axis=1)
    return np.rint(table).astype(np.uint8)


def rgb_to_yuv(rgb: U8, matrix: Matrix, full_range: bool) -> U8:
    """YUV of RGB colours [N, 3] (ITU-T H.273, equations for 8 bit)."""
    kr, kb = _KR_KB[matrix]
    r, g, b = rgb.astype(np.float64).T
    y = kr * r + (1 - kr - kb) * g + kb * b
    pb, pr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    luma, chroma, offset = (1.0, 1.0, 0.0) if full_range else (219 / 255, 224 / 255, 16.0)
    yuv = np.stack([y * luma + offset, pb * chroma + 128, pr * chroma + 128], axis=1)
    levels: U8 = np.clip(np.rint(yuv), 0, 255).astype(np.uint8)
    return levels


@dataclass(frozen=True)
class Palette:
    """The colours in one matrix and range; made by `palette`, one per kind of picture."""

    matrix: Matrix
    full_range: bool
    heat: U8
    """YUV [256, 3] of saliency 0 to 1."""

    @lru_cache(maxsize=256)  # noqa: B019 - palettes live as long as the process, and there are six
    def color(self, rgb: Color) -> Color:
        """The YUV of an RGB colour."""
        y, u, v = rgb_to_yuv(np.array([rgb], np.uint8), self.matrix, self.full_range)[0].tolist()
        return y, u, v

    def __hash__(self) -> int:
        return hash((self.matrix, self.full_range))


@lru_cache(maxsize=6)
def palette(matrix: Matrix, full_range: bool) -> Palette:
    """The palette of pictures with this matrix and range."""
    return Palette(matrix, full_range, rgb_to_yuv(heat_rgb(), matrix, full_range))
