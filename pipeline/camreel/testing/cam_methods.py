"""The contract of `camreel.interfaces.CamMethod`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from camreel.errors import ModelError
from camreel.interfaces import CamMethod
from camreel.testing.recognizers import assert_close


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
