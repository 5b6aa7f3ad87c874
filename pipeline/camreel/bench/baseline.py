"""The baseline: a loop as in the examples of the grad-cam package, with OpenCV for input and output."""

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
from camreel.structures import F32, U8


def grad_cam_loop(clip: str, recognizer: Recognizer, plan: RunPlan, frames: int) -> float:
    """Return the frames per second of a loop around the grad-cam package: a backward pass through the whole network.

    The network sees the same input size as in camreel, in windows as long as in its training. The windows overlap as
    those of camreel do: by half, or for networks with a margin by the margins, so that the same frames get the same
    maps. Every frame is overlaid with the map of its window, for one class, and written. The network is loaded and has
    run once before the measurement.

    Args:
        clip: a video that OpenCV reads.
        recognizer: a network of torchvision.
        plan: plan of the run over the clip.
        frames: number of frames to measure.

    Raises:
        ConfigError: the package is missing, or the network's last feature layer is not known.
        InputError: OpenCV cannot read the video.
    """
    network: Any = getattr(recognizer, "net", None)
    layer = getattr(network, "layer4", None) or getattr(network, "features", None)
    if layer is None:
        todo = "compare with r3d_18, mc3_18 or a resnet"
        raise ConfigError(f"grad-cam has no known layer for {recognizer.name}", todo=todo)
    try:
        from pytorch_grad_cam import GradCAM
    except ImportError as error:
        raise ConfigError("the grad-cam package is not installed", todo="pip install 'camreel[bench]'") from error
    warm_up = plan.windowing.clip_len if plan.windowing.margin == 0 else recognizer.clip_len
    torch.set_grad_enabled(True)
    network.requires_grad_(True)
    try:
        with GradCAM(model=network, target_layers=[layer]) as cam:
            _run(clip, recognizer, plan, cam, warm_up)
            begin = time.perf_counter()
            written = _run(clip, recognizer, plan, cam, frames)
            return written / (time.perf_counter() - begin)
    finally:
        network.requires_grad_(False)


def _run(clip: str, recognizer: Recognizer, plan: RunPlan, cam: Any, frames: int) -> int:
    """Read, explain, draw and write; return the number of frames written."""
    step = _sampling_step(clip, plan.sampling.rate)
    margin, clip_len = recognizer.geometry.margin, recognizer.clip_len
    span = clip_len * step
    stride = max(1, clip_len - 2 * margin if margin else clip_len // 2) * step
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
                path, codec = str(Path(folder) / "out.mp4"), cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter(path, codec, 30, (width, height))
            maps = _explain(buffer[::step], recognizer, plan, cam)
            for offset in range(stride):
                writer.write(_draw(buffer[offset + margin * step], maps[margin + offset // step]))
                written += 1
            buffer = buffer[stride:]
        if writer is not None:
            writer.release()
    return max(1, written)


def _sampling_step(clip: str, rate: float | None) -> int:
    """Return the number of source frames per sample of the network."""
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


def _explain(pictures: list[U8], recognizer: Recognizer, plan: RunPlan, cam: Any) -> F32:
    """Return the maps of the best class [T, h, w] in [0, 1] at the network's input size."""
    size = plan.sampling.sizes[-1]
    small = np.stack([cv2.cvtColor(cv2.resize(p, (size.width, size.height)), cv2.COLOR_BGR2RGB) for p in pictures])
    normal = (small.astype(np.float32) / 255 - recognizer.mean) / recognizer.std
    clip = torch.from_numpy(normal.astype(np.float32)).permute(3, 0, 1, 2)[None]
    maps = cam(input_tensor=clip if recognizer.clip_len > 1 else clip[:, :, 0], targets=None)
    return np.asarray(maps[0] if recognizer.clip_len > 1 else maps, np.float32)


def _draw(picture: U8, saliency: F32) -> U8:
    from pytorch_grad_cam.utils.image import show_cam_on_image

    large = cv2.resize(saliency, (picture.shape[1], picture.shape[0]))
    return np.asarray(show_cam_on_image(picture.astype(np.float32) / 255, large, use_rgb=False), np.uint8)
