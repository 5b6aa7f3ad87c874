"""Options of the stages. Importable without NumPy and OpenCV, so that help and completion stay fast."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from camreel.options import Options, one_of
from camreel.stages.smooth import SMOOTHERS

BOX_SOURCES = ("evidence", "extent")
REFINEMENTS = ("none", "guided")


def parse_classes(value: Any) -> Any:
    """Convert class names or ids to a tuple of text; one text may hold several, between commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, list | tuple):
        return tuple(str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in value)
    return value


class SmoothOptions(Options):
    """Smoothing of the maps and logits in time."""

    name: one_of(SMOOTHERS) = Field(default="flow", description="flow: along the motion in the picture")  # type: ignore[valid-type]
    seconds: float = Field(
        default=0.25, gt=0, le=10, description="time constant: sigma of gaussian, tau of ema and flow"
    )


class LocalizeOptions(Options):
    """Which actions are reported, and where."""

    classes: Annotated[tuple[str, ...], BeforeValidator(parse_classes)] = Field(
        default=(), description="only these, by name or id; empty: the top k of each frame"
    )
    top_k: int = Field(default=3, ge=1, description="maximum number of actions reported per frame")
    min_score: float = Field(default=0.1, ge=0, le=1, description="minimum score of a reported action")
    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="level at which boxes are cut, as a share of the maximum extent (or saliency); null: the "
        "checkpoint's, else 0.7 (0.4)",
    )
    min_area: float = Field(default=0.001, ge=0, lt=1, description="minimum area of a box as a share of the picture")
    boxes: one_of(BOX_SOURCES) = Field(  # type: ignore[valid-type]
        default="extent",
        description="around the evidence alone, or around what moves or is evidence of anything near it",
    )
    refine: one_of(REFINEMENTS) = Field(  # type: ignore[valid-type]
        default="guided", description="guided: align the maps with the edges of the picture"
    )


class LinkOptions(Options):
    """Tubes in space, segments in time."""

    iou: float = Field(default=0.3, gt=0, le=1, description="minimum overlap of a box with the last box of its tube")
    gap: float = Field(default=0.5, ge=0, description="seconds without evidence that a tube or segment survives")
    enter: float = Field(default=0.5, gt=0, le=1, description="score that starts a segment")
    leave: float = Field(default=0.3, gt=0, le=1, description="score below which a segment ends; at most `enter`")
    min_length: float = Field(default=0.2, ge=0, description="minimum length of a segment in seconds")

    @model_validator(mode="after")
    def _check_hysteresis(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(
                f"link.leave ({self.leave:g}) is above link.enter ({self.enter:g}): a segment would end as it starts"
            )
        return self
