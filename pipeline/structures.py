"""The nouns that travel through the flow. Read them in order: each stage turns one into the next.

Coordinates are pixels of the displayed picture (rotation applied), x right, y down, with pixel centres on integers.
Arrays say their shape in brackets: C classes of the network, S mapped classes, T samples, T' time slices, h x w cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

Matrix = Literal["bt601", "bt709", "bt2020"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture as planar 8-bit YUV 4:2:0, rotation applied.

    The planes may be views of memory that the decoder still reads: never write to them.
    """

    y: U8
    """Luma [H, W]."""
    u: U8
    """Blue chroma [ceil(H/2), ceil(W/2)]."""
    v: U8
    """Red chroma [ceil(H/2), ceil(W/2)]."""
    matrix: Matrix = "bt601"
    full_range: bool = False

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.y.shape[0])


@dataclass(frozen=True, slots=True)
class ColorTags:
    """The source's colour description as the integers of ITU-T H.273, passed on to the output (2: unspecified)."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """A stream beside the picture (audio) whose packets ride along on the frames."""

    index: int
    """Stream index in the source; `packet.stream_index` of the packets that belong to it."""
    kind: str
    codec: str
    template: Any = field(repr=False)
    """The demuxer's stream object, from which a sink makes its own."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a source knows of itself before the first frame."""

    uri: str
    """As the user named it, without credentials."""
    width: int
    """Of the displayed picture, in pixels."""
    height: int
    rotation: int
    """Degrees counter-clockwise by which the stored picture was turned for display: 0, 90, 180 or 270."""
    time_base: Fraction
    """Seconds per unit of `pts`."""
    average_rate: Fraction | None
    """Frames per second as the container claims; never used as a clock."""
    frames: int | None
    """As the container claims."""
    duration: float | None
    """Seconds, as the container claims."""
    live: bool = False
    codec: str = ""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a displayed pixel over its height."""
    color: ColorTags = ColorTags()
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One source frame. The picture rides along to the end, so that no stage ever calls upstream."""

    index: int
    """Counted from 0; without gaps, but for frames of a live source that were dropped."""
    pts: int | None
    """Presentation time in `time_base` units, exactly the source's; None where the source has none."""
    time: float
    """Seconds from the source's zero, strictly increasing."""
    time_base: Fraction
    picture: Picture
    packets: tuple[Any, ...] = ()
    """Packets of the carried tracks that the source held before the next frame."""
    captured: float | None = None
    """`time.monotonic()` when it arrived; None: read from a file, which waits."""
    part: int = 0
    """Which connection to its source it came over, counted from 0; each may have another size."""
    tick: float = 0.0
    """Position on the network's clock, in samples (set by `sample`)."""
    samples: int = 0
    """How many ticks of the network's clock this frame answers; 0: the network does not see it (set by `sample`)."""
    inputs: tuple[U8, ...] = ()
    """The small RGB pictures [h, w, 3] for the network, where `samples` > 0: for the scores and, where the maps are made from
    another size, for the maps (set by `sample`)."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of a map lie on the displayed picture: cell (j, i) is centred at start + jump * (j, i)."""

    start: tuple[float, float]
    """(y, x) of the first cell's centre in pixels; may lie outside the picture."""
    jump: tuple[float, float]
    """(y, x) distance of neighbouring cells in pixels."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What the network sees at once: T samples on its clock, with every source frame of their span."""

    frames: tuple[Frame, ...]
    """All source frames of the span, also those that the network does not see."""
    sampled: tuple[int, ...]
    """For each of the T samples its position in `frames`."""
    start: int
    """Tick of the first sample."""
    valid: tuple[int, int]
    """Half-open range of samples whose activations count; the others are padding or margin."""
    settled: int
    """This many leading samples no later clip contains."""


@dataclass(frozen=True, slots=True)
class ClipActivation:
    """Signed maps and logits of a clip, in logits."""

    clip: Clip
    logits: F32
    """Of the clip [C]."""
    slice_logits: F32
    """Of each time slice [T', C]; their mean over the slices is `logits`."""
    classes: NDArray[np.int64]
    """Mapped class ids [S], ascending."""
    maps: F32
    """Signed activation maps [S, T', h, w]; mean over all cells plus bias is the logit."""
    start: float
    """Sample on which the first slice is centred."""
    jump: float
    """Samples between neighbouring slices."""
    grid: Grid
    error: float | None
    """Completeness: the largest |mean(map) + bias - logit| over the mapped classes, relative to max(1, |logit|); None where the
    method's maps do not add up to the logit by nature."""


@dataclass(frozen=True, slots=True)
class FrameActivation:
    """Signed maps and logits of one source frame."""

    frame: Frame
    logits: F32
    """[C]"""
    classes: NDArray[np.int64]
    """Mapped class ids [S], ascending."""
    maps: F32
    """Signed activation maps [S, h, w] in logits."""
    grid: Grid
    flow: F32 | None = None
    """From where in the frame before each pixel of a small picture came, (dx, dy) [H', W', 2]; None: not known (set by smoothers
    that need it)."""
    extent: F32 | None = None
    """How likely it is that anyone acts there, whatever it is, on cells that tile the picture [h', w'] in [0, 1] (set by
    `delimit`)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on one frame."""

    xyxy: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels; half-open and inside the picture."""
    score: float
    """Largest value inside of the map that it was cut from, times the action's score, in [0, 1]."""
    track: int | None = None
    """Id of the tube it belongs to (set by `link`)."""


@dataclass(frozen=True, slots=True)
class Action:
    """One class on one frame: how sure, and where."""

    class_id: int
    label: str
    score: float
    """After softmax or sigmoid, in [0, 1]."""
    logit: float
    saliency: F32 | None
    """[h, w] in [0, 1] on an absolute scale; None where the class has no map on this frame."""
    scale: float
    """Logits that a saliency of 1 stands for."""
    grid: Grid
    peak: tuple[float, float] | None
    """(x, y) of the strongest evidence on whoever acts, in pixels; None where there is none."""
    boxes: tuple[Box, ...]
    extent: F32 | None = None
    """What boxes are cut from: where those who do it are, on cells that tile the picture [h', w'] in [0, 1], relative to the most
    on this frame; None: the saliency."""


@dataclass(frozen=True, slots=True)
class Segment:
    """An action in time."""

    class_id: int
    label: str
    start: float
    """Seconds."""
    end: float
    """Seconds, exclusive."""
    score: float
    """Mean score over the segment."""


@dataclass(frozen=True, slots=True)
class Tube:
    """An action in space and time: boxes with the same track id."""

    track: int
    class_id: int
    label: str
    start: float
    end: float
    score: float


@dataclass(frozen=True, slots=True)
class Localization:
    """The answer for one source frame."""

    frame: Frame
    actions: tuple[Action, ...]
    """The top-k classes over the least score, best first."""
    ended: tuple[Segment | Tube, ...] = ()
    """What ended on or before this frame (set by `link`)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the first frame of a result."""

    source: VideoInfo
    model: str
    weights: str
    sha256: str | None
    frame_rate: float | None
    """Samples per second that the network sees; None: every frame."""
    classes: tuple[str, ...]
    method: str
    grid: tuple[int, int]
    """Cells (h, w) of the network's maps."""
    smoothing: str
    lag: float
    """Seconds by which the smoothing looks ahead."""
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames, conserved: decoded = written + dropped."""

    decoded: int
    written: int
    dropped: int
    corrupt: int
    """Packets that could not be decoded."""
    inferred: int
    """Frames that the network saw."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands after the last frame of a result."""

    frames: Counts
    segments: tuple[Segment, ...]
    tracks: tuple[Tube, ...]
    completeness_error: float | None
    stages: Mapping[str, float]
    """Wall seconds that each stage was busy."""
    fallbacks: tuple[str, ...]
    """What was done otherwise than asked for, in the order it happened."""
