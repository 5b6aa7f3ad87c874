"""Names, weights and factories in, recognizers that keep the contract out."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry, LinearHead, Recognizer
from camreel.models.catalog import catalog
from camreel.models.initialization import empty
from camreel.models.loading import load
from camreel.models.registry import ARCHITECTURES
from camreel.models.torch_recognizer import TorchRecognizer, pooling_weights
from camreel.models.weights import fill
from tests.networks import CALLABLE, FAMILIES, LINEAR, clip, features, network

S3D_FULL = (1, 3, 18, 224, 256)


# --- the contract, for one network of every family ---


@pytest.mark.parametrize("name", FAMILIES)
def test_the_split_network_says_exactly_what_the_whole_one_says(name: str) -> None:
    net, x = network(name), clip(name)
    if name == "s3d":
        x = torch.randn(S3D_FULL, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = net.head(net.features(x) if name == "s3d" else features(name))
        whole = net.net(x.squeeze(2) if net.clip_len == 1 else x)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_recognizer_describes_itself(name: str) -> None:
    net, made = network(name), features(name)
    assert net.name == name and net.weights == "random" and net.sha256 is None
    ours = net.family.bundle is not None
    assert len(net.classes) == net.head(made).shape[1] == (15 if ours else 1000 if net.clip_len == 1 else 400)
    assert made.maps.dim() == 5 and (made.maps.shape[2] == 1) == (net.clip_len == 1 or net.name.startswith("r"))
    assert (net.frame_rate is None) == (net.clip_len == 1)
    assert net.size >= 112 and min(net.std) > 0 and net.multilabel == ours and net.threshold is None
    assert (net.linear is None) == (name in CALLABLE)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_is_frozen_and_in_eval_mode(name: str) -> None:
    assert not any(module.training for module in network(name).net.modules())
    assert not any(parameter.requires_grad for parameter in network(name).net.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_random_weights_give_logits_of_a_sane_scale(name: str) -> None:
    logits = network(name).head(features(name))
    assert bool(logits.isfinite().all())
    assert 0.5 < float(logits.std()) < 8


@pytest.mark.parametrize("name", LINEAR)
def test_the_linear_head_is_the_head(name: str) -> None:
    net, maps = network(name), features(name).maps
    head = net.linear
    assert head is not None
    m = 1.0 if head.coverage is None else head.coverage((maps.shape[2], maps.shape[3], maps.shape[4]))
    logits = torch.einsum("bkthw,ck->bc", maps.double() * m, head.weight.double()) / maps[0, 0].numel() + head.bias
    torch.testing.assert_close(net.head(features(name)), logits.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mc3_18", "swin3d_t", "resnet18", "convnext_tiny"])
def test_the_backbone_runs_in_bfloat16_and_the_way_back_loses_nothing(name: str) -> None:
    net = network(name)
    exact = features(name)
    net.to("cpu", torch.bfloat16)
    try:
        with torch.inference_mode():
            rounded = net.features(clip(name).bfloat16())
            logits = net.head(rounded)
    finally:
        net.to("cpu")
    assert rounded.maps.dtype is torch.bfloat16 and logits.dtype is torch.float32
    assert float((logits - net.head(exact)).norm() / net.head(exact).norm()) < 0.05
    with torch.no_grad():
        # Up to the folding of batch norms.
        torch.testing.assert_close(net.features(clip(name)).maps, exact.maps, rtol=1e-4, atol=1e-5 * float(exact.maps.abs().max()))


def test_the_head_ignores_a_callers_autocast() -> None:
    net = network("resnet18")
    exact = net.head(features("resnet18"))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.head(features("resnet18")), exact)


def test_documented_clip_lengths_and_rates() -> None:
    rates = {
        name: (ARCHITECTURES[name].clip_len, ARCHITECTURES[name].frame_rate) for name in ("r3d_18", "s3d", "swin3d_b", "mvit_v2_s", "vgg16")
    }
    assert rates == {"r3d_18": (16, 15.0), "s3d": (128, 15.0), "swin3d_b": (32, 15.0), "mvit_v2_s": (16, 7.5), "vgg16": (1, None)}


def test_googlenet_is_normalised_as_its_weights_were_trained() -> None:
    net = network("googlenet")
    rgb = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    net.net.transform_input = True
    try:
        published = net.net((rgb - mean) / std)
    finally:
        net.net.transform_input = False
    ours = net.head(
        net.features((rgb[:, :, None] - torch.tensor(net.mean).view(3, 1, 1, 1)) / torch.tensor(net.std).view(3, 1, 1, 1))
    )
    torch.testing.assert_close(ours, published, rtol=1e-4, atol=1e-4)


def test_a_network_of_fixed_size_says_so() -> None:
    net = network("mvit_v2_s")
    assert net.fixed_size
    with pytest.raises(ModelError, match="16 samples of 224 x 224 pixels only\nthis one has 16 samples of 256 x 224"):
        net.features(torch.zeros(1, 3, 16, 224, 256))


@pytest.mark.parametrize("grid", [(2, 7, 7), (4, 7, 9), (6, 7, 8), (16, 8, 12), (1, 3, 5)])
def test_coverage_is_the_adjoint_of_the_pooling(grid: tuple[int, int, int]) -> None:
    ones = torch.ones(1, 1, *grid, requires_grad=True)
    kernel = [min(k, n) for k, n in zip((2, 7, 7), grid, strict=True)]
    torch.nn.functional.avg_pool3d(ones, kernel, 1).mean().backward()
    assert ones.grad is not None
    m = pooling_weights((2, 7, 7), grid)
    torch.testing.assert_close(m, ones.grad[0, 0] * ones.numel())
    assert float(m.mean()) == pytest.approx(1)


def test_rows_of_the_table_build_and_have_their_classifier() -> None:
    for name in (
        "resnet152",
        "wide_resnet50_2",
        "vgg19_bn",
        "densenet201",
        "efficientnet_v2_s",
        "swin_v2_t",
        "mvit_v1_b",
        "mnasnet1_3",
    ):
        net = empty(name, ARCHITECTURES[name], 7)
        assert net.get_submodule(ARCHITECTURES[name].classifier).weight.shape[0] == 7, name


@pytest.mark.parametrize("name", FAMILIES)
def test_tensors_go_into_a_fresh_network_of_every_family(name: str) -> None:
    before = torch.random.get_rng_state()
    fresh = empty(name, ARCHITECTURES[name], len(network(name).classes))
    assert torch.equal(torch.random.get_rng_state(), before)
    fill(fresh, ARCHITECTURES[name], _state(name), "here")
    net = TorchRecognizer(fresh, ARCHITECTURES[name], network(name).metadata, "here", None)
    assert not any(tensor.is_meta for tensor in (*fresh.parameters(), *fresh.buffers()))
    assert all(torch.equal(value, _state(name)[key]) for key, value in fresh.state_dict().items())
    assert torch.equal(net.head(features(name)), network(name).head(features(name)))


# --- random weights ---


def test_random_weights_are_reproducible_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, second, other = (load("shufflenet_v2_x0_5", "random", seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.random.get_rng_state(), before)
    a, b, c = (net.head(net.features(clip("shufflenet_v2_x0_5"))) for net in (first, second, other))
    assert torch.equal(a, b) and not torch.equal(a, c)


# --- weights ---


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(url: str, *args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def _state(name: str) -> dict[str, Tensor]:
    return network(name).net.state_dict()


def test_missing_weights_name_the_file_its_place_its_address_and_the_way_out(hub: Path) -> None:
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
    old = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for key, value in _state("densenet121").items()}
    old = {key: value for key, value in old.items() if "num_batches_tracked" not in key}
    torch.save(old, hub / "densenet121-a639ec97.pth")
    torch.save(_state("googlenet") | {"aux1.conv.conv.weight": torch.zeros(1)}, hub / "googlenet-1378be20.pth")
    for name in ("densenet121", "googlenet"):
        net = load(name)
        assert torch.equal(net.head(net.features(clip(name))), network(name).head(features(name)))


def test_a_damaged_file_in_the_cache_is_reported(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / "mc3_18-a90a0ba3.pth").write_bytes(b"not weights")
    with pytest.raises(ModelError, match=r"cannot read .*mc3_18-a90a0ba3\.pth\nnot a file of tensors, or damaged.*\ndelete it"):
        load("mc3_18")


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code ran')",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"camreel": _Code()}, tmp_path / "evil.pt")
    for call in (lambda: load("mc3_18", str(tmp_path / "evil.pt")), lambda: load(str(tmp_path / "evil.pt"), trust_pickle=True)):
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
def test_what_cannot_be_loaded_is_explained(name: str, weights: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(name, weights)
    assert message in str(caught.value)
    assert caught.value.exit_code == 6 and caught.value.todo


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": torch.zeros(3, 512)}, "its classifier has 3 classes, but 1000 have names"),
        ({"layer1.0.conv1.weight": torch.zeros(1)}, "layer1.0.conv1.weight is [1], the network needs [64, 64, 3, 3]"),
        ({"what": torch.zeros(1)}, "too many by 1 (what)"),
        ({"conv1.weight": None, "bn1.bias": None}, "it lacks 2 (conv1.weight, ...)"),
    ],
)
def test_weights_that_do_not_fit_are_explained(tmp_path: Path, change: dict[str, Tensor | None], message: str) -> None:
    state = {key: value for key, value in (_state("resnet18") | change).items() if value is not None}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ModelError) as caught:
        load("resnet18", str(tmp_path / "x.pth"))
    assert message in str(caught.value) and "x.pth" in str(caught.value)


# --- bring your own ---


class Own(nn.Module):
    """A network of a user: attributes, two convolutions and a linear head; states no geometry."""

    name, weights, sha256, classes, multilabel = "own", "mine", None, ("a", "b"), False
    clip_len, frame_rate, size, fixed_size, threshold = 16, 10.0, 64, False, None
    mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    geometry: Geometry | None = None

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(3, 4, (5, 4, 4), (1, 4, 4), (2, 0, 0)), nn.ReLU(), nn.Conv3d(4, 4, 3, 1, 1), nn.ReLU())
        self.fc = nn.Linear(4, 2)

    def features(self, clips: Tensor) -> Features:
        return Features(self.body(clips))

    def head(self, made: Features) -> Tensor:
        return self.fc(made.maps.mean(dim=(2, 3, 4)))

    @property
    def linear(self) -> LinearHead:
        return LinearHead(self.fc.weight, self.fc.bias)


def test_a_factory_makes_a_recognizer_whose_geometry_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("my_networks")
    module.make = Own  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_networks", module)
    before = torch.random.get_rng_state()
    net: Recognizer = load("my_networks:make")
    torch.random.set_rng_state(before)
    assert net.name == "own"
    assert net.geometry == Geometry((0.0, 1.5, 1.5), (1.0, 4.0, 4.0), margin=3)


# --- the catalog ---


def test_the_catalog_lists_every_network_and_what_is_cached(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / "resnet18-f37072fd.pth").touch()
    cards = {card.name: card for card in catalog()}
    assert list(cards) == list(ARCHITECTURES)
    assert [name for name, card in cards.items() if card.cached and card.url] == ["resnet18"]
    card = cards["mc3_18"]
    assert (card.kind, card.classes, card.weights, card.size_mb) == ("video", 400, "KINETICS400_V1", pytest.approx(44.672))
    assert card.path == hub / "mc3_18-a90a0ba3.pth" and card.url.endswith(card.path.name) and card.about
    assert {card.kind for card in cards.values()} == {"video", "image"}


def test_importing_the_room_builds_nothing_and_leaves_torchvision_out() -> None:
    code = "import sys, camreel.models; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_split_network_is_a_recognizer() -> None:
    net: Recognizer = network("resnet18")
    assert isinstance(net, TorchRecognizer)
