"""The plan of a run: a configuration applied to one video and one network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from camreel.cams.maps import activation_maps, load_method
from camreel.config.schema import Config
from camreel.errors import ConfigError, nearest
from camreel.interfaces import Recognizer
from camreel.recognize.backend import Backend, choose_backend, map_cells
from camreel.recognize.batches import NetworkPlan
from camreel.recognize.stage import Batching
from camreel.runtime.concurrency import prefetch
from camreel.stages.localize import BOX_THRESHOLDS, BoxRule
from camreel.stages.options import LocalizeOptions
from camreel.stages.sample import InputSize, Sampling, network_input_size
from camreel.stages.smooth import make_smoother
from camreel.stages.windows import Windowing
from camreel.structures import ClassSelection, Header, VideoInfo

TILE_SAMPLES = 32
"""Valid samples per clip where clips tile the video. Measured with mc3_18: more is no faster, fewer wastes work."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Everything that the stages need to know, decided before the first frame."""

    info: VideoInfo
    config: Config
    method: str
    """CAM method."""
    sampling: Sampling
    windowing: Windowing
    network: NetworkPlan
    cells: tuple[int, int]
    """Cells (h, w) of the network's maps."""
    box_rule: BoxRule
    frames_per_step: int
    """Source frames that become known at once."""

    @property
    def recognizer(self) -> Recognizer:
        """The network."""
        return self.network.recognizer


@dataclass(frozen=True, slots=True)
class RuntimeHooks:
    """Functions with which a live run steers the flow while it runs. Runs over files need none."""

    pace: Callable[[], float] = lambda: 1.0
    """Return the share of the network's samples that there is time for, in (0, 1]."""
    picked: Callable[[], int | None] = lambda: None
    """Return the class that a viewer selected, to be reported whatever its score."""
    batching: Batching = field(default_factory=Batching)
    """Run the network for several flows at once."""
    prefetch: Callable[[Iterable[Any], int], Iterator[Any]] = prefetch
    """Start a new lane with so many waiting items."""
    entry: str = "decode"
    """Name in the statistics of the time spent waiting for the next frame."""


def make_plan(info: VideoInfo, recognizer: Recognizer, config: Config, backend: Backend | None = None) -> RunPlan:
    """Decide sizes, clips, classes, method and device of a run.

    Args:
        info: properties of the source.
        recognizer: the network.
        config: all settings.
        backend: device and number format that the network is on already; None: it is moved there.

    Raises:
        ConfigError: an unknown class, or a method or sizes that do not fit the network.
        DeviceError: the device is missing.

    Example:
        >>> with open_source("clip.mp4") as source:
        ...     plan = make_plan(source.info, load("figures"), Config())
    """
    model, geometry = config.model, recognizer.geometry
    sizes = _input_sizes(info, recognizer, config)
    windowing = _windowing(recognizer, config)
    method = _method(recognizer, model.method)
    localize = config.localize
    class_ids = find_classes(localize.classes, recognizer.classes)
    backend = backend or choose_backend(recognizer, model.device, model.precision, model.batch)
    interval = 1 / float(info.average_rate) if info.average_rate else None
    frames_per_sample = max(1.0, float(info.average_rate or 30) / (recognizer.frame_rate or math.inf))
    cam = load_method(method)
    return RunPlan(
        info=info,
        config=config,
        method=method,
        sampling=Sampling(sizes, recognizer.frame_rate, interval),
        windowing=windowing,
        network=NetworkPlan(
            recognizer=recognizer,
            backend=backend,
            maps=partial(activation_maps, cam),
            selection=ClassSelection(class_ids, localize.top_k, localize.min_score),
            grid=sizes[-1].grid((info.width, info.height), geometry.start[1:], geometry.jump[1:]),
            complete=recognizer.linear is not None and cam.complete,
        ),
        cells=map_cells(recognizer, backend, sizes[-1].shape),
        box_rule=BoxRule(box_threshold(recognizer, localize), localize.min_area),
        frames_per_step=math.ceil(windowing.stride * backend.batch * frames_per_sample) + 1,
    )


def make_header(plan: RunPlan) -> Header:
    """Return the header of the result."""
    recognizer, smooth = plan.recognizer, plan.config.smooth
    return Header(
        source=plan.info,
        model=recognizer.name,
        weights=recognizer.weights,
        sha256=recognizer.sha256,
        frame_rate=recognizer.frame_rate,
        classes=recognizer.classes,
        method=plan.method,
        grid=plan.cells,
        smoothing=smooth.name,
        lag=make_smoother(smooth.name, smooth.seconds, plan.config.causal).lag,
        config=_effective_config(plan),
    )


def _effective_config(plan: RunPlan) -> dict[str, Any]:
    """Return the configuration with the values that `auto` and null stand for in this run."""
    values = plan.config.model_dump(mode="json")
    backend, windowing = plan.network.backend, plan.windowing
    chosen = {"device": backend.device, "precision": backend.precision, "batch": backend.batch}
    values["model"] |= chosen | {
        "method": plan.method,
        "clip_len": windowing.clip_len,
        "stride": windowing.stride,
    }
    values["localize"] |= {"threshold": plan.box_rule.threshold}
    return values


def _method(recognizer: Recognizer, wanted: str) -> str:
    linear = recognizer.linear is not None
    if wanted == "cam" and not linear:
        raise ConfigError(
            f"cam does not work on {recognizer.name}",
            "its head is not average pooling and a linear layer",
            "use gradcam or hirescam",
        )
    return wanted if wanted != "auto" else "cam" if linear else "gradcam"


def _input_sizes(info: VideoInfo, recognizer: Recognizer, config: Config) -> tuple[InputSize, ...]:
    size = config.model.size or recognizer.size
    map_size = config.model.map_size or round(size * config.model.map_scale)
    if recognizer.fixed_size and {size, map_size} != {recognizer.size}:
        raise ConfigError(
            f"{recognizer.name} takes pictures of {recognizer.size} pixels only",
            "its position encoding has a fixed size",
            "leave size, map size and map scale out",
        )
    return tuple(network_input_size(info, recognizer, side) for side in dict.fromkeys((size, map_size)))


def box_threshold(recognizer: Recognizer, localize: LocalizeOptions) -> float:
    """Return the level at which boxes are cut: the given one, else the checkpoint's (for extents), else the default."""
    stored = recognizer.threshold if localize.boxes == "extent" else None
    return localize.threshold or stored or BOX_THRESHOLDS[localize.boxes]


def _windowing(recognizer: Recognizer, config: Config) -> Windowing:
    margin, jump = recognizer.geometry.margin, round(recognizer.geometry.jump[0])
    streams = config.causal and recognizer.streams
    if margin:
        clip_len = config.model.clip_len or TILE_SAMPLES + 2 * margin
        if clip_len <= 2 * margin:
            raise ConfigError(
                f"model.clip_len {clip_len} is too short",
                f"{margin} samples at each end are margin",
                f"use {2 * margin + 1} or more",
            )
        return Windowing(clip_len, clip_len - 2 * margin, margin, streams)
    clip_len = config.model.clip_len or recognizer.clip_len
    stride = config.model.stride or max(1, clip_len // 2)
    if stride > clip_len:
        why = f"clips are {clip_len} samples long"
        raise ConfigError(f"model.stride {stride} leaves gaps", why, f"use {clip_len} or less")
    # Clips start on the network's own time grid, so that slices of overlapping clips meet and average.
    return Windowing(clip_len, max(1, stride // jump * jump) if stride >= jump else stride, 0, streams)


def find_classes(wanted: tuple[str, ...], classes: tuple[str, ...]) -> tuple[int, ...]:
    """Return the ids of classes given by name (upper or lower case) or id.

    Raises:
        ConfigError: there is no such class; names the nearest.

    Example:
        >>> find_classes(("Run", "0"), ("jump", "run"))
        (1, 0)
    """
    by_name = {name.lower(): i for i, name in reversed(list(enumerate(classes)))}
    ids = []
    for word in wanted:
        if word.strip().lower() in by_name:
            ids.append(by_name[word.strip().lower()])
        elif word.strip().isdigit() and int(word) < len(classes):
            ids.append(int(word))
        else:
            todo = f"classes are names or ids from 0 to {len(classes) - 1}"
            raise ConfigError(f"no class {word!r}", nearest(word, classes), todo)
    return tuple(dict.fromkeys(ids))


def describe_run(info: VideoInfo, notes: Sequence[str], config: Config) -> list[str]:
    """Describe a run before it starts, as lines of text.

    Args:
        info: the video.
        notes: run notes of its source.
        config: all settings.
    """
    rate = f"{float(info.average_rate):.3f} frames per second" if info.average_rate else "unknown frame rate"
    length = f"{info.duration:.2f} s" if info.duration is not None else "unknown length"
    turned = f", turned by {info.rotation} degrees" if info.rotation else ""
    lines = [f"{info.uri}: {info.codec} {info.width}x{info.height}, {rate}, {length}{turned}"]
    lines += [f"  audio track {track.index}: {track.codec}" for track in info.tracks]
    lines += [f"  note: {note}" for note in notes]
    model = f"model {config.model.name} ({config.model.weights} weights)"
    lines.append(f"  {model}, smoothing {config.smooth.name}, style {config.video.style}")
    return lines
