"""The contracts of `camreel.interfaces.CamMethod` and `camreel.interfaces.Smoother`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from camreel.errors import ModelError
from camreel.interfaces import CamMethod, Smoother
from camreel.structures import FrameActivation
from camreel.testing.material import constant_activations
from camreel.testing.recognizers import assert_close

MakeSmoother = Callable[[float, bool], Smoother]
"""(time constant in seconds, causal) -> smoother, as in `camreel.stages.smooth.SMOOTHERS`."""
SECONDS = 0.2


def _case(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return features [B, K, T', h, w] that are not negative, weights [S, K] and a bias [S]."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand((2, 6, 3, 4, 5), generator=generator)
    return maps, torch.randn((3, 6), generator=generator), torch.randn(3, generator=generator)


def _gradient(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return d logit_s / d A = w_sk m(p) / N [S, B, K, T', h, w]."""
    m = torch.ones(maps.shape[2:]) if pooling_weight is None else pooling_weight
    return (weight[:, None, :, None, None, None] * m / m.numel()).expand(-1, len(maps), *[-1] * 4).contiguous()


def _pooling_weight() -> Tensor:
    """Return a pooling weight with few distinct values and mean 1, as a pooling with a window has."""
    m = torch.ones(3, 4, 5)
    m[:, :2] = 0.5
    m[:, 2:] = 1.5
    return m


def maps_are_signed_and_have_the_shape_of_the_features(method: CamMethod) -> None:
    """Maps are [B, S, T', h, w] in float32, with negative values where a class has evidence against it."""
    maps, weight, _ = _case()
    found = method.closed_form(maps, weight, None)
    assert tuple(found.shape) == (2, 3, 3, 4, 5) and found.dtype is torch.float32
    assert bool(found.isfinite().all())


def closed_form_and_gradient_agree(method: CamMethod) -> None:
    """For pooling and a linear layer, closed form and gradient give the same maps."""
    maps, weight, _ = _case()
    for pooling_weight in (None, _pooling_weight()):
        closed = method.closed_form(maps, weight, pooling_weight)
        try:
            found = method.from_gradient(maps, _gradient(maps, weight, pooling_weight))
        except ModelError:
            return
        assert_close(found, closed, "maps from the gradient")


def complete_maps_add_up_to_the_logit(method: CamMethod) -> None:
    """If the method claims completeness, the mean of the map is the logit without its bias."""
    if not method.complete:
        return
    maps, weight, _ = _case()
    for pooling_weight in (None, _pooling_weight()):
        weighted = maps if pooling_weight is None else maps * pooling_weight
        logits = weighted.mean((2, 3, 4)) @ weight.T
        found = method.closed_form(maps, weight, pooling_weight).mean((2, 3, 4))
        assert_close(found, logits, "mean of the maps")


def classes_do_not_depend_on_each_other(method: CamMethod) -> None:
    """The map of a class is the same alone and beside others."""
    maps, weight, _ = _case()
    both = method.closed_form(maps, weight, None)
    assert_close(method.closed_form(maps, weight[1:2], None), both[:, 1:2], "map of one class")


CAM_METHOD_CHECKS: tuple[Callable[[CamMethod], None], ...] = (
    maps_are_signed_and_have_the_shape_of_the_features,
    closed_form_and_gradient_agree,
    complete_maps_add_up_to_the_logit,
    classes_do_not_depend_on_each_other,
)
"""Rules that every CAM method follows."""


def check_cam_method(method: CamMethod) -> None:
    """Run all rules on a CAM method.

    Raises:
        AssertionError: a rule is broken; its text names it.

    Example:
        >>> from camreel.cams.methods import GradCam
        >>> check_cam_method(GradCam)
    """
    for rule in CAM_METHOD_CHECKS:
        try:
            rule(method)
        except AssertionError as error:
            raise AssertionError(f"{rule.__name__.replace('_', ' ')}: {error}") from error


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
