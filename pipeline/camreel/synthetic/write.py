"""Films as video files that every player shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

# OpenCV before PyAV: the other way round the process can hang.
import cv2  # noqa: F401  # isort: skip
import av
import numpy as np
from numpy.typing import NDArray

from camreel.annotations import Origin, truth_files, truth_path, write_truth
from camreel.errors import OutputError
from camreel.synthetic.world import Film

GOP = 2.0
"""Seconds between key frames."""
BT709, LIMITED = 1, 1
"""As the integers of ITU-T H.273 and of FFmpeg."""


def write_pair(path: Path, film: Film, rate: float, crf: int, *, seed: int, split: str) -> None:
    """Writes a film as a video with its truth beside it: both, or nothing. What was there before is replaced.

    Args:
        path: NAME.mp4; the truth goes to NAME.truth.json and NAME.masks.npz.
        film: as `film` makes it; its width and height are even.
        rate: frames per second.
        crf: quality, 0 to 51, lower is better.
        seed: that the film was made with.
        split: that it was made for.

    Raises:
        OutputError: a file cannot be written.
    """
    files = (path, *truth_files(path))
    _remove(files)
    try:
        write_truth(truth_path(path), film.truth, Origin(path.name, seed, split))
        write_film(path, film, rate, crf)
    except BaseException:
        _remove(files)
        raise


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot replace {file}", error.strerror or str(error), "choose another folder"
            ) from error


def write_film(path: Path, film: Film, rate: float, crf: int) -> None:
    """Writes the pictures of a film as H.264 (yuv420p, BT.709) at a constant rate. The file appears when it is complete.

    Args:
        path: NAME.mp4.
        film: of one frame at least; its width and height are even.
        rate: frames per second.
        crf: quality, 0 to 51, lower is better.

    Raises:
        OutputError: it cannot be written.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        try:
            # PyAV would find out only with the first packet.
            partial.open("wb").close()
            _encode(partial, film.pictures, Fraction(rate).limit_denominator(1001), crf)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except (av.FFmpegError, OSError) as error:
        number = error.errno or 0
        why = os.strerror(number) if 0 < number < 200 else str(error)
        raise OutputError(f"cannot write {path}", why, "choose another folder, or free some space") from error


def _encode(path: Path, pictures: NDArray[np.uint8], rate: Fraction, crf: int) -> None:
    container = av.open(str(path), "w", options={"movflags": "faststart"})
    try:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "medium"})
        context: Any = stream.codec_context
        context.height, context.width = pictures.shape[1:3]
        context.pix_fmt = "yuv420p"
        context.time_base = 1 / rate
        context.gop_size = max(1, round(GOP * rate))
        context.color_range = LIMITED
        context.colorspace = context.color_primaries = context.color_trc = BT709
        images = (_image(picture, index, rate) for index, picture in enumerate(pictures))
        for image in chain(images, [None]):
            container.mux(stream.encode(image))
    finally:
        container.close()


def _image(picture: NDArray[np.uint8], index: int, rate: Fraction) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    image = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    image.pts, image.time_base = index, 1 / rate
    return image
