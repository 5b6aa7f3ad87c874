"""Names, weights and files in, recognizers out; everything that cannot be loaded is explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from camreel.errors import ModelError
from camreel.models.catalog import catalog
from camreel.models.loading import load
from camreel.models.registry import ARCHITECTURES
from tests.networks import clip, features, network


def _state(name: str) -> dict[str, Tensor]:
    return network(name).net.state_dict()


def test_random_weights_are_reproducible_and_leave_the_global_random_state_unchanged() -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, second, other = (load("shufflenet_v2_x0_5", "random", seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.random.get_rng_state(), before)
    a, b, c = (net.head(net.features(clip("shufflenet_v2_x0_5"))) for net in (first, second, other))
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty torch hub cache, without access to the internet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(url: str, *args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def test_missing_weights_are_explained_with_file_folder_address_and_advice(hub: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load("mc3_18")
    assert caught.value.exit_code == 6
    text = str(caught.value)
    for part in (
        "mc3_18-a90a0ba3.pth",
        str(hub),
        "https://download.pytorch.org/models/mc3_18-a90a0ba3.pth",
        "--weights",
        "unreachable",
    ):
        assert part in text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "file"), [("mnasnet0_5", "mnasnet0.5_top1_67.823-3ffadce67e.pth"), ("mc3_18", "mc3_18-a90a0ba3.pth")]
)
def test_weights_in_the_hub_cache_are_used(hub: Path, name: str, file: str) -> None:
    hub.mkdir(parents=True)
    torch.save(_state(name), hub / file)
    state = torch.random.get_rng_state()
    net = load(name)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert net.weights == ("IMAGENET1K_V1" if name == "mnasnet0_5" else "KINETICS400_V1")
    assert net.sha256 is not None and len(net.sha256) == 64
    assert torch.equal(net.head(net.features(clip(name))), network(name).head(features(name)))


def test_old_layer_names_of_published_densenets_and_training_heads_of_googlenet_load(hub: Path) -> None:
    hub.mkdir(parents=True)
    state = _state("densenet121").items()
    old = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for key, value in state}
    old = {key: value for key, value in old.items() if "num_batches_tracked" not in key}
    torch.save(old, hub / "densenet121-a639ec97.pth")
    torch.save(_state("googlenet") | {"aux1.conv.conv.weight": torch.zeros(1)}, hub / "googlenet-1378be20.pth")
    for name in ("densenet121", "googlenet"):
        net = load(name)
        assert torch.equal(net.head(net.features(clip(name))), network(name).head(features(name)))


def test_a_damaged_file_in_the_cache_is_reported(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / "mc3_18-a90a0ba3.pth").write_bytes(b"not weights")
    with pytest.raises(
        ModelError, match=r"cannot read .*mc3_18-a90a0ba3\.pth\nnot a file of tensors, or damaged.*\ndelete it"
    ):
        load("mc3_18")


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code ran')",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"camreel": _Code()}, tmp_path / "evil.pt")
    for call in (
        lambda: load("mc3_18", str(tmp_path / "evil.pt")),
        lambda: load(str(tmp_path / "evil.pt"), trust_pickle=True),
    ):
        with pytest.raises(ModelError, match="not a file of tensors"):
            call()


def test_weights_from_a_pth_file(tmp_path: Path) -> None:
    torch.save(_state("mnasnet0_5"), tmp_path / "mine.pth")
    net = load("mnasnet0_5", str(tmp_path / "mine.pth"))
    assert net.weights == "mine.pth"
    assert torch.equal(net.head(net.features(clip("mnasnet0_5"))), network("mnasnet0_5").head(features("mnasnet0_5")))


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("mc3_19", "default", "no network 'mc3_19'\ndid you mean 'mc3_18'"),
        ("MC3-18", "default", "did you mean 'mc3_18'"),
        ("resnet50", "IMAGENET1K_V3", "no weights 'IMAGENET1K_V3'\ndid you mean 'IMAGENET1K_V"),
        ("vgg16", "IMAGENET1K_FEATURES", "no weights 'IMAGENET1K_FEATURES'"),
        ("mc3_18", "nowhere.pth", "cannot open nowhere.pth"),
        ("mc3_18", "nowhere.safetensors", "cannot open nowhere.safetensors"),
        ("nowhere.safetensors", "default", "cannot open nowhere.safetensors"),
        ("some.safetensors", "random", "takes no other weights than its own"),
        ("some.pt", "default", "pickles can hold code"),
        ("no.such.module:make", "default", "cannot make a network with no.such.module:make\nModuleNotFoundError"),
        ("tests.networks:nothing", "default", "AttributeError"),
        ("builtins:dict", "default", "the dict it returns lacks classes"),
    ],
)
def test_networks_and_weights_that_cannot_be_loaded_are_explained(name: str, weights: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(name, weights)
    assert message in str(caught.value)
    assert caught.value.exit_code == 6 and caught.value.todo


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": torch.zeros(3, 512)}, "its classifier has 3 classes, but 1000 have names"),
        ({"layer1.0.conv1.weight": torch.zeros(1)}, "layer1.0.conv1.weight is [1], the network needs [64, 64, 3, 3]"),
        ({"what": torch.zeros(1)}, "1 unexpected (what)"),
        ({"conv1.weight": None, "bn1.bias": None}, "2 missing (conv1.weight, ...)"),
    ],
)
def test_weights_that_do_not_fit_are_explained(tmp_path: Path, change: dict[str, Tensor | None], message: str) -> None:
    state = {key: value for key, value in (_state("resnet18") | change).items() if value is not None}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ModelError) as caught:
        load("resnet18", str(tmp_path / "x.pth"))
    assert message in str(caught.value) and "x.pth" in str(caught.value)


def test_the_catalog_lists_every_network_and_whether_it_is_cached(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / "resnet18-f37072fd.pth").touch()
    cards = {card.name: card for card in catalog()}
    assert list(cards) == list(ARCHITECTURES)
    assert [name for name, card in cards.items() if card.cached and card.url] == ["resnet18"]
    card = cards["mc3_18"]
    assert (card.kind, card.classes, card.weights, card.size_mb) == (
        "video",
        400,
        "KINETICS400_V1",
        pytest.approx(44.672),
    )
    assert card.path == hub / "mc3_18-a90a0ba3.pth" and card.url.endswith(card.path.name) and card.about
    assert {card.kind for card in cards.values()} == {"video", "image"}


def test_importing_the_package_does_not_import_torchvision() -> None:
    code = "import sys, camreel.models.loading; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
