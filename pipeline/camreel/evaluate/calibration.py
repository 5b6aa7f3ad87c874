"""Scores of which 0.5 is the best place to say yes, and the saliency from which boxes are best; both go into the checkpoint.

Chosen on validation videos through the whole product, smoothing included.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from camreel.config.schema import Config
from camreel.evaluate.collector import Network, Observation, Scores
from camreel.evaluate.datasets import DATA
from camreel.evaluate.runner import OnProgress, Survey
from camreel.evaluate.summary import summarize
from camreel.evaluate.thresholds import BOX_CANDIDATES, MOST_FALSE, choose_box
from camreel.flow import load_recognizer
from camreel.metrics.frames import false_signal
from camreel.models import checkpoint
from camreel.structures import F32

PRICES = (0.0, *np.geomspace(0.1, 1000, 41))
"""What a falsely signalled share of the idle frames costs, in F1: the first that keeps false signals rare is taken."""
SCALES = np.geomspace(0.1, 10, 101)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes scores mean something: logit' = scale * logit + bias."""

    scale: F32
    """[C]"""
    bias: F32
    """[C]"""
    threshold: float
    """Saliency from which boxes are cut."""
    metrics: Mapping[str, float]
    """On the validation videos, with a class active from 0.5 on."""


def calibrate_scores(videos: Sequence[Scores]) -> tuple[F32, F32]:
    """The scale and bias [C] of the logits that make 0.5 the best score to say yes at.

    Every class gets the cut of its logits with the best frame F1, at the lowest price of false signals that keeps them under 1.5 %
    of the idle frames. One scale for all classes then makes the scores as likely as possible.

    Args:
        videos: logits and truth of multi-label validation videos.
    """
    logits = np.concatenate([video.logits for video in videos]).astype(np.float64)
    true, still = np.concatenate([video.true for video in videos]), np.concatenate([video.idle for video in videos])
    cuts = np.zeros(logits.shape[1])
    for price in PRICES:
        cuts = _cuts(logits, true, still, price)
        if not false_signal([logits >= cuts], [still]) > MOST_FALSE:
            break
    centred = logits - cuts
    losses = [np.logaddexp(0, np.where(true, -1, 1) * scale * centred).mean() for scale in SCALES]
    scale = np.full(len(cuts), SCALES[int(np.argmin(losses))])
    return scale.astype(np.float32), (-scale * cuts).astype(np.float32)


def _cuts(logits: np.ndarray, true: np.ndarray, still: np.ndarray, price: float) -> np.ndarray:
    """The best cut of every class [C]; classes that never occur take the middle one of the others."""
    occurs = np.asarray(true.any(axis=0))
    cuts = np.array([_cut(logits[:, c], true[:, c], still, price) if occurs[c] else np.nan for c in range(len(occurs))])
    return np.where(occurs, cuts, np.median(cuts[occurs]) if occurs.any() else 0.0)


def _cut(logits: np.ndarray, true: np.ndarray, still: np.ndarray, price: float) -> float:
    """The logit, midway between two that occur, with the best F1 less the price of idle frames above it."""
    order = np.argsort(-logits, kind="stable")
    values = logits[order]
    hits, wrong = np.cumsum(true[order]), np.cumsum(still[order]) / max(1, int(still.sum()))
    worth = 2 * hits / (np.arange(1, len(values) + 1) + true.sum()) - price * wrong
    worth[:-1][np.diff(values) == 0] = -np.inf
    best = int(worth.argmax())
    return float(values[best] if best + 1 == len(values) else values[best : best + 2].mean())


def fold_calibration(tensors: Mapping[str, Any], scale: F32, bias: F32, layer: str = "classifier") -> dict[str, Any]:
    """A network's tensors with the calibration in its last layer; maps and logits still add up, as both are linear in it.

    Args:
        tensors: a state dict.
        scale: [C]
        bias: [C]
        layer: name of the linear layer (or 1x1 convolution).
    """
    weight, old = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
    factor = weight.new_tensor(scale.tolist())
    rows = factor.reshape(-1, *[1] * (weight.ndim - 1))
    return {**tensors, f"{layer}.weight": weight * rows, f"{layer}.bias": old * factor + old.new_tensor(bias.tolist())}


def calibrate(
    path: Path,
    *,
    layer: str = "classifier",
    data: str = "figures",
    videos: int = 6,
    config: Config | None = None,
    on_progress: OnProgress | None = None,
) -> Calibration:
    """Calibrates a checkpoint and writes it again in its place: scores first, then the boxes of the network with the new scores.

    Args:
        path: a `.safetensors` checkpoint of a multi-label network.
        layer: name of its last layer.
        data: whose validation videos are used.
        videos: of every split.
        config: how the network is run; its network and thresholds do not matter.
        on_progress: hears how far it is.

    Raises:
        ModelError: the checkpoint cannot be read, or does not know the classes.
        OutputError: it cannot be written.
    """
    config = config or Config()
    cases = DATA[data].validation(None, videos)
    tensors, metadata, _ = checkpoint.read(path)
    survey = Survey(on_progress, 2 * sum(case.seconds for case in cases))

    def look(file: Path) -> list[Observation]:
        used = config.with_model(str(file), "default")
        return survey.run(cases, {"model": Network(load_recognizer(used), used)}, {"model": BOX_CANDIDATES})["model"]

    scale, bias = calibrate_scores([video.scores for video in look(path) if video.scores is not None])
    folded = fold_calibration(tensors, scale, bias, layer)
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / path.name
        checkpoint.save(file, folded, metadata)
        seen = look(file)
    places = [video.places for video in seen]
    threshold = choose_box(places)
    column = BOX_CANDIDATES.index(threshold)
    metrics = summarize([_with_column(video, column) for video in seen], 0.5)
    known = {name: round(value, 4) for name, value in metrics.items() if not math.isnan(value)}
    found = {**metadata.metrics, "validation": known}
    checkpoint.save(path, folded, metadata.model_copy(update={"threshold": threshold, "metrics": found}))
    return Calibration(scale, bias, threshold, known)


def _with_column(video: Observation, column: int) -> Observation:
    """An observation with the overlaps of boxes at one threshold alone; what was detected was so at another."""
    places = dataclasses.replace(video.places, ious=video.places.ious[:, column : column + 1])
    return dataclasses.replace(video, places=places, detected=None)
