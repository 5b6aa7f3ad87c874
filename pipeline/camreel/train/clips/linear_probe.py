"""The head: a linear layer on the mean of all cells, so that the maps of the new classes stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from camreel.structures import F32
from camreel.train.clips.embeddings import Vectors

DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Strengths of the weight decay that are tried."""
FOLDS = 5
ROUNDS = 200
"""Of L-BFGS at most."""
TEMPERATURES = np.geomspace(0.25, 8, 61)


@dataclass(frozen=True, slots=True)
class Head:
    """logits = vectors @ weight.T + bias."""

    weight: F32
    """[C, K]"""
    bias: F32
    """[C]"""

    def logits(self, vectors: F32) -> F32:
        """[N, K] to [N, C]."""
        return vectors @ self.weight.T + self.bias

    def scaled(self, factor: float) -> Head:
        """The head with logits `factor` times as large."""
        return Head(self.weight * np.float32(factor), self.bias * np.float32(factor))


def fit_head(clips: Sequence[Vectors], classes: Sequence[str], decay: float, mirror: bool) -> Head:
    """Multinomial logistic regression on windows; every class weighs the same, and in it every clip.

    Args:
        clips: to learn from.
        classes: names.
        decay: of the weights of standardised vectors.
        mirror: learn from the mirrored clips, too.
    """
    sides = [(clip, side) for clip in clips for side in ((clip.plain, clip.mirrored) if mirror else (clip.plain,))]
    x = np.concatenate([side for _, side in sides])
    labels = np.array([classes.index(clip.example.label) for clip, _ in sides])
    counts = np.bincount(labels, minlength=len(classes))
    weights = np.concatenate(
        [np.full(len(side), 1 / len(side) / counts[c]) for (_, side), c in zip(sides, labels, strict=True)]
    )
    targets = np.repeat(labels, [len(side) for _, side in sides])
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-5
    weight, bias = _regress((x - mean) / std, targets, weights / weights.sum(), len(classes), decay)
    weight = weight / std
    return Head(np.asarray(weight, np.float32), np.asarray(bias - weight @ mean, np.float32))


def _regress(
    x: F32, targets: NDArray[np.int64], weights: NDArray[np.float64], classes: int, decay: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inputs, wanted, shares = torch.from_numpy(x).double(), torch.from_numpy(targets), torch.from_numpy(weights)
    weight = torch.zeros(classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        each = functional.cross_entropy(inputs @ weight.T + bias, wanted, reduction="none")
        loss = (shares * each).sum() + decay * (weight**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach().numpy(), bias.detach().numpy()


def choose_decay(clips: Sequence[Vectors], classes: Sequence[str], mirror: bool, seed: int) -> tuple[float, float]:
    """The decay with the best macro-F1 over folds of whole groups, and that figure. The clips held out have no say."""
    groups = sorted({clip.example.group for clip in clips})
    fold_of = dict(
        zip(
            (groups[i] for i in np.random.default_rng(seed).permutation(len(groups))),
            np.arange(len(groups)) % FOLDS,
            strict=True,
        )
    )
    folds = [[clip for clip in clips if fold_of[clip.example.group] == fold] for fold in range(min(FOLDS, len(groups)))]
    scores = {decay: _over_folds(folds, classes, decay, mirror) for decay in DECAYS}
    best = max(DECAYS, key=lambda decay: scores[decay])
    return best, scores[best]


def _over_folds(folds: Sequence[Sequence[Vectors]], classes: Sequence[str], decay: float, mirror: bool) -> float:
    truth, said = [], []
    for held in folds:
        rest = [clip for fold in folds if fold is not held for clip in fold]
        if {clip.example.label for clip in rest} != set(classes):
            continue
        head = fit_head(rest, classes, decay, mirror)
        truth += [classes.index(clip.example.label) for clip in held]
        said += [int(head.logits(clip.plain).mean(axis=0).argmax()) for clip in held]
    return macro_f1(np.array(said), np.array(truth), len(classes)) if truth else 0.0


def macro_f1(said: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> float:
    """F1 of each class that there is, averaged."""
    found = [
        2 * int(((said == c) & (truth == c)).sum()) / (int((said == c).sum()) + int((truth == c).sum()))
        for c in range(classes)
        if (truth == c).any()
    ]
    return float(np.mean(found))


def temperature(logits: F32, truth: NDArray[np.int64]) -> float:
    """By how much logits [N, C] must be divided so that their softmax is as likely as possible (Guo et al. 2017)."""
    wide = logits.astype(np.float64)

    def loss(value: float) -> float:
        scaled = wide / value
        scaled -= scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(truth)), truth]
        return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())

    return float(min(TEMPERATURES, key=loss))
