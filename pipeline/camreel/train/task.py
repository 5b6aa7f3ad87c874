"""The protocol between the trainer and what it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from torch import Tensor, nn

from camreel.models.checkpoint import Metadata
from camreel.structures import U8
from camreel.train.optimizer import Optimizer


class Batch(Protocol):
    """Clips with labels; the labels are the task's own business."""

    @property
    def pictures(self) -> U8:
        """RGB [B, T, H, W, 3]."""
        ...


B = TypeVar("B", bound=Batch)


class Task(Protocol[B]):
    """A kind of training: its network, batches, loss, optimizer and validation.

    `Trainer` calls `draw`, `loss` and `optimizer.step` for every step, `validate` from time to time, and `checkpoint`
    when the checkpoint is written.
    """

    half: bool
    """Compute the feature maps in bfloat16."""

    @property
    def net(self) -> nn.Module:
        """Network that is trained in place, on its device, in the mode (train or eval) in which it learns."""
        ...

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Parameters that learn, by their name in `net`."""
        ...

    @property
    def optimizer(self) -> Optimizer:
        """Optimizer of the parameters."""
        ...

    @property
    def advice(self) -> str:
        """Advice if the training diverges: the last line of the error."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """Position in the data, saved for a run that resumes."""
        ...

    def restore_counters(self, counters: Mapping[str, int]) -> None:
        """Continue from a saved position in the data."""
        ...

    def draw(self, step: int, share: float) -> B:
        """Return the batch of a step.

        Args:
            step: counted from 0; all random choices depend on it and the seed alone.
            share: share of the training that is over, in [0, 1].
        """
        ...

    def epochs(self, step: int) -> float:
        """Return how many times a clip was drawn so far, on average."""
        ...

    def loss(self, net: nn.Module, batch: B) -> Tensor:
        """Return the differentiable loss [] of a network (`net` or a copy) on a batch."""
        ...

    def validate(self, average: nn.Module, step: int, elapsed: float, loss: float) -> dict[str, float]:
        """Measure the averaged network on held-out data.

        Args:
            average: the averaged network, in eval mode.
            step: number of steps so far.
            elapsed: seconds of training so far.
            loss: mean training loss since the last validation; NaN: there was none.

        Returns:
            An entry of the history: finite metrics by name; with early stopping, "epoch" is one of them.
        """
        ...

    def rank(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        """Return the sort key of a validation; the highest is the best."""
        ...

    def checkpoint(self, average: nn.Module, metrics: Mapping[str, float]) -> tuple[Mapping[str, Tensor], Metadata]:
        """Return tensors and metadata of the checkpoint.

        Args:
            average: the averaged network.
            metrics: the last entry of the history, with step and seconds of now.
        """
        ...
