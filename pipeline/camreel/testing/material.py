"""Small pictures, frames, activations and localizations that the suites are run on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.imageops.grid import tiling
from camreel.structures import Action, Box, Frame, FrameActivation, Header, Localization, Picture, VideoInfo

MILLISECOND = Fraction(1, 1000)


def textured_picture(width: int = 160, height: int = 120, seed: int = 0, shift: int = 0) -> Picture:
    """Return a smooth random texture, moved `shift` pixels to the right, with neutral chroma."""
    noise = np.random.default_rng(seed).integers(0, 255, (height, width + 200)).astype(np.uint8)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.float32)
    levels = (smooth - smooth.min()) / max(float(np.ptp(smooth)), 1.0) * 255
    luma = levels[:, 100 - shift : 100 - shift + width].astype(np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return Picture(luma, chroma, chroma.copy())


def frames_at(times: Sequence[float], picture: Picture | None = None) -> list[Frame]:
    """Return frames of one picture at these times in seconds."""
    shown = picture or textured_picture()
    return [Frame(i, round(1000 * time), time, MILLISECOND, shown) for i, time in enumerate(times)]


def activation(
    frame: Frame, maps: NDArray[np.floating], logits: Sequence[float], classes: Sequence[int] | None = None
) -> FrameActivation:
    """Return an activation whose maps [S, h, w] tile the picture of the frame."""
    grid = tiling((maps.shape[1], maps.shape[2]), (frame.picture.width, frame.picture.height))
    ids = np.arange(len(maps)) if classes is None else np.array(classes)
    return FrameActivation(frame, np.asarray(logits, np.float32), ids.astype(np.int64), maps.astype(np.float32), grid)


def constant_activations(
    values: Sequence[float], rate: float = 30.0, classes: Sequence[int] = (0,)
) -> list[FrameActivation]:
    """Return activations of a still picture; all cells of a frame's maps and its first logit have the same value."""
    frames = frames_at([i / rate for i in range(len(values))])
    return [
        activation(frame, np.full((len(classes), 12, 16), value), [value, -value], classes)
        for frame, value in zip(frames, values, strict=True)
    ]


def localizations(count: int = 12, size: tuple[int, int] = (160, 120)) -> list[Localization]:
    """Return localizations of a moving texture: an action with a saliency, peak and box, and an action without."""
    width, height = size
    found = []
    for i in range(count):
        picture = textured_picture(width, height, shift=i)
        frame = dataclasses.replace(frames_at([i / 30], picture)[0], index=i, pts=round(1000 * i / 30), time=i / 30)
        saliency = np.zeros((12, 16), np.float32)
        saliency[4:8, 3 + i // 4 : 6 + i // 4] = 1
        box = Box((30.0 + i, 40.0, 70.0 + i, 80.0), 0.8, track=0)
        grid = tiling((12, 16), size)
        seen = Action(0, "jump", 0.9, 2.5, saliency, 3.0, grid, (45.0 + i, 60.0), (box,))
        faint = Action(1, "run", 0.2, -1.0, None, 1.0, grid, None, ())
        found.append(Localization(frame, (seen, faint)))
    return found


def header(size: tuple[int, int] = (160, 120), count: int = 12) -> Header:
    """Return the header of a result with `localizations(count, size)`."""
    rate = Fraction(30)
    info = VideoInfo("suite", *size, 0, MILLISECOND, rate, count, count / 30)
    return Header(info, "suite", "random", None, 15.0, ("jump", "run"), "cam", (12, 16), "none", 0.0, {})
