"""Colors: the color map of the heat and the colors of the classes, as RGB and in the YUV of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from camreel.imageops.color import rgb_to_yuv
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
"""RGB colors of the classes: light enough to be read on a dark background and to stand out from most footage."""

INFERNO_START = 0.22
"""Position on the color map inferno at which the heat's colors begin: darker colors look like shadows."""


def heat_rgb() -> U8:
    """Return the RGB colors [256, 3] of saliency 0 to 1.

    The color map is inferno without its black end: perceptually uniform and rising in lightness.
    """
    inferno = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    index = np.linspace(INFERNO_START * 255, 255, 256)
    table = np.stack([np.interp(index, np.arange(256), inferno[:, channel]) for channel in range(3)], axis=1)
    return np.rint(table).astype(np.uint8)


@dataclass(frozen=True)
class Palette:
    """The colors in one matrix and range; created by `palette`, once per kind of picture."""

    matrix: Matrix
    full_range: bool
    heat: U8
    """YUV [256, 3] of saliency 0 to 1."""

    @lru_cache(maxsize=256)  # noqa: B019 - palettes live as long as the process, and there are six
    def color(self, rgb: Color) -> Color:
        """Return the YUV of an RGB color."""
        y, u, v = rgb_to_yuv(np.array([rgb], np.uint8), self.matrix, self.full_range)[0].tolist()
        return y, u, v

    def __hash__(self) -> int:
        return hash((self.matrix, self.full_range))


@lru_cache(maxsize=6)
def palette(matrix: Matrix, full_range: bool) -> Palette:
    """Return the palette of pictures with this matrix and range.

    Example:
        >>> palette("bt709", False).color((255, 255, 255))
        (235, 128, 128)
    """
    return Palette(matrix, full_range, rgb_to_yuv(heat_rgb(), matrix, full_range))
