"""Checkpoints: written atomically, and every fault of a file is explained."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from camreel.errors import ModelError, OutputError
from camreel.models.checkpoint import Metadata, read, save
from camreel.models.loading import load
from tests.networks import clip, features, network

ARCH = "mnasnet0_5"


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    return network(ARCH).metadata


@pytest.fixture
def good(tmp_path: Path, metadata: Metadata) -> Path:
    save(tmp_path / "good.safetensors", network(ARCH).net.state_dict(), metadata)
    return tmp_path / "good.safetensors"


def _fields(**change: Any) -> dict[str, Any]:
    return {**network(ARCH).metadata.model_dump(mode="json"), **change}


def _write(path: Path, fields: dict[str, Any] | str | None, tensors: dict[str, Tensor] | None = None) -> str:
    text = fields if isinstance(fields, str) else json.dumps(fields)
    tensors = network(ARCH).net.state_dict() if tensors is None else tensors
    save_file(tensors, path, metadata=None if fields is None else {"camreel": text})
    return str(path)


def test_a_saved_checkpoint_is_loaded_unchanged(good: Path, metadata: Metadata) -> None:
    tensors, found, sha256 = read(good)
    assert found == metadata
    assert sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
    assert all(torch.equal(tensors[key], value) for key, value in network(ARCH).net.state_dict().items())
    net = load(str(good))
    assert (net.name, net.weights, net.sha256, net.classes) == (ARCH, "good.safetensors", sha256, metadata.classes)
    assert torch.equal(net.head(net.features(clip(ARCH))), network(ARCH).head(features(ARCH)))


def test_a_checkpoint_serves_as_weights_of_its_own_network_only(good: Path) -> None:
    assert load(ARCH, str(good)).sha256 == load(str(good)).sha256
    with pytest.raises(ModelError, match=f"made for {ARCH}"):
        load("resnet18", str(good))


def test_bare_tensors_serve_as_weights_by_name_but_are_no_checkpoint(tmp_path: Path) -> None:
    path = _write(tmp_path / "bare.safetensors", None)
    assert load(ARCH, path).weights == "bare.safetensors"
    with pytest.raises(ModelError, match="has no key 'camreel'"):
        load(path)


def test_every_field_reaches_the_recognizer(tmp_path: Path) -> None:
    fields = _fields(
        mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6], crop=[96, 128], clip_len=1, multilabel=True, threshold=0.3
    )
    net = load(_write(tmp_path / "x.safetensors", fields))
    assert (net.mean, net.std, net.size) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 96)
    assert net.multilabel and net.threshold == 0.3


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network(ARCH).net.state_dict().items()
    }
    path = _write(tmp_path / "half.safetensors", _fields(), half)
    tensors, _, _ = read(Path(path))
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32, torch.int64}
    logits = load(path).head(load(path).features(clip(ARCH)))
    assert logits.dtype is torch.float32
    torch.testing.assert_close(logits, network(ARCH).head(features(ARCH)), rtol=0.05, atol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "its format is 2, this version reads 1"),
        ({"arch": "mnasnet0_6"}, "its network 'mnasnet0_6' is unknown here\ndid you mean 'mnasnet0_5'"),
        ({"classes": ["a", "b"]}, "its classifier has 1000 classes, but 2 have names"),
        ({"classes": []}, "its metadata is wrong at classes"),
        ({"mean": [0.5, 0.5]}, "its metadata is wrong at mean"),
        ({"std": [0.5, 0.0, 0.5]}, "std must be positive"),
        ({"threshold": 1.5}, "its metadata is wrong at threshold"),
        ({"clip_len": 0}, "its metadata is wrong at clip_len"),
    ],
)
def test_wrong_metadata_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = _write(tmp_path / "x.safetensors", _fields(**change))
    with pytest.raises(ModelError) as caught:
        load(path)
    assert message in str(caught.value) and path in str(caught.value) and caught.value.exit_code == 6


def test_missing_metadata_is_listed(tmp_path: Path) -> None:
    fields = {key: value for key, value in _fields().items() if key not in ("mean", "crop")}
    with pytest.raises(ModelError, match="its metadata lacks mean, crop"):
        load(_write(tmp_path / "x.safetensors", fields))
    with pytest.raises(ModelError, match="its metadata is wrong at metadata: Invalid JSON"):
        load(_write(tmp_path / "y.safetensors", "{not json"))


@pytest.mark.parametrize("share", [0.0, 1e-5, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_reported(good: Path, share: float) -> None:
    whole = good.read_bytes()
    good.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"cannot read .*good\.safetensors\ntruncated or damaged"):
        load(str(good))


def test_a_damaged_header_is_reported(good: Path) -> None:
    whole = bytearray(good.read_bytes())
    whole[8:40] = b"x" * 32
    good.write_bytes(whole)
    with pytest.raises(ModelError, match="truncated or damaged"):
        load(str(good))


def test_tensors_that_do_not_fit_or_are_not_finite_are_reported(tmp_path: Path) -> None:
    state = dict(network(ARCH).net.state_dict())
    del state["layers.0.weight"]
    with pytest.raises(ModelError, match=r"1 missing \(layers\.0\.weight\)"):
        load(_write(tmp_path / "a.safetensors", _fields(), state))
    state = {**network(ARCH).net.state_dict(), "layers.1.bias": torch.full((16,), torch.nan)}
    with pytest.raises(ModelError, match=r"layers\.1\.bias holds values that are not finite"):
        load(_write(tmp_path / "b.safetensors", _fields(), state))


def test_a_directory_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "d.safetensors").mkdir()
    with pytest.raises(ModelError, match=r"cannot (open|read) .*d\.safetensors"):
        load(str(tmp_path / "d.safetensors"))


def test_a_checkpoint_has_the_permissions_of_any_other_file(good: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert good.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_failed_save_leaves_the_old_file_and_no_other(
    good: Path, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = good.read_bytes()

    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        save(good, {"x": torch.ones(2)}, metadata)
    assert good.read_bytes() == before
    assert os.listdir(good.parent) == [good.name]


def test_a_missing_folder_is_created_and_an_impossible_one_is_reported(tmp_path: Path, metadata: Metadata) -> None:
    save(tmp_path / "new" / "x.safetensors", {"x": torch.ones(2)}, metadata)
    assert (tmp_path / "new" / "x.safetensors").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/x\.safetensors"):
        save(tmp_path / "file" / "x.safetensors", {"x": torch.ones(2)}, metadata)


def test_views_and_strided_tensors_are_saved(tmp_path: Path, metadata: Metadata) -> None:
    base = torch.arange(12.0).view(3, 4)
    save(tmp_path / "x.safetensors", {"a": base.T, "b": base[:2]}, metadata)
    tensors, _, _ = read(tmp_path / "x.safetensors")
    assert torch.equal(tensors["a"], base.T) and torch.equal(tensors["b"], base[:2])


def test_a_trusted_pickle_is_a_checkpoint_too(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    for text in (_fields(), json.dumps(_fields())):
        torch.save({"camreel": text, "state_dict": network(ARCH).net.state_dict()}, path)
        assert load(str(path), trust_pickle=True).classes == network(ARCH).classes
    torch.save(network(ARCH).net.state_dict(), path)
    with pytest.raises(ModelError, match="needs the keys 'camreel'"):
        load(str(path), trust_pickle=True)


@pytest.mark.footage
def test_real_weights_load_with_the_values_of_their_metadata(shared: Path) -> None:
    path = shared / "weights" / "mobilenet_v2_imagenet.safetensors"
    net = load(str(path))
    assert net.sha256 == "5ff4b9779ff1bb33eba13c090a509e8224c3065b9e4a92196d2cbbfb7b268519"
    assert (net.name, net.size, net.clip_len, net.frame_rate, len(net.classes)) == ("mobilenet_v2", 224, 1, None, 1000)
    assert net.mean == net.std == (0.5, 0.5, 0.5)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["camreel"])["classes"] == list(net.classes)
