"""One picture as RGB, and as a PNG file."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Final

import cv2

from av.video.frame import VideoFrame  # isort: skip - after OpenCV: the other way round its windows hang
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from camreel.errors import OutputError
from camreel.overlay.layer import copy
from camreel.sinks.video.encoding import planes
from camreel.structures import U8, Picture

_SPACES: Final = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709, "bt2020": Colorspace.BT2020}
_REFORMATTER: Final = VideoReformatter()


def bgr(picture: Picture) -> U8:
    """The picture's pixels [height, width, 3] in OpenCV's order, by its own matrix and range; of an odd size made even.

    Swscale takes a third of the time of OpenCV with a matrix of our own (measured at 640x360: 0.09 against 0.28 ms), and differs
    by at most 3 of 255 levels.
    """
    frame = VideoFrame((picture.width + 1) // 2 * 2, (picture.height + 1) // 2 * 2, "yuv420p")
    copy(picture, planes(frame, picture))
    space = _SPACES[picture.matrix]
    shown = _REFORMATTER.reformat(
        frame,
        format="bgr24",
        src_colorspace=space,
        dst_colorspace=space,
        src_color_range=ColorRange.JPEG if picture.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    return np.asarray(shown.to_ndarray(), np.uint8)


def snapshot(picture: Picture, folder: Path) -> Path:
    """Writes the picture as `camreel-20260131-235959.png`, by the time of day, into a folder; never over another file.

    Raises:
        OutputError: it cannot be written.
    """
    data = cv2.imencode(".png", bgr(picture))[1].tobytes()
    stem = time.strftime("camreel-%Y%m%d-%H%M%S")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for count in itertools.count(1):
            path = folder / (f"{stem}.png" if count == 1 else f"{stem}-{count}.png")
            if not os.path.lexists(path):
                break
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(
            f"cannot write a snapshot into {folder}", why, "choose a folder that you may write to"
        ) from error
    return path
