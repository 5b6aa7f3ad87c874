"""Device and number format of the network. Automatic choices are measured, not assumed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from camreel.errors import DeviceError
from camreel.interfaces import Recognizer

AGREEMENT = 0.01
"""Largest root mean square difference of bfloat16 maps that counts as equal, relative to the maps' full scale."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_CHOSEN: WeakKeyDictionary[Recognizer, dict[tuple[str, str], torch.dtype]] = WeakKeyDictionary()
"""Measured choices per network, so that the second of many videos need not measure again."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Device, number format and batch size of the network."""

    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    batch: int = 1
    """Clips per forward pass."""

    @property
    def precision(self) -> str:
        """The number format by its configuration name."""
        return str(self.dtype).removeprefix("torch.")


def choose_backend(recognizer: Recognizer, device: str, precision: str, batch: int | None) -> Backend:
    """Move the recognizer to its device and number format.

    Args:
        recognizer: the network; changed in place.
        device: auto, cpu, cuda or mps.
        precision: auto, float32, bfloat16 or float16; auto measures.
        batch: clips per forward pass; None: 1 clip (8 pictures) on a CPU, 8 clips (64 pictures) elsewhere.

    Raises:
        DeviceError: the device is missing.
    """
    where = choose_device(device)
    key = (where, precision)
    chosen = _CHOSEN.setdefault(recognizer, {})
    if key not in chosen:
        recognizer.to(where, torch.float32)
        chosen[key] = _measure(recognizer, where) if precision == "auto" else DTYPES[precision]
    dtype = chosen[key]
    recognizer.to(where, dtype)
    return Backend(where, dtype, batch or (1 if where == "cpu" else 8) * (8 if recognizer.clip_len == 1 else 1))


def choose_device(device: str) -> str:
    """Return the device to use; `auto` prefers cuda, then mps.

    Raises:
        DeviceError: the device is missing.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[device]:
        todo = "use --device auto, and see `camreel doctor`"
        raise DeviceError(f"no {device} device on this computer", "torch does not see one", todo)
    return device


def has_bfloat16(device: str) -> bool:
    """Return whether the hardware of a device computes in bfloat16, instead of emulating it."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@torch.inference_mode()
def map_cells(recognizer: Recognizer, backend: Backend, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the cells (h, w) of the maps of pictures of (height, width), from a run on tensors without data."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        clip = torch.empty((1, 3, recognizer.clip_len, *shape), dtype=backend.dtype, device=backend.device)
        cells = recognizer.features(clip).maps.shape
    return int(cells[3]), int(cells[4])


def _measure(recognizer: Recognizer, device: str) -> torch.dtype:
    """Return bfloat16 if the hardware computes in it, it is faster, and the maps stay equal; else float32."""
    if not has_bfloat16(device):
        return torch.float32
    exact, slow = _try(recognizer, device, torch.float32)
    rounded, fast = _try(recognizer, device, torch.bfloat16)
    difference = (exact - rounded).square().mean().sqrt() / exact.abs().max().clamp(min=1e-12)
    return torch.bfloat16 if fast < slow and float(difference) <= AGREEMENT else torch.float32


@torch.inference_mode()
def _try(recognizer: Recognizer, device: str, dtype: torch.dtype) -> tuple[Tensor, float]:
    """Return the maps of a small seeded clip, and the seconds of the faster of two passes.

    The maps are those of all classes, or the features if the head is not linear.
    """
    recognizer.to(device, dtype)
    side = recognizer.size if recognizer.fixed_size else max(64, recognizer.size // 2)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, min(recognizer.clip_len, 16), side, side, generator=generator)
    clip = torch.nn.functional.avg_pool3d(noise, (1, 5, 5), 1, (0, 2, 2)).mul(3).to(device, dtype)
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        maps = recognizer.features(clip).maps.float()
        total = float(maps.sum())  # waits for the device
        seconds.append(time.perf_counter() - begin)
    del total
    if recognizer.linear is not None:
        maps = torch.einsum("ck,bkthw->bcthw", recognizer.linear.weight, maps)
    return maps, min(seconds)
