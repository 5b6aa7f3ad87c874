"""The contract suites accept everything in the registries, and refuse what breaks a rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import camreel
from camreel.cams import CAM_METHODS
from camreel.cams.maps import load_method
from camreel.interfaces import Features, LinearHead
from camreel.runtime.registry import load_entry
from camreel.sinks import SINKS
from camreel.sources import open_source
from camreel.stages.smooth import SMOOTHERS
from camreel.stages.smooth.averages import EmaSmoother
from camreel.testing import (
    CAM_METHOD_CHECKS,
    RECOGNIZER_CHECKS,
    SINK_CHECKS,
    SMOOTHER_CHECKS,
    SOURCE_CHECKS,
    check_cam_method,
    check_recognizer,
    check_sink,
    check_smoother,
    check_source,
)
from tests.make import TinyRecognizer
from tests.networks import FAMILIES, network


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("rule", RECOGNIZER_CHECKS, ids=lambda rule: rule.__name__)
def test_networks_of_every_architecture_follow_the_contract(rule, name):
    rule(network(name))


@pytest.mark.parametrize("rule", CAM_METHOD_CHECKS, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", CAM_METHODS)
def test_cam_methods_follow_the_contract(name, rule):
    rule(load_method(name))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rule", SMOOTHER_CHECKS, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", SMOOTHERS)
def test_smoothers_follow_the_contract(name, rule, causal):
    rule(load_entry(SMOOTHERS[name]), causal)


@pytest.mark.parametrize("rule", SINK_CHECKS, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    ("name", "suffix"), [(name, suffix) for name, kind in SINKS.items() for suffix in kind.suffixes]
)
def test_sinks_follow_the_contract(name, suffix, rule, tmp_path):
    rule(load_entry(SINKS[name].entry), tmp_path / f"out{suffix}")


@pytest.mark.parametrize("rule", SOURCE_CHECKS, ids=lambda rule: rule.__name__)
def test_files_and_test_patterns_follow_the_contract_of_sources(rule):
    sample = Path(__file__).parents[1] / "sample_videos" / "single-0007.mp4"
    rule(lambda: open_source(str(sample)))
    rule(lambda: open_source("test:size=64x48:duration=1"))


class Broken(TinyRecognizer):
    """A tiny network that breaks the rule that a test chooses."""


class WrongLinear(Broken):
    @property
    def linear(self) -> LinearHead:
        return LinearHead(self.fc.weight * 2, self.fc.bias)


class WrongAxes(Broken):
    def features(self, clips, keep=None):
        return Features(super().features(clips, keep).maps.permute(0, 1, 2, 4, 3))


class WrongNames(Broken):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.classes = self.classes[:-1]


class WrongMargin(Broken):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.geometry = dataclasses.replace(self.geometry, margin=1)


class WrongStart(Broken):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.geometry = dataclasses.replace(self.geometry, start=(0.0, 2.5, 0.5))


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (WrongLinear, "maps of a linear head"),
        (WrongAxes, "five axes"),
        (WrongNames, "class names"),
        (WrongMargin, "clips tile"),
        (WrongStart, "geometry"),
    ],
)
def test_a_network_that_breaks_a_rule_is_refused_with_its_name(broken, rule):
    with pytest.raises(AssertionError, match=rule):
        check_recognizer(broken())


def test_a_network_that_follows_the_rules_is_accepted():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)]
    check_recognizer(camreel.wrap(nn.Sequential(*layers), ("a", "b")))


def test_a_cam_method_that_only_claims_completeness_is_refused():
    class Claims:
        complete = True
        closed_form = staticmethod(
            lambda maps, weight, m: torch.relu(load_method("gradcam").closed_form(maps, weight, m))
        )
        from_gradient = staticmethod(
            lambda maps, gradient: torch.relu(load_method("gradcam").from_gradient(maps, gradient))
        )

    with pytest.raises(AssertionError, match="complete maps add up"):
        check_cam_method(Claims())
    check_cam_method(load_method("hirescam"))


def test_a_smoother_that_loses_frames_or_looks_ahead_is_refused():
    class Loses(EmaSmoother):
        def __call__(self, activations) -> Iterator:
            yield from list(super().__call__(activations))[1:]

    class LooksAhead(EmaSmoother):
        def __call__(self, activations) -> Iterator:
            yield from list(super().__call__(activations))

    with pytest.raises(AssertionError, match="every frame comes out once"):
        check_smoother(Loses)
    with pytest.raises(AssertionError, match="declared lag"):
        check_smoother(LooksAhead)
    check_smoother(EmaSmoother)


def test_a_source_without_frames_and_a_sink_that_names_its_file_too_early_are_refused(tmp_path):
    class Early(load_entry(SINKS["records"].entry)):
        def __init__(self, path, header, options=None):
            super().__init__(path, header, options)
            if not path.is_dir():
                path.touch()

    with pytest.raises(AssertionError, match="only when it is complete"):
        check_sink(Early, tmp_path, ".jsonl")
    with pytest.raises(AssertionError, match="fewer than two frames"):
        check_source(lambda: open_source("test:size=64x48:rate=1:duration=1"))
