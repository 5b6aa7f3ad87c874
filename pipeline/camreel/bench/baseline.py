"""What people do today: OpenCV in and out, the grad-cam package on every window, a backward pass through the whole network."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from camreel.errors import ConfigError, InputError
from camreel.interfaces import Recognizer
from camreel.run_plan import RunPlan
from camreel.structures import U8


def grad_cam_loop(clip: str, recognizer: Recognizer, settings: RunPlan, frames: int) -> float:
    """Frames per second of a loop as in the package's examples.

    The network sees the same input size in windows as long as it was trained on, which overlap as ours do: by half, or for networks
    with a margin by what padding spoils at both ends, so that the same frames get the same maps. Every frame is overlaid with the
    map of its window, for one class, and written. The network is loaded already and has run once.

    Args:
        clip: a video that OpenCV reads.
        recognizer: a network of torchvision.
        settings: as settled for the clip.
        frames: how many to measure.

    Raises:
        ConfigError: the package is missing, or the network's layer is not known.
        InputError: OpenCV cannot read the video.
    """
    network: Any = getattr(recognizer, "net", None)
    layer = getattr(network, "layer4", None) or getattr(network, "features", None)
    if layer is None:
        raise ConfigError(
            f"grad-cam has no known layer for {recognizer.name}", todo="compare with r3d_18, mc3_18 or a resnet"
        )
    try:
        from pytorch_grad_cam import GradCAM
    except ImportError as error:
        raise ConfigError("the grad-cam package is not installed", todo="pip install 'camreel[bench]'") from error
    torch.set_grad_enabled(True)
    network.requires_grad_(True)
    try:
        with GradCAM(model=network, target_layers=[layer]) as cam:
            _loop(
                clip,
                recognizer,
                settings,
                cam,
                settings.windowing.clip_len if settings.windowing.margin == 0 else recognizer.clip_len,
            )
            begin = time.perf_counter()
            done = _loop(clip, recognizer, settings, cam, frames)
            return done / (time.perf_counter() - begin)
    finally:
        network.requires_grad_(False)


def _loop(clip: str, recognizer: Recognizer, settings: RunPlan, cam: Any, frames: int) -> int:
    """Reads, explains, draws and writes; returns the number of frames written."""
    step = _step(clip, settings.sampling.rate)
    margin = recognizer.geometry.margin
    span, stride = (
        recognizer.clip_len * step,
        max(1, recognizer.clip_len - 2 * margin if margin else recognizer.clip_len // 2) * step,
    )
    written = 0
    writer = None
    with tempfile.TemporaryDirectory() as folder:
        buffer: list[U8] = []
        for picture in _read(clip, frames):
            buffer.append(picture)
            if len(buffer) < span:
                continue
            if writer is None:
                height, width = picture.shape[:2]
                writer = cv2.VideoWriter(
                    str(Path(folder) / "out.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (width, height)
                )
            maps = _explain(buffer[::step], recognizer, settings, cam)
            for offset in range(stride):
                writer.write(_draw(buffer[offset + margin * step], maps[margin + offset // step]))
                written += 1
            buffer = buffer[stride:]
        if writer is not None:
            writer.release()
    return max(1, written)


def _step(clip: str, rate: float | None) -> int:
    capture = cv2.VideoCapture(clip)
    fps = capture.get(cv2.CAP_PROP_FPS) or 30
    capture.release()
    return max(1, round(fps / rate)) if rate else 1


def _read(clip: str, frames: int) -> Iterator[U8]:
    capture = cv2.VideoCapture(clip)
    if not capture.isOpened():
        raise InputError(f"OpenCV cannot read {clip}", todo="compare on another video")
    try:
        for _ in range(frames):
            good, picture = capture.read()
            if not good:
                return
            yield np.asarray(picture, np.uint8)
    finally:
        capture.release()


def _explain(pictures: list[U8], recognizer: Recognizer, settings: RunPlan, cam: Any) -> Any:
    """Maps of the best class [T, h, w] in [0, 1] at the network's input size."""
    size = settings.sampling.sizes[-1]
    small = np.stack([cv2.cvtColor(cv2.resize(p, (size.width, size.height)), cv2.COLOR_BGR2RGB) for p in pictures])
    normal = (small.astype(np.float32) / 255 - recognizer.mean) / recognizer.std
    clip = torch.from_numpy(normal.astype(np.float32)).permute(3, 0, 1, 2)[None]
    maps = cam(input_tensor=clip if recognizer.clip_len > 1 else clip[:, :, 0], targets=None)
    return maps[0] if recognizer.clip_len > 1 else maps


def _draw(picture: U8, cam: Any) -> U8:
    from pytorch_grad_cam.utils.image import show_cam_on_image

    large = cv2.resize(cam, (picture.shape[1], picture.shape[0]))
    return np.asarray(show_cam_on_image(picture.astype(np.float32) / 255, large, use_rgb=False), np.uint8)
