"""Networks that users bring: a factory's recognizer is checked, and each mistake is explained."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry, LinearHead, Recognizer
from camreel.models.loading import load


class Own(nn.Module):
    """A network of a user: attributes, two convolutions and a linear head; it states no geometry."""

    name, weights, sha256, classes, multilabel = "own", "mine", None, ("a", "b"), False
    clip_len, frame_rate, size, fixed_size, threshold = 16, 10.0, 64, False, None
    mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    geometry: Geometry | None = None

    def __init__(self) -> None:
        super().__init__()
        first = nn.Conv3d(3, 4, (5, 4, 4), (1, 4, 4), (2, 0, 0))
        self.body = nn.Sequential(first, nn.ReLU(), nn.Conv3d(4, 4, 3, 1, 1), nn.ReLU())
        self.fc = nn.Linear(4, 2)

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        first, end = keep or (0, None)
        return Features(self.body(clips)[:, :, first:end])

    def head(self, made: Features) -> Tensor:
        logits: Tensor = self.fc(made.maps.mean(dim=(2, 3, 4)))
        return logits

    @property
    def linear(self) -> LinearHead | None:
        return LinearHead(self.fc.weight, self.fc.bias)


@pytest.fixture
def load_own(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Recognizer]:
    """Load what a factory makes, by its name, without a trace in the global random state."""

    def load_own(make: Callable[[], Any]) -> Recognizer:
        module = types.ModuleType("my_networks")
        module.make = make  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "my_networks", module)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return load("my_networks:make")

    return load_own


def test_a_factory_makes_a_recognizer_whose_geometry_is_measured(load_own):
    net = load_own(Own)
    assert net.name == "own"
    assert net.geometry == Geometry((0.0, 1.5, 1.5), (1.0, 4.0, 4.0), margin=3)


def test_a_stated_geometry_is_kept(load_own):
    class Stated(Own):
        geometry = Geometry((0.0, 9.0, 9.0), (1.0, 4.0, 4.0))

    assert load_own(Stated).geometry == Stated.geometry


def test_a_module_with_its_class_names_is_wrapped(load_own):
    body = [nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    net = load_own(lambda: (nn.Sequential(*body), ("cat", "dog")))
    assert net.classes == ("cat", "dog") and net.linear is not None


class WrongLinear(Own):
    @property
    def linear(self) -> LinearHead | None:
        return LinearHead(1.1 * self.fc.weight, self.fc.bias + 1)


class WrongShape(Own):
    @property
    def linear(self) -> LinearHead | None:
        return LinearHead(self.fc.weight.T, self.fc.bias)


class WithoutKeep(Own):
    def features(self, clips: Tensor) -> Features:  # type: ignore[override]
        return Features(self.body(clips))


class Permuted(Own):
    geometry = Geometry((0.0, 1.5, 1.5), (1.0, 4.0, 4.0))

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        return Features(self.body(clips).transpose(3, 4))


class BareTensor(Own):
    geometry = Geometry((0.0, 1.5, 1.5), (1.0, 4.0, 4.0))

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        maps: Any = self.body(clips)
        return maps


class TooManyNames(Own):
    classes = ("a", "b", "c", "d", "e")


class NamesInAList(Own):
    classes = ["a", "b"]  # type: ignore[assignment]  # noqa: RUF012


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (WrongLinear, "its maps do not add up to its logits"),
        (WrongShape, "its linear head has the shapes (4, 2) and (2,), not [2, 4] and [2]"),
        (WithoutKeep, "its `features` takes no `keep`"),
        (Permuted, "axes are [B, K, T', h, w]"),
        (BareTensor, "its `features` returns Tensor, not camreel.interfaces.Features"),
        (TooManyNames, "it names 5 classes, but its head gives 2 logits"),
        (NamesInAList, "its classes are list, not a tuple of text"),
    ],
)
def test_a_mistake_of_a_factory_is_a_model_error_that_names_the_factory_and_the_rule(load_own, make, message):
    with pytest.raises(ModelError) as caught:
        load_own(make)
    assert "my_networks:make" in caught.value.what and message in caught.value.why and caught.value.todo


def test_a_network_that_fails_while_it_runs_is_a_model_error_that_names_the_factory(load_own):
    class Fragile(Own):
        def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
            if len(clips) > 1:
                raise KeyError("lost")
            return super().features(clips, keep)

    net = load_own(Fragile)
    with pytest.raises(ModelError, match=r"the network of my_networks:make failed\nKeyError: 'lost'"):
        net.features(torch.zeros(2, 3, 16, 32, 32))


def test_memory_that_runs_out_in_a_users_network_is_still_recognized_as_such(load_own):
    class Large(Own):
        def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
            if len(clips) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().features(clips, keep)

    net = load_own(Large)
    with pytest.raises(torch.OutOfMemoryError):
        net.features(torch.zeros(2, 3, 16, 32, 32))
