"""The report of a training on labeled clips: results on the held-out clips, history, and the most confused clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FEW_CLIPS = 10
"""Number of held-out clips of a class below which its metrics are unreliable."""


@dataclass(frozen=True, slots=True)
class ClassResult:
    """Results of one class on the held-out clips."""

    name: str
    precision: float
    recall: float
    f1: float
    clips: int
    """Number of held-out clips of the class."""


@dataclass(frozen=True, slots=True)
class HeldOutResult:
    """Results of the trained network on the held-out clips."""

    classes: tuple[ClassResult, ...]
    confusion: Sequence[Sequence[int]]
    """Number of clips of each class (row) that were predicted as each class (column) [C, C]."""
    macro_f1: float
    interval: tuple[float, float]
    """95 % interval of the macro-F1 over groups of clips."""
    groups: int
    """Number of groups of clips (cameras, recordings, people)."""
    reliability: Sequence[tuple[float, float, int]]
    """Mean confidence, accuracy and number of clips of each bin of the confidence."""
    calibration_error: float
    """Expected calibration error."""

    @property
    def clips(self) -> int:
        """Number of held-out clips."""
        return sum(result.clips for result in self.classes)


@dataclass(frozen=True, slots=True)
class ConfusedClip:
    """A held-out clip that the trained network assigned to a wrong class."""

    path: Path
    label: str
    """True class."""
    predicted: str
    score: float
    """Score of the predicted class."""
    start: float | None = None
    """Seconds; None: the beginning of the file."""
    end: float | None = None
    """Seconds; None: the end of the file."""
    strips: Mapping[str, bytes] = field(default_factory=dict)
    """Class -> JPEG of some frames with the evidence for it (predicted class first)."""

    @property
    def title(self) -> str:
        """Name of the file, with the start of a part of it."""
        return self.path.name if self.start is None else f"{self.path.name} from {self.start:g} s"


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The result of a training."""

    checkpoint: Path
    held_out: HeldOutResult
    trained_clips: int
    """Number of clips that the network was trained on."""
    fold_macro_f1: float
    """Macro-F1 of the head alone, cross-validated on the training clips."""
    history: Sequence[Mapping[str, float]]
    """One entry per epoch, epoch 0 for the head alone: epoch, macro_f1, held_out_loss and, after epoch 0, loss."""
    skipped: tuple[str, ...]
    """Clips that could not be used, and why."""
    confused: tuple[ConfusedClip, ...] = ()

    @property
    def title(self) -> str:
        """Title of the page: the classes, or the checkpoint if there are many."""
        names = [result.name for result in self.held_out.classes]
        return f"camreel train: {', '.join(names) if len(names) < 6 else self.checkpoint.name}"

    def describe(self) -> Iterator[str]:
        """Yield the main facts, a sentence each."""
        result, (low, high) = self.held_out, self.held_out.interval
        yield (
            f"macro-F1 {result.macro_f1:.3f}; 95 % interval over the {result.groups} groups held out: "
            f"{low:.3f} to {high:.3f}"
        )
        yield (
            f"{self.trained_clips} clips to train on, {result.clips} held out; the best epoch was chosen on the "
            "held-out clips"
        )
        yield f"the head alone, over folds of groups of the training clips: macro-F1 {self.fold_macro_f1:.3f}"
        few = [f"{c.name} ({c.clips})" for c in result.classes if c.clips < FEW_CLIPS]
        if few:
            yield f"few held-out clips, so these results are unreliable: {', '.join(few)}"
        yield from (f"skipped: {text}" for text in self.skipped)
        yield f"checkpoint: {self.checkpoint.name}"
