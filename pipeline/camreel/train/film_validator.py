"""How good the averaged network is on films that it never learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32
from camreel.train.interfaces import Batch
from camreel.train.replay_buffer import join

if TYPE_CHECKING:
    from camreel.train.film_learner import Learner

AT_ONCE = 8
"""Clips of a batch."""


class Exam:
    """Figures on clips held out.

    Args:
        clips: batches of one clip, of several sizes.
    """

    def __init__(self, clips: Sequence[Batch]) -> None:
        sizes = sorted({clip.pictures.shape for clip in clips})
        groups = [[clip for clip in clips if clip.pictures.shape == size] for size in sizes]
        self._batches = [join(group[at : at + AT_ONCE]) for group in groups for at in range(0, len(group), AT_ONCE)]

    def __call__(self, learner: Learner) -> dict[str, float]:
        """Mean average precision, share of windows whose one class is first, and loss."""
        found = [learner.examine(batch) for batch in self._batches]
        logits = _flat([logits.numpy() for logits, _ in found])
        targets, weights = (_flat([getattr(batch, name) for batch in self._batches]) for name in ("targets", "weights"))
        counts = [len(batch.pictures) for batch in self._batches]
        loss = float(np.average([loss for _, loss in found], weights=counts))
        return {
            "map": mean_average_precision(logits, targets, weights),
            "top1": first(logits, targets, weights),
            "loss": loss,
        }


def mean_average_precision(logits: F32, targets: F32, weights: F32) -> float:
    """Mean over the classes that occur of the average precision, from windows [N, C] that count."""
    columns = zip(logits.T, targets.T > 0, weights.T > 0, strict=True)
    found = [_average_precision(score[counts], happens[counts]) for score, happens, counts in columns if happens.any()]
    return float(np.mean(found)) if found else 0.0


def first(logits: F32, targets: F32, weights: F32) -> float:
    """Of the windows [N, C] with one class and no doubt, the share in which that class has the highest logit."""
    clear = (targets.sum(axis=1) == 1) & (weights > 0).all(axis=1)
    return float((logits[clear].argmax(axis=1) == targets[clear].argmax(axis=1)).mean()) if clear.any() else 0.0


def _average_precision(scores: F32, happens: NDArray[np.bool_]) -> float:
    ordered = happens[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ordered)
    return float((hits / np.arange(1, len(hits) + 1))[ordered].mean())


def _flat(parts: Sequence[F32]) -> F32:
    """[B, W, C] of several batches as [N, C]."""
    return np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
