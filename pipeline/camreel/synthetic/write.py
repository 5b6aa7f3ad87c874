"""Films as video files that every player shows, with their ground truth beside them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

# OpenCV before PyAV: the other way round the process can hang.
import cv2  # noqa: F401  # isort: skip
import av
import numpy as np

from camreel.annotations import Origin, truth_files, truth_path, write_truth
from camreel.runtime.files import atomic_write, explain
from camreel.structures import U8
from camreel.synthetic.films import Film

KEY_FRAME_SECONDS = 2.0
"""Seconds between key frames."""
BT709, LIMITED_RANGE = 1, 1
"""Code points of ITU-T H.273, and of FFmpeg."""


def write_film_with_truth(path: Path, film: Film, rate: float, crf: int, *, seed: int, split: str) -> None:
    """Write a film as a video with its truth beside it: all files, or none. Existing files are replaced.

    Args:
        path: NAME.mp4; the truth goes to NAME.truth.json and NAME.masks.npz.
        film: a film of even width and height.
        rate: frames per second.
        crf: constant rate factor, 0 (best) to 51 (worst).
        seed: seed of the film.
        split: split of the film.

    Raises:
        OutputError: a file cannot be written.

    Example:
        >>> made = film(3, split="pair", frames=60, rate=30.0)
        >>> write_film_with_truth(Path("pair-0003.mp4"), made, 30.0, crf=23, seed=3, split="pair")
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
            raise explain(error, file, "choose another folder") from error


def write_film(path: Path, film: Film, rate: float, crf: int) -> None:
    """Write the pictures of a film as H.264 (yuv420p, BT.709) at a constant frame rate, atomically.

    Args:
        path: NAME.mp4.
        film: a film of at least one frame, of even width and height.
        rate: frames per second.
        crf: constant rate factor, 0 (best) to 51 (worst).

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_write(path) as partial:
        try:
            _encode(partial, film.pictures, Fraction(rate).limit_denominator(1001), crf)
        except av.FFmpegError as error:
            raise explain(error, path, "choose another folder, or free some space") from error


def _encode(path: Path, pictures: U8, rate: Fraction, crf: int) -> None:
    container = av.open(str(path), "w", options={"movflags": "faststart"})
    try:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "medium"})
        context: Any = stream.codec_context
        context.height, context.width = pictures.shape[1:3]
        context.pix_fmt = "yuv420p"
        context.time_base = 1 / rate
        context.gop_size = max(1, round(KEY_FRAME_SECONDS * rate))
        context.color_range = LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = BT709
        frames = (_to_yuv(picture, index, rate) for index, picture in enumerate(pictures))
        for frame in chain(frames, [None]):
            container.mux(stream.encode(frame))
    finally:
        container.close()


def _to_yuv(picture: U8, index: int, rate: Fraction) -> av.VideoFrame:
    """Convert a picture, RGB [H, W, 3], to a frame for the encoder."""
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    # swscale, not imageops.color: its chroma filter and rounding differ, and the videos of a seed must stay the same.
    frame = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts, frame.time_base = index, 1 / rate
    return frame
