"""Options of the annotated video and of recordings. Importable without OpenCV and PyAV."""

from __future__ import annotations

from pydantic import Field

from camreel.options import Options, one_of

STYLES = ("heatmap", "contour", "boxes", "side-by-side", "none")
"""Styles of the annotated picture; `camreel.overlay.annotate.Overlay` draws them."""
CODECS = ("auto", "libx264", "h264_nvenc", "h264_qsv", "h264_amf", "libx265", "libsvtav1")
"""Encoders by FFmpeg's names, and `auto`."""


class VideoOptions(Options):
    """The annotated video."""

    style: one_of(STYLES) = Field(default="heatmap", description="what is drawn")  # type: ignore[valid-type]
    codec: one_of(CODECS) = Field(  # type: ignore[valid-type]
        default="auto", description="auto: a hardware H.264 encoder that passes a trial, else libx264"
    )
    crf: int = Field(
        default=23, ge=0, le=51, description="quality of the picture: smaller is better and larger on disk"
    )
    preset: str = Field(default="veryfast", description="the encoder's speed preset")
    audio: bool = Field(default=True, description="carry the source's audio over")
    opacity: float = Field(default=0.6, ge=0, le=1, description="opacity of the heat where the evidence is full")
