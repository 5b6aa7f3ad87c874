"""From the decoder's frame, in whatever pixel format, to a `Picture`."""

from __future__ import annotations

from typing import Final

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from camreel.structures import U8, ColorTags, Matrix, Picture

AS_IS: Final = frozenset({"yuv420p", "yuvj420p", "yuva420p"})
"""Formats whose first three planes are a Picture already."""

MATRICES: Final[dict[int, Matrix]] = {
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    7: "bt709",
    9: "bt2020",
    10: "bt2020",
}
"""By `matrix_coefficients` of H.273; SMPTE 240M (7) is BT.709 within a level."""
SWSCALE: Final = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709, "bt2020": Colorspace.BT2020}
UNSPECIFIED: Final = 2
RGB: Final = 0
HD: Final = 720
"""Pictures of at least this many lines are BT.709 where nothing is said, smaller ones BT.601."""


def matrix_of(frame: VideoFrame) -> Matrix:
    """The YUV matrix: as tagged, else by the height of the stored picture."""
    return MATRICES.get(frame.colorspace) or ("bt709" if frame.height >= HD else "bt601")


def is_rgb(frame: VideoFrame) -> bool:
    """Whether the pixels are RGB, directly or by a palette."""
    return frame.format.is_rgb or frame.format.has_palette


def is_gray(name: str) -> bool:
    """Whether a pixel format holds luma only (with or without alpha)."""
    return name.startswith(("gray", "ya8", "ya16", "mono"))


def is_full_range(frame: VideoFrame) -> bool:
    """Whether luma spans 0 to 255: as tagged, else by the format (yuvj is full, and so is gray, by FFmpeg's custom)."""
    name = frame.format.name
    if name.startswith("yuvj"):
        return True
    return frame.color_range == ColorRange.JPEG or (frame.color_range == ColorRange.UNSPECIFIED and is_gray(name))


def color_tags(frame: VideoFrame) -> ColorTags:
    """The tags that are true of the pictures made from frames like this one."""
    if is_rgb(frame):
        return ColorTags(frame.color_primaries, frame.color_trc, 1 if matrix_of(frame) == "bt709" else 6, False)
    matrix = UNSPECIFIED if frame.colorspace == RGB else frame.colorspace
    return ColorTags(frame.color_primaries, frame.color_trc, matrix, is_full_range(frame))


class Conversion:
    """Makes pictures that all have the size and the rotation of the first frame."""

    def __init__(self, first: VideoFrame) -> None:
        self._size = (first.width, first.height)
        self.rotation = round(first.rotation / 90) * 90 % 360
        """Degrees counter-clockwise, as in `VideoInfo`."""
        self.resized = 0
        """Frames so far that had another size than the first."""
        # One for all frames: `frame.reformat` would keep a swscale context of megabytes alive with each frame.
        self._reformatter = VideoReformatter()
        self._neutral: U8 = np.full(((first.height + 1) // 2, (first.width + 1) // 2), 128, np.uint8)
        self._neutral.flags.writeable = False

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height of the pictures after rotation."""
        width, height = self._size
        return (height, width) if self.rotation % 180 else (width, height)

    def __call__(self, frame: VideoFrame) -> Picture:
        """Planes of a frame: views of the decoder's memory for 8-bit 4:2:0, else converted once. All are read-only."""
        gray = is_gray(frame.format.name)
        rgb = is_rgb(frame)
        matrix = ("bt709" if frame.height >= HD else "bt601") if rgb else matrix_of(frame)
        full = not rgb and is_full_range(frame)
        same_size = (frame.width, frame.height) == self._size
        self.resized += not same_size
        if not same_size or frame.format.name not in AS_IS:
            frame = self._convert(frame, "gray" if gray else "yuv420p", matrix, rgb, full)
        planes = [_view(plane) for plane in frame.planes[: 1 if gray else 3]]
        y, u, v = (planes[0], self._neutral, self._neutral) if gray else planes
        if self.rotation:
            y, u, v = (np.rot90(plane, self.rotation // 90) for plane in (y, u, v))
        return Picture(y, u, v, matrix, full)

    def _convert(self, frame: VideoFrame, name: str, matrix: Matrix, rgb: bool, full: bool) -> VideoFrame:
        """YUV keeps its matrix and range; RGB becomes limited range."""
        bounds = ColorRange.JPEG if full else ColorRange.MPEG
        return self._reformatter.reformat(
            frame,
            width=self._size[0],
            height=self._size[1],
            format=name,
            src_colorspace=None if rgb else SWSCALE[matrix],
            dst_colorspace=SWSCALE[matrix],
            src_color_range=ColorRange.JPEG if rgb else bounds,
            dst_color_range=bounds,
            threads=1,
        )


def _view(plane: VideoPlane) -> U8:
    """A read-only view [height, width] whose base keeps the frame's memory alive."""
    line = plane.line_size
    rows: U8 = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(line))[:, : plane.width]
    if line < 0:
        rows = rows[::-1]
    rows.flags.writeable = False
    return rows
