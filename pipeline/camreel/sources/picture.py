"""From decoded frames in any pixel format to `Picture`."""

from __future__ import annotations

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from camreel.structures import U8, ColorTags, Matrix, Picture

PICTURE_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuva420p"})
"""Pixel formats whose first three planes are the planes of a `Picture`."""
MATRICES: dict[int, Matrix] = {
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    7: "bt709",
    9: "bt2020",
    10: "bt2020",
}
"""YUV matrix by `MatrixCoefficients` of ITU-T H.273; SMPTE 240M (7) equals BT.709 within one level."""
SWSCALE_MATRICES = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709, "bt2020": Colorspace.BT2020}
"""FFmpeg's name of each YUV matrix."""
UNSPECIFIED_CODE = 2
"""`MatrixCoefficients` of H.273 for an unknown matrix."""
RGB_CODE = 0
"""`MatrixCoefficients` of H.273 for RGB."""
HD_LINES = 720
"""Untagged pictures of at least this height are BT.709, smaller ones BT.601."""


def yuv_matrix(frame: VideoFrame) -> Matrix:
    """Return the YUV matrix according to the frame's tag, else by the height of the stored picture."""
    return MATRICES.get(frame.colorspace) or _untagged_matrix(frame)


def _untagged_matrix(frame: VideoFrame) -> Matrix:
    return "bt709" if frame.height >= HD_LINES else "bt601"


def is_rgb(frame: VideoFrame) -> bool:
    """Return whether the pixels are RGB, directly or by a palette."""
    return frame.format.is_rgb or frame.format.has_palette


def is_gray(pixel_format: str) -> bool:
    """Return whether a pixel format holds luma only, with or without alpha."""
    return pixel_format.startswith(("gray", "ya8", "ya16", "mono"))


def is_full_range(frame: VideoFrame) -> bool:
    """Return whether luma spans 0 to 255: by its tag, else by the format (yuvj and, by convention, gray do)."""
    pixel_format = frame.format.name
    if pixel_format.startswith("yuvj"):
        return True
    if frame.color_range == ColorRange.UNSPECIFIED:
        return is_gray(pixel_format)
    return frame.color_range == ColorRange.JPEG


def color_tags(frame: VideoFrame) -> ColorTags:
    """Return the color tags of the pictures that `Conversion` makes of frames like this one."""
    if is_rgb(frame):
        return ColorTags(frame.color_primaries, frame.color_trc, 1 if yuv_matrix(frame) == "bt709" else 6, False)
    matrix = UNSPECIFIED_CODE if frame.colorspace == RGB_CODE else frame.colorspace
    return ColorTags(frame.color_primaries, frame.color_trc, matrix, is_full_range(frame))


class Conversion:
    """Conversion of decoded frames to pictures of one size and rotation.

    Args:
        first: the frame whose size and rotation all pictures get.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._size = (first.width, first.height)
        self.rotation = round(first.rotation / 90) * 90 % 360
        """Degrees counter-clockwise, as in `VideoInfo`."""
        self.resized = 0
        """Number of frames so far that had another size than the first."""
        # One reformatter for all frames: `frame.reformat` keeps a swscale context of megabytes alive with each frame.
        self._reformatter = VideoReformatter()
        self._neutral_chroma: U8 = np.full(((first.height + 1) // 2, (first.width + 1) // 2), 128, np.uint8)
        self._neutral_chroma.flags.writeable = False

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height of the pictures after rotation."""
        width, height = self._size
        return (height, width) if self.rotation % 180 else (width, height)

    def __call__(self, frame: VideoFrame) -> Picture:
        """Return a frame as read-only planes: views of the decoder's memory for 8-bit 4:2:0, else converted copies."""
        gray = is_gray(frame.format.name)
        rgb = is_rgb(frame)
        matrix = _untagged_matrix(frame) if rgb else yuv_matrix(frame)
        full_range = not rgb and is_full_range(frame)
        same_size = (frame.width, frame.height) == self._size
        self.resized += not same_size
        if not same_size or frame.format.name not in PICTURE_FORMATS:
            frame = self._convert(frame, "gray" if gray else "yuv420p", matrix, rgb, full_range)
        planes = [_view(plane) for plane in frame.planes[: 1 if gray else 3]]
        y, u, v = (planes[0], self._neutral_chroma, self._neutral_chroma) if gray else planes
        if self.rotation:
            y, u, v = (np.rot90(plane, self.rotation // 90) for plane in (y, u, v))
        return Picture(y, u, v, matrix, full_range)

    def _convert(self, frame: VideoFrame, pixel_format: str, matrix: Matrix, rgb: bool, full_range: bool) -> VideoFrame:
        """Convert the pixel format and the size. YUV keeps its matrix and range; RGB becomes limited range."""
        target_range = ColorRange.JPEG if full_range else ColorRange.MPEG
        return self._reformatter.reformat(
            frame,
            width=self._size[0],
            height=self._size[1],
            format=pixel_format,
            src_colorspace=None if rgb else SWSCALE_MATRICES[matrix],
            dst_colorspace=SWSCALE_MATRICES[matrix],
            src_color_range=ColorRange.JPEG if rgb else target_range,
            dst_color_range=target_range,
            threads=1,
        )


def _view(plane: VideoPlane) -> U8:
    """Return a read-only view [height, width] whose base keeps the frame's memory alive."""
    line = plane.line_size
    rows: U8 = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(line))[:, : plane.width]
    if line < 0:
        rows = rows[::-1]
    rows.flags.writeable = False
    return rows
