"""Options of the network. Importable without torch."""

from __future__ import annotations

from pydantic import Field

from camreel.cams import CAM_METHODS
from camreel.options import Options, one_of

METHODS = ("auto", *CAM_METHODS)
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


class ModelOptions(Options):
    """The network and how its maps are made."""

    name: str = Field(
        default="mc3_18", description="a name that `camreel models` lists, FILE.safetensors, or package.module:factory"
    )
    weights: str = Field(
        default="default", description="a weights name, a file, or random (seeded; for benchmarks and tests only)"
    )
    method: one_of(METHODS) = Field(  # type: ignore[valid-type]
        default="auto",
        description="CAM method; auto: cam where the head is pooling and a linear layer, gradcam elsewhere",
    )
    size: int | None = Field(default=None, ge=16, description="short side for the scores in pixels; null: as trained")
    map_size: int | None = Field(
        default=None, ge=16, description="short side for the maps in pixels; null: see map_scale"
    )
    map_scale: float = Field(
        default=1.0, ge=0.5, le=4, description="size for the maps, relative to that for the scores"
    )
    clip_len: int | None = Field(default=None, ge=1, description="samples per clip; null: the network's")
    stride: int | None = Field(
        default=None, ge=1, description="samples between clips; null: half a clip, or a clip where it tiles exactly"
    )
    batch: int | None = Field(default=None, ge=1, description="clips per forward pass; null: by device")
    device: one_of(DEVICES) = Field(  # type: ignore[valid-type]
        default="auto", description="where the network runs; auto: a GPU if there is one"
    )
    precision: one_of(PRECISIONS) = Field(  # type: ignore[valid-type]
        default="auto",
        description="auto: bfloat16 where it is faster and its maps agree with float32 to 1 %, measured at the start",
    )
    seed: int = Field(default=0, ge=0, description="seed of random weights")
    trust_pickle: bool = Field(
        default=False, description="accept .pt files as checkpoints (still read with weights_only)"
    )
