"""The data that travels through the flow. Read the classes in order: each stage turns one into the next.

Coordinates are pixels of the displayed picture (rotation applied), x to the right, y down, pixel centers on integers.
Array shapes are written in brackets: C classes of the network, S mapped classes, T samples, T' time slices, h x w
cells, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Ints = NDArray[np.int64]

Matrix = Literal["bt601", "bt709", "bt2020"]
"""YCbCr conversion matrix (ITU-T H.273, MatrixCoefficients)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture as planar 8-bit YUV 4:2:0, rotation applied.

    The planes may be views of memory that the decoder still reads. Never write to them.
    """

    y: U8
    """Luma [H, W]."""
    u: U8
    """Blue-difference chroma [ceil(H/2), ceil(W/2)]."""
    v: U8
    """Red-difference chroma [ceil(H/2), ceil(W/2)]."""
    matrix: Matrix = "bt601"
    full_range: bool = False
    """Luma spans 0 to 255 instead of 16 to 235."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.y.shape[0])

    @property
    def nbytes(self) -> int:
        """Memory of the three planes in bytes."""
        return int(self.y.nbytes + self.u.nbytes + self.v.nbytes)


@dataclass(frozen=True, slots=True)
class ColorTags:
    """Color description of a source as ITU-T H.273 code points, passed on to the output (2: unspecified)."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """A stream beside the picture (audio) whose packets ride along on the frames."""

    index: int
    """Stream index in the source; equals `packet.stream_index` of the packets of this track."""
    kind: str
    codec: str
    template: Any = field(repr=False)
    """The demuxer's stream object, from which a sink creates the output stream."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Properties of a source that are known before the first frame."""

    uri: str
    """Path or address as the user gave it, without credentials."""
    width: int
    """Width of the displayed picture in pixels."""
    height: int
    """Height of the displayed picture in pixels."""
    rotation: int
    """Degrees counter-clockwise by which the stored picture was turned for display: 0, 90, 180 or 270."""
    time_base: Fraction
    """Seconds per unit of `pts`."""
    average_rate: Fraction | None
    """Frames per second according to the container; never used as a clock."""
    frames: int | None
    """Number of frames according to the container."""
    duration: float | None
    """Duration in seconds according to the container."""
    live: bool = False
    codec: str = ""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a displayed pixel divided by its height."""
    color: ColorTags = ColorTags()
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One source frame. The picture rides along to the sinks, so no stage ever calls upstream."""

    index: int
    """Position in the source, counted from 0; without gaps except where frames of a live source were dropped."""
    pts: int | None
    """Presentation time in `time_base` units, exactly as in the source; None where the source has none."""
    time: float
    """Seconds from the source's zero, strictly increasing."""
    time_base: Fraction
    picture: Picture
    packets: tuple[Any, ...] = ()
    """Packets of the carried tracks that lie between this frame and the next one in the source."""
    captured: float | None = None
    """`time.monotonic()` at arrival; None for frames read from a file, which waits."""
    part: int = 0
    """Number of the connection that the frame came over, from 0; the picture size may change with it."""
    tick: float = 0.0
    """Position on the network's clock, in samples (set by `sample`)."""
    samples: int = 0
    """Ticks of the network's clock for which this frame is the sample; 0: it is not sampled (set by `sample`)."""
    inputs: tuple[U8, ...] = ()
    """Small RGB pictures [h, w, 3] for the network where `samples` > 0: one for the scores and, if the maps use another
    size, one for the maps (set by `sample`)."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Position of map cells on the displayed picture: cell (j, i) is centered at start + jump * (j, i)."""

    start: tuple[float, float]
    """(y, x) of the first cell's center in pixels; may lie outside the picture."""
    jump: tuple[float, float]
    """(y, x) distance between neighboring cells in pixels."""


@dataclass(frozen=True, slots=True)
class Clip:
    """T samples on the network's clock, with every source frame of their span."""

    frames: tuple[Frame, ...]
    """All source frames of the span, including those that the network does not see."""
    sampled: tuple[int, ...]
    """For each of the T samples, its position in `frames`."""
    start: int
    """Tick of the first sample."""
    valid: tuple[int, int]
    """Half-open range of samples whose activations count; the others are padding or margin."""
    settled: int
    """Number of leading samples that no later clip contains."""


@dataclass(frozen=True, slots=True)
class ClipActivation:
    """Logits and signed activation maps of one clip, in logits."""

    clip: Clip
    logits: F32
    """Logits of the clip [C]."""
    slice_logits: F32
    """Logits of each time slice [T', C]; their mean over the slices is `logits`."""
    classes: Ints
    """Mapped class ids [S], ascending."""
    maps: F32
    """Signed activation maps [S, T', h, w]; mean over all cells plus bias equals the logit."""
    start: float
    """Sample at which the first slice is centered."""
    jump: float
    """Samples between neighboring slices."""
    grid: Grid
    error: float | None
    """Completeness error: the largest |mean(map) + bias - logit| over the mapped classes, relative to max(1, |logit|);
    None where the maps of the CAM method do not add up to the logit by definition."""


@dataclass(frozen=True, slots=True)
class FrameActivation:
    """Logits and signed activation maps of one source frame."""

    frame: Frame
    logits: F32
    """Logits [C]."""
    classes: Ints
    """Mapped class ids [S], ascending."""
    maps: F32
    """Signed activation maps [S, h, w] in logits."""
    grid: Grid
    flow: F32 | None = None
    """Optical flow back to the frame before, (dx, dy) per pixel of a small picture [H', W', 2]; None: not computed (set
    by smoothers that need it)."""
    foreground: F32 | None = None
    """Probability of an actor of any class, on cells that tile the picture [h', w'] (set by `foreground`)."""


@dataclass(frozen=True, slots=True)
class ClassSelection:
    """Classes to map and to report; shared by `recognize`, `select` and `localize`."""

    class_ids: tuple[int, ...] = ()
    """Restrict to these classes; empty: all classes of the network."""
    top_k: int = 3
    """Maximum number of classes reported per frame."""
    min_score: float = 0.1
    """Minimum score of a reported class."""
    picked: Callable[[], int | None] = lambda: None
    """Return a class to report whatever its score (the class that a viewer of a live run selected), or None."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on one frame."""

    xyxy: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels; half-open and inside the picture."""
    score: float
    """Largest value inside the box of the map it was cut from, times the action's score; in [0, 1]."""
    track: int | None = None
    """Id of the tube that the box belongs to (set by `link`)."""


@dataclass(frozen=True, slots=True)
class Action:
    """One class on one frame: its score and its location."""

    class_id: int
    label: str
    score: float
    """Probability after softmax or sigmoid."""
    logit: float
    saliency: F32 | None
    """Positive evidence [h, w] scaled to [0, 1] by an absolute unit; None where the class has no map on this frame."""
    scale: float
    """Logits that a saliency of 1 stands for."""
    grid: Grid
    peak: tuple[float, float] | None
    """(x, y) of the strongest evidence on the actor in pixels; None where there is no evidence."""
    boxes: tuple[Box, ...]
    foreground: F32 | None = None
    """Map that the boxes are cut from: the actors of this class, on cells that tile the picture [h', w'], relative to
    the maximum on this frame; None: boxes are cut from the saliency."""


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
    """An action in space and time: the boxes with the same track id."""

    track: int
    class_id: int
    label: str
    start: float
    """Seconds."""
    end: float
    """Seconds, exclusive."""
    score: float
    """Mean score of the boxes."""


@dataclass(frozen=True, slots=True)
class Localization:
    """The answer for one source frame."""

    frame: Frame
    actions: tuple[Action, ...]
    """The top-k classes above the minimum score, best first."""
    ended: tuple[Segment | Tube, ...] = ()
    """Segments and tubes that ended on or before this frame (set by `link`)."""


@dataclass(frozen=True, slots=True)
class Header:
    """Facts about a run that are known before the first frame."""

    source: VideoInfo
    model: str
    weights: str
    sha256: str | None
    frame_rate: float | None
    """Samples per second that the network sees; None: every frame."""
    classes: tuple[str, ...]
    method: str
    """CAM method."""
    grid: tuple[int, int]
    """Cells (h, w) of the network's maps."""
    smoothing: str
    lag: float
    """Seconds that the smoothing looks ahead."""
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """Frame counts. decoded = written + dropped always holds."""

    decoded: int
    written: int
    dropped: int
    corrupt: int
    """Packets that could not be decoded."""
    inferred: int
    """Frames that the network saw."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Facts about a run that are known after the last frame."""

    frames: Counts
    segments: tuple[Segment, ...]
    tracks: tuple[Tube, ...]
    completeness_error: float | None
    stages: Mapping[str, float]
    """Busy wall-clock seconds of each stage."""
    fallbacks: tuple[str, ...]
    """Run notes: everything that was done differently from the request, in the order it happened."""


@dataclass(frozen=True, slots=True)
class DisplayOptions:
    """What the viewer of a live picture chose to see."""

    class_id: int | None = None
    """Show only this class; None: the best classes."""
    least_score: float = 0.0
    """Minimum score of a drawn action."""
    opacity: float = 0.6
    """Opacity of the heat where the saliency is 1."""


@dataclass(frozen=True, slots=True)
class DisplayFrame:
    """A live picture as it is shown: the newest frame, annotated with the newest localization."""

    picture: Picture
    """Annotated picture of even size."""
    frame: Frame
    """The frame as it was captured."""
    localization: Localization | None
    """The newest localization, of this frame or an earlier one; None: there is none yet."""
    age: float | None
    """Seconds between the frame of the localization and this frame."""
