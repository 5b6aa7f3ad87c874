"""The network `figures`: its layers, its maps in clips and streams, and its bundled weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry
from camreel.models.catalog import catalog
from camreel.models.checkpoint import read, save
from camreel.models.figures import FIGURES, MARGIN, FiguresNet, fresh
from camreel.models.geometry import measure_geometry
from camreel.models.loading import load
from camreel.models.registry import ARCHITECTURES, architecture
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.recognize.backend import Backend
from camreel.recognize.batches import NetworkPlan
from camreel.recognize.stage import recognize
from camreel.stages.sample import Sampling, fit_input, sample
from camreel.stages.stitch import stitch
from camreel.stages.windows import Windowing, windows
from camreel.structures import ClassSelection, Clip, ClipActivation, Grid
from tests.make import numbered
from tests.networks import network


def video(samples: int, clips: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(clips, 3, samples, 32, 48, generator=torch.Generator().manual_seed(seed))


def test_the_network_is_small_in_memory_and_on_disk(tmp_path: Path) -> None:
    net = fresh(15, seed=0)
    assert sum(parameter.numel() for parameter in net.parameters()) <= 3_000_000
    path = tmp_path / "figures.safetensors"
    assert FIGURES.bundle is not None
    save(path, net.state_dict(), FIGURES.bundle.blank)
    assert path.stat().st_size < 10_000_000


def test_every_sample_has_a_map_with_a_cell_for_every_8_pixels() -> None:
    with torch.no_grad():
        assert fresh(15, seed=0).features(torch.zeros(2, 3, 5, 88, 152)).shape == (2, 256, 5, 11, 19)


def test_the_seed_decides_the_weights_and_the_global_random_state_is_unchanged() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (fresh(4, seed, bias=-3.0) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.last[0].weight, second.last[0].weight)
    assert not torch.equal(first.last[0].weight, other.last[0].weight)
    assert first.classifier.bias.tolist() == [-3.0] * 4


def test_a_movement_that_no_single_picture_shows_is_learned() -> None:
    """Bars that move right or left are distinguished by clip-level labels within a few steps."""
    net = fresh(2, seed=0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    clips, labels = bars(8)
    for _ in range(12):
        loss = nn.functional.binary_cross_entropy_with_logits(net(clips), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.detach()) < 0.2


def bars(count: int) -> tuple[Tensor, Tensor]:
    """Return clips [N, 3, 6, 32, 32] of stripes that move by 2 pixels per sample, and their directions [N, 2]."""
    generator = torch.Generator().manual_seed(0)
    right = torch.arange(count) % 2 == 0
    phase = torch.rand(count, 1, 1, generator=generator) * 16
    x = torch.arange(32.0) - phase - torch.where(right, 2.0, -2.0)[:, None, None] * torch.arange(6.0)[:, None]
    waves = torch.sin(x * 2 * torch.pi / 16)
    return waves[:, None, :, None, :].expand(-1, 3, -1, 32, -1).contiguous(), torch.stack((right, ~right), 1).float()


@pytest.mark.parametrize(("inputs", "unused"), [("rgb", slice(3, 6)), ("difference", slice(0, 3))])
def test_unused_inputs_keep_zero_weights_and_the_network_works_as_any_other(inputs: str, unused: slice) -> None:
    net = fresh(2, seed=0, inputs=inputs)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    clips = video(4, clips=2)
    net(clips).sum().backward()
    optimizer.step()
    assert not bool(net.stem[0][0].weight[:, unused].any())  # type: ignore[index]
    plain = FiguresNet(2)
    plain.load_state_dict(net.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(clips), net.eval()(clips))


def test_a_network_of_differences_sees_nothing_in_a_still_video() -> None:
    net = fresh(2, seed=0, inputs="difference").eval()
    still = video(1).expand(-1, -1, 4, -1, -1)
    with torch.no_grad():
        assert torch.equal(net.features(still), net.features(torch.zeros_like(still)))
        moving = FiguresNet(2).eval()
        assert not torch.equal(moving.features(still), moving.features(torch.zeros_like(still)))


def test_the_stated_geometry_is_the_measured_one() -> None:
    """On a network of pictures alone: the measurement makes weights positive, so that differences would cancel."""
    net = FiguresNet(2, "rgb").eval()
    measured = measure_geometry(lambda x: Features(net.features(x)), clip_len=32)
    assert measured == Geometry((0.0, 0.0, 0.0), (1.0, 8.0, 8.0), margin=9)
    assert replace(measured, margin=10) == architecture("figures").geometry


def test_the_margin_is_the_reach_of_the_network() -> None:
    """A changed sample changes the maps from 9 samples before it to 10 after it."""
    net, x = network("figures"), video(30)
    other = x.clone()
    other[:, :, 15] += 1
    with torch.no_grad():
        change = (net.features(x).maps - net.features(other).maps).abs().amax(dim=(0, 1, 3, 4))
    assert [t for t in range(30) if float(change[t]) > 0] == list(range(15 - 9, 15 + 10 + 1))
    assert MARGIN == 10


@pytest.mark.parametrize("folded", [False, True])
def test_trimmed_clips_equal_that_part_of_the_whole_video(folded: bool) -> None:
    net, x = load("figures", "random"), video(40, clips=2)
    if folded:
        net.to("cpu")
    with torch.no_grad():
        whole = net.features(x).maps
        for (begin, end), keep in (((0, 26), (0, 16)), ((3, 33), (10, 20)), ((14, 40), (10, 26)), ((0, 40), (0, 40))):
            part = net.features(x[:, :, begin:end], keep).maps
            expected = whole[:, :, begin + keep[0] : begin + keep[1]]
            torch.testing.assert_close(part, expected, rtol=0, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("count", [1, 25, 70])
def test_clips_have_the_maps_of_one_pass_over_the_video(count: int) -> None:
    """Through windows, recognize and stitch, with the ends of the video; each frame is a sample."""
    frames = list(sample(numbered(count, rate=12.0), Sampling((fit_input((64, 48), 32),), 12.0, 1 / 12)))
    clips = list(windows(frames, Windowing(32, 32 - 2 * MARGIN, MARGIN)))
    assert len(clips) == max(1, -(-(count - 2 * MARGIN) // 12))
    streamed = np.stack([activation.maps for activation in stitch(_recognize(clips))])
    (whole,) = _recognize(list(windows(frames, Windowing(99, 99 - 2 * MARGIN, MARGIN))))
    assert streamed.shape == (count, 3, 4, 6) and whole.error is not None and whole.error < 1e-5
    np.testing.assert_allclose(streamed, whole.maps.swapaxes(0, 1), rtol=0, atol=1e-5 * float(np.abs(whole.maps).max()))


def _recognize(clips: list[Clip]) -> Iterator[ClipActivation]:
    selection = ClassSelection((0, 7, 14))
    return recognize(clips, NetworkPlan(network("figures"), Backend(), _cam, selection, Grid((0, 0), (8, 8))))


def _cam(recognizer: TorchRecognizer, features: Features, classes: Tensor) -> Tensor:
    assert recognizer.linear is not None
    return torch.einsum("sk,bkthw->bsthw", recognizer.linear.weight[classes], features.maps)


def test_the_two_layouts_of_a_clip_give_the_same_maps() -> None:
    """`recognize` gives clips with the channels last in memory."""
    net, x = network("figures"), video(6, clips=2)
    last = x.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        torch.testing.assert_close(net.features(last).maps, net.features(x).maps, rtol=1e-5, atol=1e-5)


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the bundled weights in a test: a file that does not exist."""
    assert FIGURES.bundle is not None
    path = tmp_path / "figures.safetensors"
    row = replace(FIGURES, bundle=replace(FIGURES.bundle, path=path))
    monkeypatch.setattr("camreel.models.figures.FIGURES", row)
    assert ARCHITECTURES["figures"] == "camreel.models.figures:FIGURES"
    return path


def test_missing_bundled_weights_are_explained(bundled: Path) -> None:
    for weights in ("default", "bundled"):
        with pytest.raises(ModelError) as caught:
            load("figures", weights)
        assert caught.value.exit_code == 6
        assert str(bundled) in str(caught.value) and "--weights random" in str(caught.value)
    card = catalog()[0]
    assert (card.name, card.weights, card.cached, card.size_mb, card.url) == ("figures", "bundled", False, None, None)


def test_bundled_weights_are_loaded_with_the_names_of_their_classes(bundled: Path) -> None:
    assert FIGURES.bundle is not None
    net = fresh(2, seed=3)
    metadata = FIGURES.bundle.blank.model_copy(update={"classes": ("hop", "skip"), "threshold": 0.3})
    save(bundled, net.state_dict(), metadata)
    for weights in ("default", "bundled"):
        loaded = load("figures", weights)
        assert (loaded.name, loaded.weights, loaded.classes) == ("figures", "bundled", ("hop", "skip"))
        assert loaded.sha256 == read(bundled)[2] and loaded.threshold == 0.3 and loaded.multilabel
        with torch.no_grad():
            assert torch.equal(loaded.features(video(4)).maps, FIGURES.features(net.eval(), video(4)).maps)
    card = catalog()[0]
    assert card.cached and card.path == bundled and card.size_mb == bundled.stat().st_size / 1e6


def test_a_checkpoint_loads_by_its_file_name(tmp_path: Path) -> None:
    assert FIGURES.bundle is not None
    net = fresh(15, seed=4, inputs="difference")
    save(tmp_path / "mine.safetensors", net.state_dict(), FIGURES.bundle.blank)
    for loaded in (load(str(tmp_path / "mine.safetensors")), load("figures", str(tmp_path / "mine.safetensors"))):
        assert loaded.name == "figures" and loaded.weights == "mine.safetensors" and loaded.size == 112
        with torch.no_grad():
            torch.testing.assert_close(loaded.features(video(4)).maps, FIGURES.features(net.eval(), video(4)).maps)


def test_other_names_of_weights_are_refused(bundled: Path) -> None:
    with pytest.raises(ModelError, match="figures has no weights 'KINETICS400_V1'\nit has bundled"):
        load("figures", "KINETICS400_V1")


def test_random_weights_have_placeholder_class_names_and_are_multilabel() -> None:
    net = network("figures")
    assert net.classes == tuple(f"class {number}" for number in range(15))
    assert net.multilabel and (net.clip_len, net.frame_rate, net.size) == (32, 12.0, 112)


def test_the_bundled_weights_fit_the_stated_metadata() -> None:
    assert FIGURES.bundle is not None
    if not FIGURES.bundle.path.exists():
        pytest.skip("the bundled weights are not made yet")
    net, blank = load("figures"), FIGURES.bundle.blank
    assert len(net.classes) == len(blank.classes)
    assert (net.mean, net.std, net.clip_len, net.frame_rate) == (
        blank.mean,
        blank.std,
        blank.clip_len,
        blank.frame_rate,
    )
    assert net.multilabel and FIGURES.bundle.path.stat().st_size < 10_000_000


@pytest.mark.parametrize("samples", [1, 2, 3, 12, 30])
def test_clips_are_reflected_at_the_ends_of_the_video(samples: int) -> None:
    net = fresh(3, seed=5).eval()
    x = video(samples)
    swing = [*range(samples), *range(samples - 2, 0, -1)]
    at = [swing[i % len(swing)] for i in range(-MARGIN, samples + MARGIN)]
    with torch.no_grad():
        longer = FIGURES.features(net, x[:, :, at]).maps
        torch.testing.assert_close(FIGURES.features(net, x).maps, longer[:, :, MARGIN:-MARGIN])
