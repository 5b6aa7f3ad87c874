"""Factories of test data: pictures, frames, activations, a tiny network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from camreel.interfaces import Features, Geometry, LinearHead
from camreel.structures import Frame, FrameActivation, Grid, Picture

MILLI = Fraction(1, 1000)


def picture(width: int = 64, height: int = 48, luma: int | np.ndarray = 100) -> Picture:
    """Return a gray picture with one luma value, or with luma [H, W]."""
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    y = np.full((height, width), luma, np.uint8) if isinstance(luma, int) else luma.astype(np.uint8)
    return Picture(y, chroma, chroma.copy())


def textured(width: int = 160, height: int = 120, shift: int = 0, seed: int = 0) -> Picture:
    """Return a smooth random texture, moved `shift` pixels to the right."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 255, (height, width + 200)).astype(np.uint8)
    blurred = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return picture(width, height, blurred[:, 100 - shift : 100 - shift + width])


def frames(times: Sequence[float], **kwargs: object) -> list[Frame]:
    """Return frames with the same picture at the given times in seconds; `kwargs` are those of `picture`."""
    shown = picture(**kwargs)  # type: ignore[arg-type]
    return [Frame(i, round(t * 1000), t, MILLI, shown) for i, t in enumerate(times)]


def numbered(count: int, rate: float = 30.0) -> list[Frame]:
    """Return frames with different random luma, so that a network tells them apart."""
    rng = np.random.default_rng(1)
    pictures = [picture(luma=rng.integers(16, 235, (48, 64))) for _ in range(count)]
    return [Frame(i, round(1000 * i / rate), i / rate, MILLI, p) for i, p in enumerate(pictures)]


def activation(
    frame: Frame, maps: np.ndarray, logits: Sequence[float] | np.ndarray, classes: Sequence[int] | None = None
) -> FrameActivation:
    """Return an activation whose maps [S, h, w] tile the picture."""
    maps = np.asarray(maps, np.float32)
    jump = frame.picture.height / maps.shape[1], frame.picture.width / maps.shape[2]
    grid = Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)
    ids = np.array(range(len(maps)) if classes is None else classes, np.int64)
    return FrameActivation(frame, np.asarray(logits, np.float32), ids, maps, grid)


@dataclass(eq=False)
class TinyRecognizer:
    """A network with two temporal convolutions and a linear head: margin 2 samples, stride 1 in time and 4 in space."""

    clip_len: int = 8
    channels: int = 6
    count: int = 5
    name: str = "tiny"
    weights: str = "random"
    sha256: str | None = None
    multilabel: bool = False
    frame_rate: float | None = 15.0
    size: int = 24
    fixed_size: bool = False
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    threshold: float | None = None
    streams: bool = False
    geometry: Geometry = field(default_factory=lambda: Geometry((0.0, 0.0, 0.0), (1.0, 4.0, 4.0), 2))
    seen: list[tuple[int, ...]] = field(default_factory=list)
    """Shapes of the batches that were passed to `features`."""

    def __post_init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.body = nn.Sequential(
                nn.Conv3d(3, self.channels, (3, 3, 3), (1, 4, 4), (1, 1, 1)),
                nn.ReLU(),
                nn.Conv3d(self.channels, self.channels, (3, 1, 1), 1, (1, 0, 0)),
                nn.ReLU(),
            ).requires_grad_(False)
            self.fc = nn.Linear(self.channels, self.count).requires_grad_(False)
            self.fc.weight.mul_(8)
        self.classes = tuple(f"class {i}" for i in range(self.count))

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        self.seen.append(tuple(clips.shape))
        first, end = keep or (0, None)
        return Features(self.body(clips)[:, :, first:end])

    def head(self, features: Features) -> Tensor:
        return self.fc(features.maps.float().mean(dim=(2, 3, 4)))

    @property
    def linear(self) -> LinearHead:
        return LinearHead(self.fc.weight, self.fc.bias)

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> None:
        self.body.to(device, dtype)


class FakeClock:
    """A monotonic clock that only waiting moves. `wait` returns True (stop) from the `stop_after`-th wait on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        """Seconds of each wait."""
        self.stop_after = 10**9

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        if seconds:
            self.waits.append(seconds)
        return len(self.waits) >= self.stop_after
