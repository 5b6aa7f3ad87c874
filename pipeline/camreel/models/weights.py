"""Weights of networks: published by torchvision (described, downloaded, loaded), none, or random at a sane scale."""

from __future__ import annotations

import http.client
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from camreel.errors import ModelError, nearest
from camreel.interfaces import Features
from camreel.models.architecture import Architecture
from camreel.models.checkpoint import Metadata
from camreel.models.torch_recognizer import TorchRecognizer

log = logging.getLogger(__name__)


_DENSE = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$")
LOGIT_STD = 2.0
"""Standard deviation of the logits of a network with random weights."""
CALIBRATION_SIDE = 128
"""Side in pixels of the noise that batch norms are calibrated on."""


def published(name: str, weights: str = "default") -> Any:
    """Return the entry of torchvision's table of weights (url, transforms, meta); nothing is built or downloaded.

    Raises:
        ModelError: there are no classification weights of that name.
    """
    from torchvision.models import get_model_weights

    table = get_model_weights(name)
    if weights.lower() == "default":
        return table.DEFAULT
    known = [entry.name for entry in table if entry.meta["categories"]]
    if weights not in known:
        raise ModelError(
            f"{name} has no weights {weights!r}",
            nearest(weights, known) or f"it has {', '.join(known)}",
            "choose one of these, a .safetensors or .pth file, or random",
        )
    return table[weights]


def describe(name: str, architecture: Architecture, entry: Any) -> Metadata:
    """Convert the description of torchvision weights to checkpoint metadata."""
    preset = entry.transforms()
    crop = tuple(preset.crop_size)
    mean, std = architecture.mean_std or (tuple(preset.mean), tuple(preset.std))
    return Metadata(
        arch=name,
        classes=tuple(entry.meta["categories"]),
        mean=mean,
        std=std,
        resize=tuple(preset.resize_size),
        crop=(crop[0], crop[-1]),
        clip_len=architecture.clip_len,
        frame_rate=architecture.frame_rate,
        multilabel=False,
        source=entry.url,
    )


def cache_path(url: str) -> Path:
    """Return where torch hub keeps the file of this address."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def fetch(url: str) -> Path:
    """Return the file of this address, from the torch hub cache or the network.

    Raises:
        ModelError: it is not in the cache and cannot be downloaded.
    """
    path = cache_path(url)
    if path.exists():
        return path
    prefix = re.search(r"-([a-f0-9]*)\.", path.name)
    log.info("downloading %s to %s", url, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, os.fspath(path), prefix.group(1) if prefix else None, progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise ModelError(
            f"the weights {path.name} are not here: looked for {path}",
            f"they could not be downloaded from {url} ({error})",
            f"put the file from {url} there, or name one with `--weights FILE` (`--weights random` for a trial)",
        ) from error
    return path


def read_pickle(path: Path) -> dict[str, Any]:
    """Read a `.pth` or `.pt` file with weights_only: tensors and plain values, no code.

    Raises:
        ModelError: missing, damaged, or holding more than that.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"cannot open {path}", "there is no such file", "check the name of the file") from error
    except Exception as error:  # a damaged pickle can raise anything
        why = "not a file of tensors, or damaged: " + str(error).strip().split("\n")[0]
        todo = "delete it and get it again, or save only the state dict: torch.save(model.state_dict(), FILE)"
        raise ModelError(f"cannot read {path}", why, todo) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"cannot read {path}", f"it holds a {type(content).__name__}, not a state dict", "save a state dict"
        )
    return content


# Published DenseNets have dots in layer names that torch no longer allows.


def fill(
    net: nn.Module,
    architecture: Architecture,
    tensors: Mapping[str, Any],
    origin: str,
    todo: str = "name the network it was made for",
) -> None:
    """Load tensors into a network that may have been built on the meta device; every key and shape must fit.

    Args:
        net: network to fill.
        architecture: its architecture.
        tensors: state dict.
        origin: file of the tensors, for messages.
        todo: advice if they do not fit.

    Raises:
        ModelError: keys or shapes are not those of the network.
    """
    state = {
        _DENSE.sub(r"\1\2", key): value for key, value in tensors.items() if not key.startswith(architecture.skipped)
    }
    expected = net.state_dict()
    for key in expected:
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, torch.tensor(0))
    _compare(state, expected, origin, todo)
    ready = OrderedDict((key, _float(state[key], expected[key])) for key in expected)
    # Some networks refuse a state dict without their version, which rides along as an attribute.
    ready.__dict__["_metadata"] = getattr(expected, "_metadata", None)
    net.load_state_dict(ready, assign=True)


def _float(value: Tensor, like: Tensor) -> Tensor:
    return value.detach().to(like.dtype)


def _compare(state: Mapping[str, Any], expected: Mapping[str, Tensor], origin: str, todo: str) -> None:
    missing = [key for key in expected if not isinstance(state.get(key), Tensor)]
    extra = [key for key in state if key not in expected]
    if missing or extra:
        lists = (("missing", missing), ("unexpected", extra))
        parts = [f"{len(keys)} {word} ({keys[0]}{', ...' * (len(keys) > 1)})" for word, keys in lists if keys]
        raise ModelError(f"{origin} does not fit the network: tensors differ", ", ".join(parts), todo)
    for key, value in expected.items():
        if state[key].shape != value.shape:
            shapes = f"{key} is {list(state[key].shape)}, the network needs {list(value.shape)}"
            raise ModelError(f"{origin} does not fit the network: shapes differ", shapes, todo)


def empty(name: str, architecture: Architecture, classes: int) -> nn.Module:
    """Build a network to be filled with weights on the meta device if possible: initialization takes seconds."""
    try:
        with torch.device("meta"):
            net = architecture.build(name, classes, **architecture.options)
    except NotImplementedError:  # a builder that computes with tensors
        return build(name, architecture, classes, seed=0)
    unsaved = {key for key, _ in net.named_buffers()} - net.state_dict().keys()
    return build(name, architecture, classes, seed=0) if unsaved else net


def build(name: str, architecture: Architecture, classes: int, seed: int) -> nn.Module:
    """Build a network with seeded random weights; the global random state is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return architecture.build(name, classes, **architecture.options)


def calibrate(recognizer: TorchRecognizer, seed: int) -> None:
    """Set the batch norms to the statistics of a seeded clip, and the classifier to logits with std `LOGIT_STD`.

    The fresh batch norms of torchvision are the identity, which makes the logits of a residual network explode.
    """
    fixed = recognizer.fixed_size
    # Large enough that the statistics of the last cells mean something.
    side = recognizer.size if fixed else CALIBRATION_SIDE
    samples = recognizer.clip_len if fixed else min(recognizer.clip_len, 32)
    shape = (1 if fixed or samples > 1 else 4, 3, samples, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    norms = [module for module in recognizer.net.modules() if isinstance(module, _BatchNorm)]
    with torch.no_grad():
        features = _with_own_statistics(recognizer, norms, noise) if norms else recognizer.features(noise)
        logits = recognizer.head(features)
        layer: Any = recognizer.net.get_submodule(recognizer.architecture.classifier)
        scale = LOGIT_STD / logits.std()
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)


def _with_own_statistics(recognizer: TorchRecognizer, norms: list[_BatchNorm], noise: torch.Tensor) -> Features:
    """Run the backbone once in training mode, so that the batch norms keep the statistics of this clip."""
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    features = recognizer.features(noise)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.eval()
        norm.momentum = momentum
    return features
