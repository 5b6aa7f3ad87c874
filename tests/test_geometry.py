"""Cells lie where the table says: measured on linearised networks, and seen on a moving square."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry
from camreel.models.geometry import measure_geometry
from tests.networks import FAMILIES, network

TRANSFORMERS = ("swin3d_t", "swin_t", "mvit_v2_s")
CONVOLUTIONAL = [name for name in FAMILIES if name not in (*TRANSFORMERS, "figures")]
"""Without our own, whose first layer is a difference; `test_models_figures.py` measures the rest of it."""


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_table_says_what_is_measured(name: str) -> None:
    state = {key: value.clone() for key, value in network(name).net.state_dict().items()}
    assert measure_geometry(network(name)) == network(name).geometry
    assert all(torch.equal(value, state[key]) for key, value in network(name).net.state_dict().items())


@pytest.mark.parametrize("name", ["swin3d_t", "swin_t"])
def test_the_cells_of_a_swin_transformer_are_its_merged_patches(name: str) -> None:
    """Patches of 4 pixels (2 samples), merged in pairs three times: a cell is the middle of 32 pixels."""
    geometry = network(name).geometry
    time = (0.5, 2.0) if name == "swin3d_t" else (0.0, 1.0)
    assert geometry == Geometry((time[0], 15.5, 15.5), (time[1], 32.0, 32.0))


def test_the_margin_of_mc3_is_what_padding_reaches() -> None:
    """With 5 samples at each end left out, a clip's features are those of the longer video: 4 would not do."""
    net, margin = network("mc3_18"), network("mc3_18").geometry.margin
    video = torch.randn(1, 3, 20, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, part = net.features(video).maps, net.features(video[:, :, 3:17]).maps
    error = (whole[:, :, 3:17] - part).abs().amax(dim=(0, 1, 3, 4))
    assert margin == 5
    assert float(error[margin:-margin].max()) < 1e-5 * float(whole.abs().max())
    assert float(error[margin - 1]) > 1e-5 and float(error[-margin]) > 1e-5


class Hand:
    """A hand-made recognizer of brightness: averages with odd strides, offsets and a non-square picture in mind."""

    clip_len = 16

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int], padding: tuple[int, int, int]) -> None:
        self.conv = nn.Conv3d(3, 1, kernel, stride, padding, bias=False)
        nn.init.constant_(self.conv.weight, 1 / self.conv.weight.numel())

    def features(self, clips: Tensor) -> Features:
        return Features(self.conv(clips))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "start"),
    [
        ((1, 8, 8), (1, 8, 8), (0, 0, 0), (0.0, 3.5, 3.5)),
        ((1, 7, 9), (1, 4, 6), (0, 3, 0), (0.0, 0.0, 4.0)),
        ((4, 5, 8), (2, 3, 8), (0, 1, 4), (1.5, 1.0, -0.5)),
    ],
)
def test_a_square_appears_where_it_is(
    kernel: tuple[int, int, int], stride: tuple[int, int, int], padding: tuple[int, int, int], start: tuple[float, float, float]
) -> None:
    hand = Hand(kernel, stride, padding)
    geometry = measure_geometry(hand)
    assert geometry.start == start and geometry.jump == tuple(float(s) for s in stride)
    for t, y, x in ((6, 40, 100), (9, 71, 33), (10, 20, 60)):
        clip = torch.zeros(1, 3, 16, 96, 160)
        clip[:, :, t, y - 2 : y + 3, x - 2 : x + 3] = 1
        found = _centroid(hand.features(clip).maps[0, 0].detach(), geometry)
        for place, true, step in zip(found, (t, y, x), geometry.jump, strict=True):
            assert abs(place - true) <= step / 2


def _centroid(grid: Tensor, geometry: Geometry) -> list[float]:
    """Centre of mass of a map through the geometry."""
    places = []
    for axis in range(3):
        profile = grid.movedim(axis, 0).flatten(1).sum(1)
        cells = geometry.start[axis] + geometry.jump[axis] * torch.arange(len(profile))
        places.append(float((profile * cells).sum() / profile.sum()))
    return places


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121"])
def test_a_moving_square_peaks_within_a_cell_of_its_place(name: str) -> None:
    """Through a whole linearised network on a wide picture."""
    net = Linear(name)
    geometry = network(name).geometry
    for y, x in ((130, 200), (170, 420), (230, 300)):
        picture = torch.zeros(1, 3, 1, 352, 544)
        picture[..., y - 8 : y + 9, x - 8 : x + 9] = 1
        cells = net.features(picture).maps.sum(1)[0, 0]
        row, column = divmod(int(cells.argmax()), cells.shape[1])
        found = geometry.start[1] + geometry.jump[1] * row, geometry.start[2] + geometry.jump[2] * column
        assert max(abs(found[0] - y), abs(found[1] - x)) <= geometry.jump[1] / 2 + 1


class Linear:
    """A network of the table with equal positive weights."""

    clip_len = 1

    def __init__(self, name: str) -> None:
        import copy

        from camreel.models.geometry import _linearise

        self.family = network(name).family
        self.net = copy.deepcopy(network(name).net)
        list(_linearise(self.net))

    def features(self, clips: Tensor) -> Features:
        with torch.no_grad():
            return self.family.features(self.net, clips)


def test_a_gate_over_the_whole_clip_leaves_no_margin() -> None:
    class Gated(Hand):
        def __init__(self) -> None:
            super().__init__((3, 4, 4), (1, 4, 4), (1, 0, 0))
            self.pool = nn.AdaptiveAvgPool3d(1)

        def features(self, clips: Tensor) -> Features:
            maps = self.conv(clips)
            return Features(maps * self.pool(maps))

    assert measure_geometry(Hand((3, 4, 4), (1, 4, 4), (1, 0, 0))).margin == 1
    assert measure_geometry(Gated()).margin == 0


def test_a_network_that_cannot_be_measured_is_explained() -> None:
    class Bare:
        clip_len = 16

        def features(self, clips: Tensor) -> Features:
            return Features(clips)

    class Broken(Hand):
        def features(self, clips: Tensor) -> Features:
            raise RuntimeError("only on Tuesdays")

    with pytest.raises(ModelError, match="no modules"):
        measure_geometry(Bare())
    with pytest.raises(ModelError, match="states no geometry"):
        measure_geometry(Broken((1, 1, 1), (1, 1, 1), (0, 0, 0)))
