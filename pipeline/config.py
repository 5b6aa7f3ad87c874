"""Every setting and its default, in one place; YAML files, `--set` and flags hold differences."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Style = Literal["heatmap", "contour", "boxes", "side-by-side", "none"]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ModelConfig(Section):
    """The network and how its maps are made."""

    name: str = Field("mc3_18", description="a name that `camreel models` lists, FILE.safetensors, or package.module:factory")
    weights: str = Field("default", description="a weights name, a file, or random (seeded; for benchmarks and tests only)")
    method: Literal["auto", "cam", "gradcam", "hirescam", "gradcam++", "xgradcam", "layercam"] = Field(
        "auto", description="CAM method; auto: cam where the head is pooling and a linear layer, gradcam elsewhere"
    )
    size: int | None = Field(None, ge=16, description="short side for the scores in pixels; null: as trained")
    map_size: int | None = Field(None, ge=16, description="short side for the maps in pixels; null: that of the scores")
    clip_len: int | None = Field(None, ge=1, description="samples per clip; null: the network's")
    stride: int | None = Field(None, ge=1, description="samples between clips; null: half a clip, or a clip where it tiles exactly")
    batch: int | None = Field(None, ge=1, description="clips per forward pass; null: by device")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 where it is faster and its maps agree with float32 to 1 %, measured at the start"
    )
    seed: int = Field(0, ge=0, description="of random weights")
    trust_pickle: bool = Field(False, description="accept .pt files as checkpoints (still read with weights_only)")


class SmoothConfig(Section):
    """Smoothing of the maps and logits in time."""

    name: Literal["none", "gaussian", "ema", "flow"] = "flow"
    seconds: float = Field(0.2, gt=0, le=10, description="time constant: sigma of gaussian, tau of ema and flow")
    causal: bool = Field(False, description="flow: look back only, for live use")


class LocalizeConfig(Section):
    """Which actions are reported, and where."""

    classes: tuple[str, ...] = Field((), description="only these, by name or id; empty: the top k of each frame")
    top_k: int = Field(3, ge=1)
    min_score: float = Field(0.1, ge=0, le=1, description="least score of a reported action")
    threshold: float | None = Field(None, gt=0, lt=1, description="saliency from which boxes are cut; null: the checkpoint's, else 0.5")
    min_area: float = Field(0.001, ge=0, lt=1, description="least area of a box as a share of the picture")
    refine: Literal["none", "guided"] = Field("none", description="guided: sharpen the maps along the picture's edges")


class LinkConfig(Section):
    """Tubes in space, segments in time."""

    iou: float = Field(0.3, gt=0, le=1, description="least overlap of a box with the last one of its tube")
    gap: float = Field(0.5, ge=0, description="seconds without evidence that a tube or segment survives")
    enter: float = Field(0.5, gt=0, le=1, description="score that starts a segment")
    leave: float = Field(0.3, gt=0, le=1, description="score under which it ends")
    min_length: float = Field(0.2, ge=0, description="seconds a segment lasts at least")


class VideoConfig(Section):
    """The annotated video."""

    style: Style = "heatmap"
    codec: Literal["auto", "libx264", "h264_nvenc", "h264_qsv", "h264_amf", "libx265", "libsvtav1"] = Field(
        "auto", description="auto: a hardware H.264 encoder that passes a trial, else libx264"
    )
    crf: int = Field(23, ge=0, le=51)
    preset: str = "veryfast"
    audio: bool = True
    opacity: float = Field(0.6, ge=0, le=1, description="of the heat where the evidence is full")


class Config(Section):
    model: ModelConfig = ModelConfig()
    smooth: SmoothConfig = SmoothConfig()
    localize: LocalizeConfig = LocalizeConfig()
    link: LinkConfig = LinkConfig()
    video: VideoConfig = VideoConfig()
    start: float | None = Field(None, ge=0, description="seconds of the source to begin at")
    end: float | None = Field(None, gt=0, description="seconds of the source to stop at")
