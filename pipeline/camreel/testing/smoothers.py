"""The contract of `camreel.interfaces.Smoother`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from camreel.interfaces import Smoother
from camreel.structures import FrameActivation
from camreel.testing.material import constant_activations

MakeSmoother = Callable[[float, bool], Smoother]
"""(time constant in seconds, causal) -> smoother, as in `camreel.stages.smooth.SMOOTHERS`."""
SECONDS = 0.2


def every_frame_comes_out_once_and_in_order(make: MakeSmoother, causal: bool) -> None:
    """No frame is lost, doubled or moved, however few there are."""
    for count in (0, 1, 2, 45):
        out = list(make(SECONDS, causal)(constant_activations([1.0] * count)))
        assert [each.frame.index for each in out] == list(range(count)), f"{count} frames"


def constant_maps_stay_constant(make: MakeSmoother, causal: bool) -> None:
    """Maps and logits that do not change are kept."""
    for each in make(SECONDS, causal)(constant_activations([3.0] * 40)):
        np.testing.assert_allclose(each.maps, 3.0, rtol=1e-4)
        np.testing.assert_allclose(each.logits, [3.0, -3.0], rtol=1e-4)


def noise_does_not_grow(make: MakeSmoother, causal: bool) -> None:
    """The deviation of white noise does not increase."""
    noise = np.random.default_rng(0).normal(0, 1, 120)
    out = np.array([each.maps.mean() for each in make(SECONDS, causal)(constant_activations(noise.tolist()))])
    assert out.std() <= noise.std() * 1.0001


def the_declared_lag_is_kept(make: MakeSmoother, causal: bool) -> None:
    """A frame comes out as soon as `lag` seconds after it (and one frame) are known."""
    taken: list[float] = []

    def watched() -> Iterator[FrameActivation]:
        for each in constant_activations([1.0] * 120):
            taken.append(each.frame.time)
            yield each

    smoother = make(SECONDS, causal)
    for each in smoother(watched()):
        assert taken[-1] - each.frame.time <= smoother.lag + 1 / 30 + 1e-9


def classes_that_a_frame_does_not_map_stay_out_of_it(make: MakeSmoother, causal: bool) -> None:
    """The mapped classes of each frame are unchanged, also where a class comes or goes."""
    parts = [([1.0] * 20, (0,)), ([5.0] * 20, (0, 1)), ([1.0] * 20, (1,))]
    sequence = [each for values, classes in parts for each in constant_activations(values, classes=classes)]
    frames = [each.frame for each in constant_activations([0.0] * 60)]
    sequence = [dataclasses.replace(a, frame=frame) for a, frame in zip(sequence, frames, strict=True)]
    out = list(make(SECONDS, causal)(sequence))
    assert [each.classes.tolist() for each in out] == [[0]] * 20 + [[0, 1]] * 20 + [[1]] * 20
    assert all(len(each.maps) == len(each.classes) and np.isfinite(each.maps).all() for each in out)


def a_smoother_without_lag_shows_nothing_early(make: MakeSmoother, causal: bool) -> None:
    """With a lag of 0, evidence never appears before the frame that has it."""
    smoother = make(SECONDS, causal)
    if smoother.lag > 0:
        return
    out = [each.maps.mean() for each in smoother(constant_activations([0.0] * 30 + [1.0] * 30))]
    assert max(out[:30]) == 0
    assert out[-1] > 0.5, "evidence that stays is not shown after a second"


SMOOTHER_CHECKS: tuple[Callable[[MakeSmoother, bool], None], ...] = (
    every_frame_comes_out_once_and_in_order,
    constant_maps_stay_constant,
    noise_does_not_grow,
    the_declared_lag_is_kept,
    classes_that_a_frame_does_not_map_stay_out_of_it,
    a_smoother_without_lag_shows_nothing_early,
)
"""Rules that every smoother follows."""


def check_smoother(make: MakeSmoother) -> None:
    """Run all rules on a smoother, looking ahead and causal.

    Args:
        make: create the smoother from its time constant in seconds and whether it is causal.

    Raises:
        AssertionError: a rule is broken; its text names it.

    Example:
        >>> check_smoother(EmaSmoother)
    """
    for rule in SMOOTHER_CHECKS:
        for causal in (False, True):
            try:
                rule(make, causal)
            except AssertionError as error:
                name = rule.__name__.replace("_", " ")
                raise AssertionError(f"{name} ({'causal' if causal else 'looking ahead'}): {error}") from error
