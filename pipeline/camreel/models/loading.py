"""A name, a checkpoint or a factory in, a `Recognizer` out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camreel.errors import ModelError, nearest
from camreel.interfaces import Recognizer
from camreel.models import checkpoint
from camreel.models import weights as network_weights
from camreel.models.architecture import BUNDLED, BundledCheckpoint
from camreel.models.checkpoint import Metadata
from camreel.models.factory import call_factory
from camreel.models.registry import ARCHITECTURES, architecture
from camreel.models.torch_recognizer import TorchRecognizer

PICKLES = (".pt", ".pth")


def load(name: str, weights: str = "default", *, seed: int = 0, trust_pickle: bool = False) -> Recognizer:
    """Load a network on the CPU, frozen and in eval mode.

    Args:
        name: a network of the registry, FILE.safetensors, FILE.pt (with `trust_pickle`), or package.module:factory.
        weights: for a network of the registry: "default", a name of torchvision's weights, "bundled" for those shipped
            with camreel, a `.safetensors` or `.pth` file, or "random".
        seed: seed of random weights.
        trust_pickle: accept a `.pt` file as a checkpoint; it is still read with weights_only.

    Raises:
        ModelError: the network or its weights are unknown, missing, damaged or do not fit.

    Example:
        >>> load("mc3_18", "random").classes[:2]
        ('abseiling', 'air drumming')
    """
    suffix = Path(name).suffix.lower()
    if name in ARCHITECTURES:
        return _named(name, weights, seed)
    if weights != "default":
        raise ModelError(
            f"{name!r} takes no other weights than its own, not {weights!r}",
            nearest(name, ARCHITECTURES) or "only the networks that `camreel models` lists do",
            "leave the weights at their default",
        )
    if suffix == ".safetensors":
        tensors, metadata, sha256 = checkpoint.read(Path(name))
        return _assemble(metadata, tensors, Path(name), sha256)
    if suffix in PICKLES:
        return _pickle(Path(name), trust_pickle)
    if ":" in name:
        return call_factory(name)
    raise ModelError(
        f"there is no network {name!r}",
        nearest(name, ARCHITECTURES),
        "`camreel models` lists them; a checkpoint ends in .safetensors, your own code is package.module:factory",
    )


def _named(name: str, weights: str, seed: int) -> Recognizer:
    row = architecture(name)
    path = Path(weights)
    suffix = path.suffix.lower()
    if weights == "random":
        return _random(name, seed)
    if suffix == ".safetensors":
        tensors, text = checkpoint.read_tensors(path)
        metadata = default_metadata(name) if text is None else checkpoint.parse(text, path)
        if metadata.arch != name:
            raise ModelError(
                f"{path} holds no weights of {name}", f"it was made for {metadata.arch}", f"load it as {metadata.arch}"
            )
        return _assemble(metadata, tensors, path, checkpoint.digest(path), todo=_import_hint(name, path))
    if suffix in PICKLES:
        tensors = network_weights.read_pickle(path)
        return _assemble(default_metadata(name), tensors, path, checkpoint.digest(path), todo=_import_hint(name, path))
    if row.bundle is not None:
        return _bundled(name, row.bundle, weights)
    entry = network_weights.published(name, weights)
    path = network_weights.fetch(entry.url)
    tensors = network_weights.read_pickle(path)
    metadata = network_weights.describe(name, row, entry)
    return _assemble(metadata, tensors, path, checkpoint.digest(path), label=entry.name)


def _import_hint(name: str, path: Path) -> str:
    # Importing understands more files: it removes the wrappers and prefixes of training programs.
    command = f"camreel import {path} --arch {name} --class-names NAMES.txt -o mine.safetensors"
    return f"name the network it was made for, or convert it: {command}"


def _random(name: str, seed: int) -> TorchRecognizer:
    metadata = default_metadata(name)
    net = network_weights.build(name, architecture(name), len(metadata.classes), seed)
    source = metadata.model_copy(update={"source": "random"})
    recognizer = TorchRecognizer(net, architecture(name), source, "random", None)
    network_weights.calibrate(recognizer, seed)
    return recognizer


def _bundled(name: str, bundle: BundledCheckpoint, weights: str) -> TorchRecognizer:
    """Load the weights that are shipped with camreel."""
    if weights.lower() not in ("default", BUNDLED):
        raise ModelError(
            f"{name} has no weights {weights!r}",
            f"it has {BUNDLED}",
            "choose these, a .safetensors or .pth file, or random",
        )
    if not bundle.path.exists():
        raise ModelError(
            f"the weights of {name} are not here: looked for {bundle.path}",
            "they are shipped with camreel, but this copy lacks them",
            "install camreel again, or name a file with `--weights FILE` (`--weights random` to try without)",
        )
    tensors, metadata, sha256 = checkpoint.read(bundle.path)
    return _assemble(metadata, tensors, bundle.path, sha256, label=BUNDLED)


def default_metadata(name: str) -> Metadata:
    """Return the metadata of a network of the registry with its default weights."""
    bundle = architecture(name).bundle
    if bundle is not None:
        return bundle.blank
    return network_weights.describe(name, architecture(name), network_weights.published(name))


def _assemble(
    metadata: Metadata,
    tensors: Mapping[str, Any],
    path: Path,
    sha256: str,
    label: str = "",
    todo: str = "name the network it was made for",
) -> TorchRecognizer:
    """Build a network of the registry with these tensors; `todo` is the advice if they do not fit."""
    if metadata.arch not in ARCHITECTURES:
        why = f"its network {metadata.arch!r} is unknown here"
        todo = nearest(metadata.arch, ARCHITECTURES) or "`camreel models` lists the networks"
        raise ModelError(f"cannot use {path}", why, todo)
    row = architecture(metadata.arch)
    rows = getattr(tensors.get(f"{row.classifier}.weight"), "shape", (len(metadata.classes),))[0]
    if rows != len(metadata.classes):
        raise ModelError(
            f"cannot use {path}",
            f"its classifier has {rows} classes, but {len(metadata.classes)} have names",
            f"name them: camreel import {path} --arch {metadata.arch} --class-names NAMES.txt -o mine.safetensors",
        )
    net = network_weights.empty(metadata.arch, row, len(metadata.classes))
    network_weights.fill(net, row, tensors, str(path), todo)
    return TorchRecognizer(net, row, metadata, label or path.name, sha256)


def _pickle(path: Path, trusted: bool) -> TorchRecognizer:
    """Load a checkpoint from a pickled dict with metadata under `camreel` and tensors under `state_dict`."""
    if not trusted:
        raise ModelError(
            f"{path} is a pickle, and pickles can hold code",
            "camreel reads one only when told to, and then only its tensors",
            f"add --trust-pickle, or convert it: camreel import {path} --arch NAME -o mine.safetensors",
        )
    content = network_weights.read_pickle(path)
    text, tensors = content.get(checkpoint.KEY), content.get("state_dict")
    if text is None or not isinstance(tensors, dict):
        raise ModelError(
            f"{path} is not a camreel checkpoint",
            f"it needs the keys {checkpoint.KEY!r} (metadata) and 'state_dict' (tensors)",
            f"convert it: camreel import {path} --arch NAME --class-names NAMES.txt -o mine.safetensors",
        )
    metadata = checkpoint.parse(text if isinstance(text, str) else json.dumps(text), path)
    return _assemble(metadata, tensors, path, checkpoint.digest(path))
