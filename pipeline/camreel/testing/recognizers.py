"""The contract of `camreel.interfaces.Recognizer`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry, Recognizer
from camreel.models.geometry import measure_geometry

SIZES = ((64, 96), (96, 144), (160, 224), (299, 352))
"""(height, width) of the clips: the first that the network accepts."""
RELATIVE = 1e-4
"""Largest difference relative to the largest value that counts as equal in float32."""


def small_clip(recognizer: Recognizer, samples: int | None = None, batch: int = 1) -> Tensor:
    """Return a seeded normalized clip [batch, 3, T, H, W] that the network accepts, wider than high if possible.

    Args:
        recognizer: the network.
        samples: number of samples; None: `clip_len`.
        batch: number of clips.
    """
    length = samples or recognizer.clip_len
    sizes = ((recognizer.size, recognizer.size),) if recognizer.fixed_size else SIZES
    generator = torch.Generator().manual_seed(0)
    for height, width in sizes:
        clip = torch.randn((batch, 3, length, height, width), generator=generator)
        try:
            with torch.no_grad():
                recognizer.features(clip)
        except (RuntimeError, ModelError):  # too small
            continue
        return clip
    raise AssertionError(f"the network accepts no clip of {length} samples of {sizes[-1]} pixels")


def assert_close(found: Tensor, expected: Tensor, what: str, relative: float = RELATIVE) -> None:
    """Compare two tensors relative to the largest value of the second."""
    assert found.shape == expected.shape, f"{what}: shapes {tuple(found.shape)} and {tuple(expected.shape)} differ"
    scale = max(float(expected.abs().max()) if expected.numel() else 0.0, 1e-12)
    error = float((found - expected).abs().max()) / scale if expected.numel() else 0.0
    assert error <= relative, f"{what}: relative difference {error:.2g}"


def names_and_numbers_describe_the_network(recognizer: Recognizer) -> None:
    """Every member has its type."""
    assert recognizer.name and recognizer.weights
    assert isinstance(recognizer.classes, tuple) and all(isinstance(name, str) for name in recognizer.classes)
    assert len(recognizer.classes) >= 1
    assert recognizer.clip_len >= 1 and recognizer.size >= 16
    assert recognizer.frame_rate is None or recognizer.frame_rate > 0
    assert len(recognizer.mean) == len(recognizer.std) == 3 and min(recognizer.std) > 0
    assert isinstance(recognizer.geometry, Geometry)
    assert recognizer.geometry.margin == 0 or 2 * recognizer.geometry.margin < max(recognizer.clip_len, 3)


@torch.no_grad()
def feature_maps_have_five_axes(recognizer: Recognizer) -> None:
    """Feature maps are [B, K, T', h, w], and an image network has one time slice."""
    clip = small_clip(recognizer, batch=2)
    features = recognizer.features(clip)
    assert isinstance(features, Features)
    shape = tuple(features.maps.shape)
    assert len(shape) == 5 and shape[0] == 2, f"feature maps have the shape {shape}"
    assert recognizer.clip_len > 1 or shape[2] == 1, f"an image network has {shape[2]} time slices"
    assert recognizer.fixed_size or shape[3] <= shape[4], f"{shape} for a clip that is wider than high"


@torch.no_grad()
def logits_fit_the_class_names(recognizer: Recognizer) -> None:
    """The head returns one float32 logit per class."""
    logits = recognizer.head(recognizer.features(small_clip(recognizer)))
    assert tuple(logits.shape) == (1, len(recognizer.classes)), f"logits {tuple(logits.shape)}"
    assert logits.dtype is torch.float32
    assert bool(logits.isfinite().all()), "logits are not finite"


@torch.no_grad()
def maps_of_a_linear_head_add_up_to_the_logits(recognizer: Recognizer) -> None:
    """mean_p sum_k w_ck m(p) A_k(p) + b_c = logit_c."""
    head, features = recognizer.linear, recognizer.features(small_clip(recognizer))
    if head is None:
        return
    maps = features.maps.float()
    if head.pooling_weight is not None:
        weight = head.pooling_weight((maps.shape[2], maps.shape[3], maps.shape[4]))
        assert abs(float(weight.mean()) - 1) < 1e-4, "the pooling weight has not the mean 1"
        maps = maps * weight
    assert_close(maps.mean((2, 3, 4)) @ head.weight.T + head.bias, recognizer.head(features), "sum of the maps", 1e-3)


def the_head_can_be_differentiated(recognizer: Recognizer) -> None:
    """The logits have a gradient with respect to the feature maps, without a graph over the backbone."""
    with torch.no_grad():
        features = recognizer.features(small_clip(recognizer))
    maps = features.maps.detach().clone().float().requires_grad_(True)
    logits = recognizer.head(Features(maps, features.context))
    (gradient,) = torch.autograd.grad(logits[0, 0], maps)
    assert gradient.shape == maps.shape and float(gradient.abs().sum()) > 0, "the logits do not depend on the maps"


@torch.no_grad()
def clips_of_a_batch_do_not_mix(recognizer: Recognizer) -> None:
    """A clip has the same features alone and in a batch."""
    clips = small_clip(recognizer, batch=2)
    both, first = recognizer.features(clips), recognizer.features(clips[:1])
    assert_close(both.maps[:1], first.maps, "features of a clip in a batch", 1e-3)


@torch.no_grad()
def two_passes_are_equal(recognizer: Recognizer) -> None:
    """The network is in eval mode and keeps no state between calls."""
    clip = small_clip(recognizer)
    assert torch.equal(recognizer.features(clip).maps, recognizer.features(clip).maps)


@torch.no_grad()
def kept_samples_are_those_of_the_whole_clip(recognizer: Recognizer) -> None:
    """`keep` selects samples of a network with a margin, and changes none of them."""
    margin = recognizer.geometry.margin
    if not margin:
        return
    samples = 4 * margin + 3
    clip = small_clip(recognizer, samples)
    whole = recognizer.features(clip, (0, samples)).maps
    assert whole.shape[2] == samples, "a network with a margin has not one map for every sample"
    for keep in ((margin, samples - margin), (0, samples - margin), (margin, samples)):
        part = recognizer.features(clip, keep).maps
        assert_close(part, whole[:, :, keep[0] : keep[1]], f"samples {keep}", 1e-3)


@torch.no_grad()
def clips_tile_to_the_whole_video(recognizer: Recognizer) -> None:
    """With the margin discarded, the maps of overlapping clips equal those of the whole video."""
    margin = recognizer.geometry.margin
    if not margin:
        return
    video = small_clip(recognizer, 6 * margin + 5)
    samples, middle = video.shape[2], 3 * margin + 2
    whole = recognizer.features(video, (0, samples)).maps
    head = recognizer.features(video[:, :, : middle + margin], (0, middle)).maps
    tail = recognizer.features(video[:, :, middle - margin :], (margin, samples - middle + margin)).maps
    assert_close(torch.cat([head, tail], 2), whole, "maps of two clips", 1e-3)


@torch.no_grad()
def a_stream_equals_the_whole_video(recognizer: Recognizer) -> None:
    """Sample by sample, a network with stream state computes the maps of the whole video."""
    if not recognizer.streams:
        return
    margin = recognizer.geometry.margin
    video = small_clip(recognizer, 4 * margin + 5)
    samples, state, parts, known = video.shape[2], recognizer.new_stream(), [], 0
    cuts = [0, margin + 1, *range(margin + 2, samples + 1)]
    for start, end in zip(cuts, cuts[1:], strict=False):
        parts.append(recognizer.forward_step(video[:, :, start:end], state, (start == 0, end == samples)).maps)
        known += parts[-1].shape[2]
        assert known >= end - margin or end == samples, f"after {end} samples only {known} are known"
    assert_close(torch.cat(parts, 2), recognizer.features(video, (0, samples)).maps, "maps of the stream", 1e-3)


def the_stated_geometry_is_the_measured_one(recognizer: Recognizer) -> None:
    """Cells lie where the network's receptive fields are centered; networks that cannot be measured pass."""
    try:
        side = recognizer.size if recognizer.fixed_size else None
        measured = measure_geometry(lambda clip: recognizer.features(clip), recognizer.clip_len, side)
    except ModelError:
        return
    stated = recognizer.geometry
    for axis, name in enumerate("tyx"):
        assert abs(measured.jump[axis] - stated.jump[axis]) < 0.5, f"{name}: {stated} stated, {measured} measured"
        assert abs(measured.start[axis] - stated.start[axis]) < 1.0, f"{name}: {stated} stated, {measured} measured"


@torch.no_grad()
def reduced_precision_is_undone(recognizer: Recognizer) -> None:
    """The backbone runs in bfloat16 with logits in float32, and `to(float32)` restores the weights."""
    clip = small_clip(recognizer)
    recognizer.to("cpu")
    exact = recognizer.features(clip).maps
    recognizer.to("cpu", torch.bfloat16)
    try:
        rounded = recognizer.features(clip.bfloat16())
        assert rounded.maps.dtype is torch.bfloat16
        assert recognizer.head(rounded).dtype is torch.float32
    finally:
        recognizer.to("cpu")
    assert_close(recognizer.features(clip).maps, exact, "features after bfloat16", 1e-5)


def features_work_in_inference_mode(recognizer: Recognizer) -> None:
    """Features that were computed in inference mode can still be passed to the head outside of it."""
    clip = small_clip(recognizer)
    with torch.inference_mode():
        features = recognizer.features(clip)
        expected = recognizer.head(features).clone()
    with torch.no_grad():
        assert_close(recognizer.head(features), expected, "logits")


RECOGNIZER_CHECKS: tuple[Callable[[Recognizer], None], ...] = (
    names_and_numbers_describe_the_network,
    feature_maps_have_five_axes,
    logits_fit_the_class_names,
    maps_of_a_linear_head_add_up_to_the_logits,
    the_head_can_be_differentiated,
    clips_of_a_batch_do_not_mix,
    two_passes_are_equal,
    kept_samples_are_those_of_the_whole_clip,
    clips_tile_to_the_whole_video,
    a_stream_equals_the_whole_video,
    the_stated_geometry_is_the_measured_one,
    reduced_precision_is_undone,
    features_work_in_inference_mode,
)
"""Rules that every recognizer follows."""


def check_recognizer(recognizer: Recognizer) -> None:
    """Run all rules on a recognizer, on the CPU in float32.

    Raises:
        AssertionError: a rule is broken; its text names it.

    Example:
        >>> check_recognizer(camreel.wrap(my_net, classes=("jump", "run")))
    """
    for rule in RECOGNIZER_CHECKS:
        try:
            rule(recognizer)
        except AssertionError as error:
            raise AssertionError(f"{rule.__name__.replace('_', ' ')}: {error}") from error
