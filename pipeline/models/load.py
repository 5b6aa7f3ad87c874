"""A name, a checkpoint or a factory in, a `Recognizer` out."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, nearest
from pipeline.models import checkpoint, untrained
from pipeline.models import weights as published_weights
from pipeline.models.checkpoint import Metadata
from pipeline.models.contract import Recognizer
from pipeline.models.family import BUNDLED, Bundle
from pipeline.models.geometry import probe
from pipeline.models.split import SplitNetwork
from pipeline.models.table import NETWORKS

PICKLES = (".pt", ".pth")


def load(name: str, weights: str = "default", *, seed: int = 0, trust_pickle: bool = False) -> Recognizer:
    """Loads a network on the CPU, frozen and in eval mode.

    Args:
        name: a network of the table, FILE.safetensors, FILE.pt (with `trust_pickle`), or package.module:factory.
        weights: for a network of the table: "default", a name of torchvision's weights, "bundled" for those that come with
            camreel, a `.safetensors` or `.pth` file, or "random".
        seed: of random weights.
        trust_pickle: accept a `.pt` file as checkpoint; it is read with weights_only still.

    Raises:
        ModelError: the network or its weights are unknown, missing, damaged or do not fit.
    """
    suffix = Path(name).suffix.lower()
    if name in NETWORKS:
        return _named(name, weights, seed)
    if weights != "default":
        raise ModelError(
            f"{name!r} takes no other weights than its own, not {weights!r}",
            nearest(name, NETWORKS) or "only the networks that `camreel models` lists do",
            "leave the weights at their default",
        )
    if suffix == ".safetensors":
        tensors, metadata, sha256 = checkpoint.read(Path(name))
        return _assemble(metadata, tensors, Path(name), sha256)
    if suffix in PICKLES:
        return _pickle(Path(name), trust_pickle)
    if ":" in name:
        return _factory(name)
    raise ModelError(
        f"there is no network {name!r}",
        nearest(name, NETWORKS),
        "`camreel models` lists them; a checkpoint ends in .safetensors, your own code is package.module:factory",
    )


def _named(name: str, weights: str, seed: int) -> Recognizer:
    family = NETWORKS[name]
    path = Path(weights)
    suffix = path.suffix.lower()
    if weights == "random":
        metadata = _default(name)
        net = untrained.build(name, family, len(metadata.classes), seed)
        recognizer = SplitNetwork(net, family, metadata.model_copy(update={"source": "random"}), "random", None)
        untrained.calibrate(recognizer, seed)
        return recognizer
    if suffix == ".safetensors":
        tensors, text = checkpoint.read_tensors(path)
        metadata = _default(name) if text is None else checkpoint.parse(text, path)
        if metadata.arch != name:
            raise ModelError(
                f"{path} holds no weights of {name}", f"it was made for {metadata.arch}", f"load it as {metadata.arch}"
            )
        return _assemble(metadata, tensors, path, checkpoint.digest(path))
    if suffix in PICKLES:
        return _assemble(_default(name), published_weights.read_pickle(path), path, checkpoint.digest(path))
    if family.bundle is not None:
        return _bundled(name, family.bundle, weights)
    entry = published_weights.published(name, weights)
    path = published_weights.fetch(entry.url)
    tensors = published_weights.read_pickle(path)
    metadata = published_weights.describe(name, family, entry)
    return _assemble(metadata, tensors, path, checkpoint.digest(path), label=entry.name)


def _bundled(name: str, bundle: Bundle, weights: str) -> SplitNetwork:
    """A network with the weights that come with camreel."""
    if weights.lower() not in ("default", BUNDLED):
        raise ModelError(
            f"{name} has no weights {weights!r}",
            f"it has {BUNDLED}",
            "choose these, a .safetensors or .pth file, or random",
        )
    if not bundle.path.exists():
        raise ModelError(
            f"the weights of {name} are not here: looked for {bundle.path}",
            "they come with camreel, but this copy lacks them",
            "install camreel again, or name a file with `--weights FILE` (`--weights random` to try without)",
        )
    tensors, metadata, sha256 = checkpoint.read(bundle.path)
    return _assemble(metadata, tensors, bundle.path, sha256, label=BUNDLED)


def _default(name: str) -> Metadata:
    bundle = NETWORKS[name].bundle
    if bundle is not None:
        return bundle.blank
    return published_weights.describe(name, NETWORKS[name], published_weights.published(name))


def _assemble(metadata: Metadata, tensors: Mapping[str, Any], path: Path, sha256: str, label: str = "") -> SplitNetwork:
    """A network of the table with these tensors in it."""
    family = NETWORKS.get(metadata.arch)
    if family is None:
        why = f"its network {metadata.arch!r} is unknown here"
        raise ModelError(f"cannot use {path}", why, nearest(metadata.arch, NETWORKS) or "`camreel models` lists the networks")
    rows = getattr(tensors.get(f"{family.classifier}.weight"), "shape", (len(metadata.classes),))[0]
    if rows != len(metadata.classes):
        why = f"its classifier has {rows} classes, but {len(metadata.classes)} have names"
        raise ModelError(f"cannot use {path}", why, "save it as a camreel checkpoint with the names of its classes")
    net = untrained.empty(metadata.arch, family, len(metadata.classes))
    published_weights.fill(net, family, tensors, str(path))
    return SplitNetwork(net, family, metadata, label or path.name, sha256)


def _pickle(path: Path, trusted: bool) -> SplitNetwork:
    """A checkpoint as a pickled dict: `camreel` holds the metadata (JSON or a dict), `state_dict` the tensors."""
    if not trusted:
        raise ModelError(
            f"{path} is a pickle, and pickles can hold code",
            "camreel reads one only when told to, and then only its tensors",
            "add --trust-pickle, or convert it to .safetensors",
        )
    content = published_weights.read_pickle(path)
    text, tensors = content.get(checkpoint.KEY), content.get("state_dict")
    if text is None or not isinstance(tensors, dict):
        why = f"it needs the keys {checkpoint.KEY!r} (metadata) and 'state_dict' (tensors)"
        raise ModelError(f"{path} is not a camreel checkpoint", why, "or give the network's name and this file as its weights")
    metadata = checkpoint.parse(text if isinstance(text, str) else json.dumps(text), path)
    return _assemble(metadata, tensors, path, checkpoint.digest(path))


def _factory(name: str) -> Recognizer:
    """Calls package.module:factory and checks that a recognizer comes out; its geometry is measured where it states none."""
    module, _, attribute = name.partition(":")
    try:
        recognizer: Any = getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # the user's own code can raise anything
        why = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ModelError(f"cannot make a network with {name}", why, "check the name; its folder must be on PYTHONPATH") from error
    wanted = {*Recognizer.__annotations__, "features", "head", "linear", "to"} - {"geometry", "streams"}
    missing = sorted(attribute for attribute in wanted if not hasattr(recognizer, attribute))
    if missing:
        why = f"the {type(recognizer).__name__} it returns lacks {', '.join(missing)}"
        raise ModelError(f"{name} makes no recognizer", why, "see pipeline.models.Recognizer for what one must offer")
    if getattr(recognizer, "geometry", None) is None:
        recognizer.geometry = probe(recognizer)
    recognizer.streams = getattr(recognizer, "streams", False)
    result: Recognizer = recognizer
    return result
