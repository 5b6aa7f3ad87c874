"""Cells lie where the registry says: measured on linearized networks, and checked with a moving square."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry
from camreel.models.geometry import _LinearMode, measure_geometry
from tests.networks import FAMILIES, network

TRANSFORMERS = ("swin3d_t", "swin_t", "mvit_v2_s")
CONVOLUTIONAL = [name for name in FAMILIES if name not in (*TRANSFORMERS, "figures")]
"""All but `figures`, whose first layer is a difference; test_models_figures.py measures the rest of it."""


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_registry_states_the_measured_geometry(name: str) -> None:
    net = network(name)
    state = {key: value.clone() for key, value in net.net.state_dict().items()}
    assert measure_geometry(net.features, net.clip_len, net.size if net.fixed_size else None) == net.geometry
    assert all(torch.equal(value, state[key]) for key, value in net.net.state_dict().items())


def test_networks_that_pool_by_function_are_in_the_registry() -> None:
    """Inception v3 calls functional.max_pool2d: replacing modules alone would measure it half a cell off."""
    assert "inception_v3" in CONVOLUTIONAL


@pytest.mark.parametrize("name", ["swin3d_t", "swin_t"])
def test_the_cells_of_a_swin_transformer_are_its_merged_patches(name: str) -> None:
    """Patches of 4 pixels (2 samples), merged in pairs three times: a cell is the center of 32 pixels."""
    geometry = network(name).geometry
    time = (0.5, 2.0) if name == "swin3d_t" else (0.0, 1.0)
    assert geometry == Geometry((time[0], 15.5, 15.5), (time[1], 32.0, 32.0))


def test_the_margin_of_mc3_is_the_reach_of_its_padding() -> None:
    """With 5 samples at each end left out, a clip's features are those of the longer video: 4 would not do."""
    net, margin = network("mc3_18"), network("mc3_18").geometry.margin
    video = torch.randn(1, 3, 20, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, part = net.features(video).maps, net.features(video[:, :, 3:17]).maps
    error = (whole[:, :, 3:17] - part).abs().amax(dim=(0, 1, 3, 4))
    assert margin == 5
    assert float(error[margin:-margin].max()) < 1e-5 * float(whole.abs().max())
    assert float(error[margin - 1]) > 1e-5 and float(error[-margin]) > 1e-5


class Brightness:
    """A recognizer of brightness: one convolution with equal weights, and any kernel, stride and padding."""

    clip_len = 16

    def __init__(
        self, kernel: tuple[int, int, int], stride: tuple[int, int, int], padding: tuple[int, int, int]
    ) -> None:
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
def test_a_square_is_found_at_its_position(
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
    start: tuple[float, float, float],
) -> None:
    net = Brightness(kernel, stride, padding)
    geometry = measure_geometry(net.features, net.clip_len)
    assert geometry.start == start and geometry.jump == tuple(float(s) for s in stride)
    for t, y, x in ((6, 40, 100), (9, 71, 33), (10, 20, 60)):
        clip = torch.zeros(1, 3, 16, 96, 160)
        clip[:, :, t, y - 2 : y + 3, x - 2 : x + 3] = 1
        found = _centroid(net.features(clip).maps[0, 0].detach(), geometry)
        for place, true, step in zip(found, (t, y, x), geometry.jump, strict=True):
            assert abs(place - true) <= step / 2


def _centroid(grid: Tensor, geometry: Geometry) -> list[float]:
    """Return the center of mass of a map in input positions (t, y, x)."""
    places = []
    for axis in range(3):
        profile = grid.movedim(axis, 0).flatten(1).sum(1)
        cells = geometry.start[axis] + geometry.jump[axis] * torch.arange(len(profile))
        places.append(float((profile * cells).sum() / profile.sum()))
    return places


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121"])
def test_a_moving_square_peaks_within_a_cell_of_its_position(name: str) -> None:
    """Through a whole linearized network, on a wide picture."""
    net = network(name)
    for y, x in ((130, 200), (170, 420), (230, 300)):
        picture = torch.zeros(1, 3, 1, 352, 544)
        picture[..., y - 8 : y + 9, x - 8 : x + 9] = 1
        with torch.no_grad(), _LinearMode():
            maps = net.features(picture).maps
        cells = maps.sum(1)[0, 0]
        row, column = divmod(int(cells.argmax()), cells.shape[1])
        start, jump = net.geometry.start, net.geometry.jump
        found = start[1] + jump[1] * row, start[2] + jump[2] * column
        assert max(abs(found[0] - y), abs(found[1] - x)) <= jump[1] / 2 + 1


def test_a_gate_over_the_whole_clip_leaves_no_margin() -> None:
    class Gated(Brightness):
        def __init__(self) -> None:
            super().__init__((3, 4, 4), (1, 4, 4), (1, 0, 0))
            self.pool = nn.AdaptiveAvgPool3d(1)

        def features(self, clips: Tensor) -> Features:
            maps = self.conv(clips)
            return Features(maps * self.pool(maps))

    assert measure_geometry(Brightness((3, 4, 4), (1, 4, 4), (1, 0, 0)).features, 16).margin == 1
    assert measure_geometry(Gated().features, 16).margin == 0


def _max_pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2)


def _max_pool_with_padding(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)


def _average_pool(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 2)


@pytest.mark.parametrize(
    ("pool", "start"),
    [(_max_pool, 1.5), (_max_pool_with_padding, 0.5), (_average_pool, 1.5)],
    ids=lambda x: getattr(x, "__name__", str(x)),
)
@pytest.mark.parametrize("gate_axes", [None, (2, 3), (-1, -2)])
def test_pooling_and_gates_by_function_are_measured(
    pool: Callable[[Tensor], Tensor], start: float, gate_axes: tuple[int, int] | None
) -> None:
    """A convolution with centers at .5, 2.5, ..., a pooling, and a squeeze-excitation gate as people write it."""
    torch.manual_seed(0)
    conv, squeeze = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 8)

    def features(clips: Tensor) -> Features:
        maps = pool(conv(clips.squeeze(2)).relu())
        if gate_axes is not None:
            maps = maps * torch.sigmoid(squeeze(maps.mean(gate_axes)))[:, :, None, None]
        return Features(maps.unsqueeze(2))

    assert measure_geometry(features, clip_len=1) == Geometry((0.0, start, start), (1.0, 4.0, 4.0))


def test_a_network_without_modules_is_measured() -> None:
    assert measure_geometry(Features, clip_len=16) == Geometry((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_a_network_that_cannot_be_measured_is_explained() -> None:
    def broken(clips: Tensor) -> Features:
        raise RuntimeError("only on Tuesdays")

    with pytest.raises(ModelError, match="states no geometry") as caught:
        measure_geometry(broken, clip_len=16)
    assert "give the recognizer a `geometry`" in caught.value.todo
