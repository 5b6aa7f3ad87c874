"""What a configuration means for one video and one network: sizes, geometry, classes, device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.cams import METHODS, activation_maps
from pipeline.config import Config, LocalizeConfig
from pipeline.errors import ConfigError, nearest
from pipeline.prefetch import prefetch
from pipeline.recognize import Advance, Backend, choose_backend, map_cells
from pipeline.sample import InputSize, input_size
from pipeline.smooth import SMOOTHERS
from pipeline.structures import Grid, Header, VideoInfo

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.models import Features, Recognizer
    from pipeline.recognize.network import See

TILE = 32
"""Valid samples per clip where clips tile the video. Measured with mc3_18: more saves nothing and takes memory, fewer wastes
work."""
THRESHOLDS = {"extent": 0.7, "evidence": 0.4}
"""Of boxes: on DAVIS (17 clips) boxes .60 with it and .62 with .75, but from larger pictures (accurate.yaml) .66 and .65."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the stages need to know, settled before the first frame."""

    frame_rate: float | None
    interval: float | None
    """Typical seconds between source frames."""
    inputs: tuple[InputSize, ...]
    """For the scores and, where other, for the maps."""
    clip_len: int
    stride: int
    margin: int
    classes: tuple[int, ...]
    method: str
    complete: bool
    maps: Callable[[Recognizer, Features, Tensor], Tensor]
    grid: Grid
    cells: tuple[int, int]
    threshold: float
    backend: Backend
    frames_per_step: int
    """Source frames that become known at once."""
    streams: bool
    """The network sees sample by sample and remembers, so that no map waits for a clip to be full."""


@dataclass(frozen=True, slots=True)
class Steering:
    """How a flow is steered while it runs. Files need none of it."""

    pace: Callable[[], float] = lambda: 1.0
    """Share of the network's samples that there is time for, in (0, 1]."""
    picked: Callable[[], int | None] = lambda: None
    """A class that somebody wants to see, whatever its score."""
    take: Advance | None = None
    """Takes the steps of a network that remembers, of several flows at once; None: each for itself."""
    see: See | None = None
    """Runs the backbone of other networks, likewise."""
    ahead: Callable[[Iterable[Any], int], Iterator[Any]] = prefetch
    """Where a lane ends and the next begins."""
    entry: str = "decode"
    """What the time is called until the next frame is there."""


def settle(info: VideoInfo, recognizer: Recognizer, config: Config, backend: Backend | None = None) -> Settings:
    """Works out the settings of a run.

    Args:
        info: of the source.
        recognizer: the network.
        config: the configuration.
        backend: what the network runs on already; None: it is moved there.

    Raises:
        ConfigError: an unknown class, or a method or sizes that do not fit the network.
        DeviceError: the device is not there.
    """
    model, geometry = config.model, recognizer.geometry
    inputs = _inputs(info, recognizer, config)
    clip_len, stride = _window(recognizer, config)
    method = _method(recognizer, model.method)
    backend = backend or choose_backend(recognizer, model.device, model.precision, model.batch)
    frames_per_sample = max(1.0, float(info.average_rate or 30) / (recognizer.frame_rate or math.inf))
    return Settings(
        frame_rate=recognizer.frame_rate,
        interval=1 / float(info.average_rate) if info.average_rate else None,
        inputs=inputs,
        clip_len=clip_len,
        stride=stride,
        margin=geometry.margin,
        classes=class_ids(config.localize.classes, recognizer.classes),
        method=method,
        complete=recognizer.linear is not None and METHODS[method].complete,
        maps=lambda network, features, classes: _maps(method, network, features, classes),
        grid=inputs[-1].grid(info.width, info.height, geometry.start[1:], geometry.jump[1:]),
        cells=map_cells(recognizer, backend, inputs[-1].shape),
        threshold=box_threshold(recognizer, config.localize),
        backend=backend,
        frames_per_step=math.ceil(stride * backend.batch * frames_per_sample) + 1,
        streams=config.smooth.causal and recognizer.streams,
    )


def make_header(info: VideoInfo, recognizer: Recognizer, settings: Settings, config: Config) -> Header:
    """What stands before the first frame of a result."""
    return Header(
        source=info,
        model=recognizer.name,
        weights=recognizer.weights,
        sha256=recognizer.sha256,
        frame_rate=recognizer.frame_rate,
        classes=recognizer.classes,
        method=settings.method,
        grid=settings.cells,
        smoothing=config.smooth.name,
        lag=SMOOTHERS[config.smooth.name](config.smooth.seconds, config.smooth.causal).lag,
        config=_effective(config, settings),
    )


def _effective(config: Config, settings: Settings) -> dict[str, Any]:
    """The configuration with what `auto` came to."""
    values = config.model_dump(mode="json")
    chosen = {"device": settings.backend.device, "precision": settings.backend.precision, "batch": settings.backend.batch}
    values["model"] |= chosen | {"method": settings.method, "clip_len": settings.clip_len, "stride": settings.stride}
    values["localize"] |= {"threshold": settings.threshold}
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


def _maps(method: str, recognizer: Recognizer, features: Features, classes: Tensor) -> Tensor:
    head, a = recognizer.linear, features.maps
    return activation_maps(
        method,
        a,
        classes,
        weight=head.weight if head else None,
        coverage=head.coverage((a.shape[2], a.shape[3], a.shape[4])) if head and head.coverage else None,
        head=lambda maps: recognizer.head(type(features)(maps, features.context)),
    )


def _inputs(info: VideoInfo, recognizer: Recognizer, config: Config) -> tuple[InputSize, ...]:
    size = config.model.size or recognizer.size
    map_size = config.model.map_size or round(size * config.model.map_scale)
    if recognizer.fixed_size and {size, map_size} != {recognizer.size}:
        raise ConfigError(
            f"{recognizer.name} takes pictures of {recognizer.size} pixels only",
            "its position encoding has a fixed size",
            "leave size, map size and map scale out",
        )
    width = round(info.width * info.pixel_aspect)  # the network shall see things in their true shape
    gray = tuple(round(value * 255) for value in recognizer.mean)
    fill = (gray[0], gray[1], gray[2])
    return tuple(
        input_size(width, info.height, side, fixed=recognizer.fixed_size, smooth=recognizer.clip_len == 1, fill=fill)
        for side in dict.fromkeys((size, map_size))
    )


def box_threshold(recognizer: Recognizer, localize: LocalizeConfig) -> float:
    """From where on boxes begin: what is asked for, else what comes with a checkpoint, which is for extents, else the default."""
    stored = recognizer.threshold if localize.boxes == "extent" else None
    return localize.threshold or stored or THRESHOLDS[localize.boxes]


def _window(recognizer: Recognizer, config: Config) -> tuple[int, int]:
    """(samples per clip, samples between clips)."""
    margin, jump = recognizer.geometry.margin, round(recognizer.geometry.jump[0])
    if margin:
        clip_len = config.model.clip_len or TILE + 2 * margin
        if clip_len <= 2 * margin:
            raise ConfigError(
                f"model.clip_len {clip_len} is too short",
                f"{margin} samples at each end are margin",
                f"use {2 * margin + 1} or more",
            )
        return clip_len, clip_len - 2 * margin
    clip_len = config.model.clip_len or recognizer.clip_len
    stride = config.model.stride or max(1, clip_len // 2)
    if stride > clip_len:
        raise ConfigError(f"model.stride {stride} leaves gaps", f"clips are {clip_len} samples long", f"use {clip_len} or less")
    # Clips start on the network's own time grid, so that slices of overlapping clips meet and average.
    return clip_len, max(1, stride // jump * jump) if stride >= jump else stride


def class_ids(wanted: tuple[str, ...], classes: tuple[str, ...]) -> tuple[int, ...]:
    """Ids of classes given by name (upper or lower case) or id.

    Raises:
        ConfigError: there is no such class; names the nearest.
    """
    by_name = {name.lower(): i for i, name in reversed(list(enumerate(classes)))}
    ids = []
    for word in wanted:
        if word.strip().lower() in by_name:
            ids.append(by_name[word.strip().lower()])
        elif word.strip().isdigit() and int(word) < len(classes):
            ids.append(int(word))
        else:
            raise ConfigError(
                f"no class {word!r}", nearest(word, classes), f"classes are names or ids from 0 to {len(classes) - 1}"
            )
    return tuple(dict.fromkeys(ids))
