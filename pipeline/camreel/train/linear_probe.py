"""The linear probe: a multinomial logistic regression on the embeddings of a frozen backbone, used as its new head.

The head is a linear layer on the mean of all cells, so that the maps of the new classes stay exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camreel.interfaces import LinearHead, Recognizer
from camreel.metrics.classification_report import macro_f1
from camreel.structures import F32, U8, Ints
from camreel.train.dataset import LabeledClip

F64 = NDArray[np.float64]

WEIGHT_DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Strengths of the weight decay that are tried."""
FOLDS = 5
"""Folds of the cross-validation that chooses the weight decay."""
MAX_ITERATIONS = 500
"""Maximum number of iterations of L-BFGS."""
TOLERANCE = 1e-8
"""Largest entry of the gradient at which L-BFGS stops."""


WINDOW_SAMPLES = 16
"""Samples of a window of networks that give every sample a map of its own."""
WINDOW_STEP = 4
"""Samples from one such window to the next."""
Backbone = Callable[[Tensor], Tensor]
"""Map normalized clips [B, 3, T, H, W] to the last feature maps [B, K, T', h, w]."""


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A linear head: logits = embeddings @ weight.T + bias."""

    weight: F32
    """[C, K]."""
    bias: F32
    """[C]."""

    def logits(self, embeddings: F32) -> F32:
        """Map embeddings [N, K] to logits [N, C]."""
        return embeddings @ self.weight.T + self.bias

    def scaled(self, factor: float) -> LinearProbe:
        """Return the head whose logits are `factor` times as large."""
        return LinearProbe(self.weight * np.float32(factor), self.bias * np.float32(factor))


def fit_probe(
    clips: Sequence[ClipEmbeddings], classes: Sequence[str], weight_decay: float, mirror: bool
) -> LinearProbe:
    """Fit a multinomial logistic regression on windows; every class has the same weight, and in it every clip.

    Args:
        clips: training clips.
        classes: class names.
        weight_decay: factor of the squared weights of standardized embeddings in the loss.
        mirror: train on the mirrored clips, too.
    """
    sides = [(clip, side) for clip in clips for side in ((clip.plain, clip.mirrored) if mirror else (clip.plain,))]
    x = np.concatenate([side for _, side in sides])
    labels = np.array([classes.index(clip.clip.label) for clip, _ in sides])
    counts = np.bincount(labels, minlength=len(classes))
    weights = np.concatenate(
        [np.full(len(side), 1 / len(side) / counts[c]) for (_, side), c in zip(sides, labels, strict=True)]
    )
    targets = np.repeat(labels, [len(side) for _, side in sides])
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-5
    weight, bias = _regress((x - mean) / std, targets, weights / weights.sum(), len(classes), weight_decay)
    weight = weight / std
    return LinearProbe(np.asarray(weight, np.float32), np.asarray(bias - weight @ mean, np.float32))


def _regress(x: F32, targets: Ints, weights: F64, classes: int, weight_decay: float) -> tuple[F64, F64]:
    """Minimize the weighted cross-entropy plus `weight_decay` times the squared weights; the bias is not decayed.

    Args:
        x: standardized embeddings [N, K].
        targets: class ids [N]; every class occurs.
        weights: weights of the rows [N]; their sum is 1.
        classes: number of classes.
        weight_decay: factor of the squared weights.

    Returns:
        Weight [C, K] and bias [C].
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # scikit-learn minimizes loss + |w|^2 / (2 C). For two classes its w is the difference of the two rows, w = 2 v
    # with rows -v and v, whose squares add up to |w|^2 / 2.
    binary = classes == 2
    inverse = weight_decay if binary else 2 * weight_decay
    model = LogisticRegression(C=1 / inverse, tol=TOLERANCE, max_iter=MAX_ITERATIONS)
    # Threads of the BLAS cost far more than they gain in the many small steps: .3 instead of 4 to 10 s for 588 x 1280
    # embeddings on 2 busy cores. And with one thread the result does not depend on the number of cores.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # After so many iterations the error is far below the rounding of the embeddings.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x.astype(np.float64), targets, sample_weight=weights)
    if binary:
        return np.concatenate([-model.coef_, model.coef_]) / 2, np.concatenate(
            [-model.intercept_, model.intercept_]
        ) / 2
    return np.asarray(model.coef_), np.asarray(model.intercept_)


def choose_weight_decay(
    clips: Sequence[ClipEmbeddings], classes: Sequence[str], mirror: bool, seed: int
) -> tuple[float, float]:
    """Choose the weight decay by cross-validation over folds of whole groups.

    Args:
        clips: training clips; held-out clips must not be among them.
        classes: class names.
        mirror: train on the mirrored clips, too.
        seed: seed of the folds.

    Returns:
        The weight decay with the best macro-F1, and that macro-F1.
    """
    groups = sorted({clip.clip.group for clip in clips})
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of = dict(zip((groups[i] for i in order), np.arange(len(groups)) % FOLDS, strict=True))
    folds = [[clip for clip in clips if fold_of[clip.clip.group] == fold] for fold in range(min(FOLDS, len(groups)))]
    scores = {decay: _cross_validate(folds, classes, decay, mirror) for decay in WEIGHT_DECAYS}
    best = max(WEIGHT_DECAYS, key=lambda decay: scores[decay])
    return best, scores[best]


def _cross_validate(
    folds: Sequence[Sequence[ClipEmbeddings]], classes: Sequence[str], weight_decay: float, mirror: bool
) -> float:
    """Return the macro-F1 over all folds, each predicted by a head fitted on the others."""
    truth, predicted = [], []
    for held_out in folds:
        rest = [clip for fold in folds if fold is not held_out for clip in fold]
        if {clip.clip.label for clip in rest} != set(classes):
            continue
        probe = fit_probe(rest, classes, weight_decay, mirror)
        truth += [classes.index(clip.clip.label) for clip in held_out]
        predicted += [int(probe.logits(clip.plain).mean(axis=0).argmax()) for clip in held_out]
    return macro_f1(np.array(predicted), np.array(truth)) if truth else 0.0


@dataclass(frozen=True, slots=True)
class ClipEmbeddings:
    """The embeddings of a clip's windows."""

    clip: LabeledClip
    plain: F32
    """[N, K]."""
    mirrored: F32
    """The same of the clip mirrored left to right [N, K]."""


def normalize(pictures: U8, network: Recognizer, device: str) -> Tensor:
    """Convert RGB [B, T, H, W, 3] to the normalized input [B, 3, T, H, W] of a network."""
    mean, std = (torch.tensor(values, device=device)[:, None, None, None] for values in (network.mean, network.std))
    x = torch.from_numpy(pictures).to(device).permute(0, 4, 1, 2, 3).float().div_(255)
    return (x - mean) / std


def pool(maps: Tensor, linear: LinearHead) -> Tensor:
    """Return the means [B, K] of the cells of feature maps [B, K, T', h, w], weighted as in the network's head."""
    maps = maps.float()
    if linear.pooling_weight is not None:
        maps = maps * linear.pooling_weight((maps.shape[2], maps.shape[3], maps.shape[4])).to(maps)
    return maps.mean((2, 3, 4))


@torch.inference_mode()
def embed(pictures: U8, network: Recognizer, backbone: Backbone, device: str) -> F32:
    """Return the embeddings [N, K] of the windows of a clip.

    Args:
        pictures: RGB [T, H, W, 3].
        network: network with a linear head; its normalization, clip length and pooling are used.
        backbone: backbone to run, on the device.
        device: device of the backbone.

    Example:
        >>> embed(pictures, network, lambda x: network.features(x).maps, "cpu").shape
        (9, 256)
    """
    x = normalize(pictures[None], network, device)
    if network.geometry.margin:
        each = backbone(x)[0].float().mean((2, 3)).T
        found = torch.stack([window.mean(0) for window in _windows(each, WINDOW_SAMPLES, WINDOW_STEP)])
    else:
        linear, length = network.linear, network.clip_len
        assert linear is not None
        clips = _windows(_extend(x[0].transpose(0, 1), length), length, max(1, length // 2))
        found = torch.cat([pool(backbone(clip.transpose(0, 1)[None]), linear) for clip in clips])
    return np.asarray(found.cpu().numpy(), np.float32)


def _windows(items: Tensor, length: int, step: int) -> Iterator[Tensor]:
    """Yield the parts [length, ...] of items [T, ...]; one shorter part if there are fewer items."""
    starts = range(0, max(1, len(items) - length + 1), step)
    return (items[start : start + length] for start in starts)


def _extend(pictures: Tensor, length: int) -> Tensor:
    """Repeat the last of the pictures [T, ...] until there are `length`."""
    lack = length - len(pictures)
    return pictures if lack <= 0 else torch.cat([pictures, pictures[-1:].expand(lack, *pictures.shape[1:])])
