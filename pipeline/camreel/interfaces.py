"""The protocols of everything that can be plugged in. Importable without torch.

A plug-in is one file plus one line in the dict of its room (`CAM_METHODS`, `SMOOTHERS`, `SOURCES`, `SINKS`, ...).
`camreel.testing` has a contract suite for each protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from camreel.structures import DisplayFrame, Frame, FrameActivation, Localization, Summary, VideoInfo

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Triple = tuple[float, float, float]
Ends = tuple[bool, bool]
"""Whether a stretch of samples starts where the video starts, and ends where the video ends."""
Note = Callable[[str], None]
"""Take a sentence about something that was done differently from the request."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Position of the cells of the last feature map in the network's input, per axis (t, y, x).

    Cell j is centered at input position start + jump * j, in samples and pixels with centers on integers.
    """

    start: Triple
    jump: Triple
    margin: int = 0
    """Samples at each end of a clip that temporal zero padding reaches, for networks that keep the time axis and have a
    short temporal receptive field. With these samples discarded, clips tile to the maps of the whole video. 0: each
    clip stands for itself."""


@dataclass(frozen=True, slots=True)
class Features:
    """Output of the backbone for a batch of clips."""

    maps: Tensor
    """Feature maps A [B, K, T', h, w], in the number format of the backbone."""
    context: Tensor | None = None
    """Input of the head besides the maps (the class token of a transformer) [B, ...]."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Global average pooling and a linear layer: logit_c = mean_p sum_k w_ck m(p) A_k(p) + b_c."""

    weight: Tensor
    """w [C, K], float32."""
    bias: Tensor
    """b [C], float32."""
    pooling_weight: Callable[[tuple[int, int, int]], Tensor] | None = None
    """Return m for a grid (T', h, w): a tensor of that shape with mean 1, for pooling that is not uniform; None: 1."""


class StreamState(Protocol):
    """State of a network that sees a video sample by sample: what its layers keep of the samples before."""

    @classmethod
    def join(cls, states: Sequence[Any]) -> Self:
        """Stack states of equal shapes along the batch axis."""
        ...

    def split(self) -> Sequence[Self]:
        """Return the states of the single videos of a batch."""
        ...

    def update(self, other: Any, /) -> None:
        """Take over the content of another state."""
        ...

    @property
    def shapes(self) -> tuple[Any, ...]:
        """Key that must be equal for `join`."""
        ...


class Recognizer(Protocol):
    """A classification network split where its activation maps are read. Stateless between calls, safe in threads."""

    name: str
    weights: str
    """Origin of the weights, for people: "KINETICS400_V1", a file name, "random"."""
    sha256: str | None
    classes: tuple[str, ...]
    multilabel: bool
    """Scores are sigmoids of the logits; otherwise their softmax."""
    clip_len: int
    """Samples per clip in training; 1: an image network."""
    frame_rate: float | None
    """Samples per second in training; None: every frame."""
    size: int
    """Short side of the pictures in training, in pixels."""
    fixed_size: bool
    """The network accepts only clip_len pictures of size x size: the frame is fitted inside and the rest is padded."""
    mean: Triple
    """Mean of RGB in [0, 1] for normalization."""
    std: Triple
    """Standard deviation of RGB in [0, 1] for normalization."""
    threshold: float | None
    """Foreground level at which boxes are cut, calibrated with the checkpoint; None: not calibrated."""
    geometry: Geometry
    streams: bool
    """The network has `new_stream` and `forward_step`, so live video is processed sample by sample."""

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        """Run the backbone.

        Args:
            clips: normalized RGB [B, 3, T, H, W] on the recognizer's device, in its number format.
            keep: for networks with a margin: half-open range of samples to return, at least a margin away from each end
                of the clip that is not an end of the video. The maps hold only these samples.
        """
        ...

    def head(self, features: Features) -> Tensor:
        """Return the logits [B, C] in float32, differentiable with respect to `features.maps`."""
        ...

    @property
    def linear(self) -> LinearHead | None:
        """The head as weights if it is global average pooling and a linear layer, else None."""
        ...

    def to(self, device: str, dtype: torch.dtype = ...) -> None:
        """Move the network to a device and set the number format of the backbone, in which it then takes its clips.

        Weights are rounded from the originals each time, so returning to float32 loses nothing.
        """
        ...

    def new_stream(self) -> StreamState:
        """Return the empty state of a video of which no sample was seen."""
        ...

    def forward_step(self, samples: Tensor, state: Any, ends: Ends) -> Features:
        """Continue videos of which the samples before were seen.

        The maps of a video in steps equal those of the whole video; each is returned at most `margin` samples late.

        Args:
            samples: normalized RGB [B, 3, n, H, W] of the next n samples; at least margin + 1 where the videos start,
                and possibly 0 where they end.
            state: state of the same B videos, changed in place; empty where they start.
            ends: whether the videos start with these samples, and end with them.

        Returns:
            Features of the samples that became known with this step, in order.
        """
        ...


class CamMethod(Protocol):
    """A class activation map method: a class with static methods, or a module."""

    complete: bool
    """With a linear head, the map's mean over all cells plus the bias equals the logit."""

    def closed_form(self, maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Compute the maps of a linear head without a backward pass.

        Args:
            maps: A [B, K, T', h, w], float32.
            weight: w [S, K].
            pooling_weight: m [T', h, w]; None: 1.

        Returns:
            Signed maps [B, S, T', h, w] in logits.
        """
        ...

    def from_gradient(self, maps: Tensor, gradient: Tensor) -> Tensor:
        """Compute the maps from the gradient of the head.

        Args:
            maps: A [B, K, T', h, w], float32.
            gradient: d logit_s / d A, [S, B, K, T', h, w].

        Returns:
            Signed maps [B, S, T', h, w] in logits.
        """
        ...


class Smoother(Protocol):
    """Temporal smoothing. Keeps every frame in order, and never adds a class to a frame that does not map it."""

    lag: float
    """Seconds that the smoother looks ahead, and therefore holds frames back; 0: causal."""

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yield every activation, smoothed, as soon as the future that it needs is known."""
        ...


class Source(Protocol):
    """Frames in order, once. Close it, at any time and more than once, or use it in `with`.

    `close` frees the demuxer, and with it the memory behind `Track.template`: close a source after the sinks it feeds.
    """

    info: VideoInfo
    notes: list[str]
    """Run notes: what the source could not carry or had to change."""

    @property
    def corrupt(self) -> int:
        """Number of packets that could not be decoded so far."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame once; a second iterator continues where the first one stopped.

        Raises:
            InputError: reading failed and nothing more can come.
        """
        ...

    def close(self) -> None:
        """End the iteration and free everything; call it from the iterating thread, or after that stopped."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Sink(Protocol):
    """A result that is written frame by frame, under a partial name until it is closed."""

    notes: list[str]
    """Run notes: what was done differently from the request."""

    def write(self, localization: Localization) -> None:
        """Write the next frame.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def close(self, summary: Summary) -> None:
        """Finish the output and give it its final name.

        Raises:
            OutputError: it cannot be finished.
        """
        ...

    def abandon(self) -> None:
        """Make the partial file valid after an error. Never raises; may follow `close`."""
        ...


class DisplaySink(Protocol):
    """A receiver of live pictures: a window, the browser page, a recording, a stream to a server."""

    notes: list[str]
    """Run notes: what was done differently from the request."""

    def show(self, shown: DisplayFrame) -> None:
        """Take the next picture. Never waits for the receiver.

        Raises:
            OutputError: the output is broken.
        """
        ...

    def close(self) -> None:
        """Finish the output; may be called again.

        Raises:
            OutputError: it cannot be finished.
        """
        ...

    def abandon(self) -> None:
        """After an error: make what was written so far valid. Never raises; may follow `close`."""
        ...
