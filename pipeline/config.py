"""Every setting and its default, in one place; YAML files, `--set` and flags hold differences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

TIME = re.compile(r"(?:(?:(?P<h>\d+):)?(?P<m>\d+):)?(?P<s>\d+(?:\.\d*)?|\.\d+)(?P<unit>(?:ms|s)?)")


def parse_time(value: Any) -> Any:
    """Seconds of a time as people write it: 12.5, 90s, 500ms, 1:30, 00:01:30.5. What is not text passes through.

    Raises:
        ValueError: it is none of these.
    """
    if not isinstance(value, str):
        return value
    match = TIME.fullmatch(value.strip())
    if not match or (match["unit"] and match["m"]):
        raise ValueError("not a time")
    seconds = int(match["h"] or 0) * 3600 + int(match["m"] or 0) * 60 + float(match["s"])
    return seconds / 1000 if match["unit"] == "ms" else seconds


SPAN = re.compile(r"(?=\S)(?:(?P<h>\d+(?:\.\d*)?)h)?(?:(?P<m>\d+(?:\.\d*)?)m)?(?:(?P<s>\d+(?:\.\d*)?)s?)?")


def parse_span(text: str) -> float:
    """Seconds of a length of time as people write it: 90m, 1h30m, 5400s, 5400.

    Raises:
        ValueError: it is none of these.
    """
    match = SPAN.fullmatch(text.strip())
    if not match:
        raise ValueError("not a length of time")
    return sum(float(match[unit] or 0) * seconds for unit, seconds in (("h", 3600), ("m", 60), ("s", 1)))


def parse_classes(value: Any) -> Any:
    """Class names or ids as a tuple of text; one text may hold several, between commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, list | tuple):
        return tuple(str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in value)
    return value


NOUNS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list of text",
    "null": "null",
}
BOUNDS = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}
Seconds = Annotated[float, BeforeValidator(parse_time)]
Style = Literal["heatmap", "contour", "boxes", "side-by-side", "none"]


class Section(BaseModel):
    """Settings that belong together; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class ModelConfig(Section):
    """The network and how its maps are made."""

    name: str = Field(
        default="mc3_18", description="a name that `camreel models` lists, FILE.safetensors, or package.module:factory"
    )
    weights: str = Field(default="default", description="a weights name, a file, or random (seeded; for benchmarks and tests only)")
    method: Literal["auto", "cam", "gradcam", "hirescam", "gradcam++", "xgradcam", "layercam"] = Field(
        default="auto", description="CAM method; auto: cam where the head is pooling and a linear layer, gradcam elsewhere"
    )
    size: int | None = Field(default=None, ge=16, description="short side for the scores in pixels; null: as trained")
    map_size: int | None = Field(default=None, ge=16, description="short side for the maps in pixels; null: see map_scale")
    map_scale: float = Field(default=1.0, ge=0.5, le=4, description="size for the maps, over that for the scores")
    clip_len: int | None = Field(default=None, ge=1, description="samples per clip; null: the network's")
    stride: int | None = Field(
        default=None, ge=1, description="samples between clips; null: half a clip, or a clip where it tiles exactly"
    )
    batch: int | None = Field(default=None, ge=1, description="clips per forward pass; null: by device")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="where the network runs; auto: a GPU if there is one"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="auto: bfloat16 where it is faster and its maps agree with float32 to 1 %, measured at the start",
    )
    seed: int = Field(default=0, ge=0, description="of random weights")
    trust_pickle: bool = Field(default=False, description="accept .pt files as checkpoints (still read with weights_only)")


class SmoothConfig(Section):
    """Smoothing of the maps and logits in time."""

    name: Literal["none", "gaussian", "ema", "flow"] = Field(default="flow", description="flow: along the motion in the picture")
    seconds: float = Field(default=0.25, gt=0, le=10, description="time constant: sigma of gaussian, tau of ema and flow")
    causal: bool = Field(
        default=False, description="look back only, as for cameras: sample by sample, with as little delay as the network allows"
    )


class LocalizeConfig(Section):
    """Which actions are reported, and where."""

    classes: Annotated[tuple[str, ...], BeforeValidator(parse_classes)] = Field(
        default=(), description="only these, by name or id; empty: the top k of each frame"
    )
    top_k: int = Field(default=3, ge=1, description="actions reported per frame at most")
    min_score: float = Field(default=0.1, ge=0, le=1, description="least score of a reported action")
    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the most extent (or saliency) from which boxes are cut; null: the checkpoint's, else 0.7 (0.4)",
    )
    min_area: float = Field(default=0.001, ge=0, lt=1, description="least area of a box as a share of the picture")
    boxes: Literal["evidence", "extent"] = Field(
        default="extent", description="around the evidence alone, or around what moves or is evidence of anything near it"
    )
    refine: Literal["none", "guided"] = Field(default="guided", description="guided: pull the maps to the edges of the picture")


class LinkConfig(Section):
    """Tubes in space, segments in time."""

    iou: float = Field(default=0.3, gt=0, le=1, description="least overlap of a box with the last one of its tube")
    gap: float = Field(default=0.5, ge=0, description="seconds without evidence that a tube or segment survives")
    enter: float = Field(default=0.5, gt=0, le=1, description="score that starts a segment")
    leave: float = Field(default=0.3, gt=0, le=1, description="score under which it ends; at most `enter`")
    min_length: float = Field(default=0.2, ge=0, description="seconds a segment lasts at least")

    @model_validator(mode="after")
    def _check_hysteresis(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(f"link.leave ({self.leave:g}) is above link.enter ({self.enter:g}): a segment would end as it starts")
        return self


class VideoConfig(Section):
    """The annotated video."""

    style: Style = Field(default="heatmap", description="what is drawn")
    codec: Literal["auto", "libx264", "h264_nvenc", "h264_qsv", "h264_amf", "libx265", "libsvtav1"] = Field(
        default="auto", description="auto: a hardware H.264 encoder that passes a trial, else libx264"
    )
    crf: int = Field(default=23, ge=0, le=51, description="quality of the picture: smaller is better and larger on disk")
    preset: str = Field(default="veryfast", description="the encoder's speed preset")
    audio: bool = Field(default=True, description="carry the source's audio over")
    opacity: float = Field(default=0.6, ge=0, le=1, description="of the heat where the evidence is full")


class LiveConfig(Section):
    """Cameras and streams."""

    policy: Literal["drop-oldest", "latest", "block"] = Field(
        default="drop-oldest",
        description="what happens to frames that come faster than the network follows: the oldest that waits is dropped, all but "
        "the newest are, or the source waits",
    )
    max_latency: Seconds = Field(
        default=0.5,
        gt=0,
        description="age from which a frame is dropped rather than answered; if that goes on, the network sees less",
    )
    silence: Seconds = Field(default=10.0, gt=0, description="without a picture, until a connection is taken for lost")
    deadline: Seconds = Field(default=60.0, gt=0, description="without a connection, until a source is given up")


class Config(Section):
    """Everything that can be set."""

    model: ModelConfig = ModelConfig()
    smooth: SmoothConfig = SmoothConfig()
    localize: LocalizeConfig = LocalizeConfig()
    link: LinkConfig = LinkConfig()
    video: VideoConfig = VideoConfig()
    live: LiveConfig = LiveConfig()
    start: Seconds | None = Field(default=None, ge=0, description="time to begin at: 12.5, 90s, 1:30, 00:01:30.5")
    end: Seconds | None = Field(default=None, gt=0, description="time to stop at")

    def with_model(self, name: str | None = None, weights: str | None = None, classes: Sequence[str] = ()) -> Self:
        """The same settings with another network, weights or classes; what is None or empty stays."""
        values = self.model_dump()
        values["model"] |= {key: value for key, value in (("name", name), ("weights", weights)) if value is not None}
        if classes:
            values["localize"]["classes"] = tuple(classes)
        return self.model_validate(values)

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"end ({self.end:g} s) is not after start ({self.start:g} s)")
        return self


@cache
def leaves() -> dict[str, Mapping[str, Any]]:
    """Every dotted key with the JSON Schema of its value, in the order of the models."""
    schema = Config.model_json_schema()
    found: dict[str, Mapping[str, Any]] = {}
    for name, body in schema["properties"].items():
        if "$ref" in body:
            inner = schema["$defs"][body["$ref"].rsplit("/", 1)[1]]["properties"]
            found |= {f"{name}.{key}": value for key, value in inner.items()}
        else:
            found[name] = body
    return found


def allowed(key: str) -> str:
    """What a setting takes, in words: "an integer (at least 1), or null"."""
    schema = leaves()[key]
    return ", or ".join(_in_words(option) for option in schema.get("anyOf", [schema]))


def choices(key: str) -> tuple[str, ...]:
    """The names that a setting chooses from; empty where it is no choice."""
    return tuple(leaves()[key].get("enum", ()))


def is_section(key: str) -> bool:
    """Whether `key` is a group of settings."""
    return any(leaf.startswith(f"{key}.") for leaf in leaves())


def _in_words(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    bounds = ", ".join(f"{word} {schema[key]:g}" for key, word in BOUNDS.items() if key in schema)
    return NOUNS[schema["type"]] + (f" ({bounds})" if bounds else "")
