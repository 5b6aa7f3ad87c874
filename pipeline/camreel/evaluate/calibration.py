"""Thresholds chosen on validation videos, and the calibration of a checkpoint with them.

A calibrated checkpoint has scores for which 0.5 is the best threshold, and stores the saliency at which boxes are
best. Both are chosen on validation videos through the whole program, smoothing included; test videos are never used.
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
from camreel.evaluate.collector import EvaluatedNetwork, VideoResult
from camreel.evaluate.datasets import DataOptions, load_dataset
from camreel.evaluate.localization_scores import LocalizationScores
from camreel.evaluate.runner import EvalRunner, OnProgress
from camreel.evaluate.summary import summarize
from camreel.flow import load_recognizer
from camreel.metrics import F64, Bools
from camreel.metrics.frame_scores import FrameScores, false_signal, macro_f1
from camreel.metrics.localization import box_accuracy
from camreel.models import checkpoint
from camreel.structures import F32

BOX_CANDIDATES = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Candidates of the saliency at which boxes are cut."""
SCORE_CANDIDATES = tuple(round(0.02 * step, 2) for step in range(1, 50))
"""Candidates of the score from which a class is active."""
MAX_FALSE_SIGNAL = 0.015
"""Largest share of idle frames on which a class may be active."""
FALSE_SIGNAL_PENALTIES = (0.0, *np.geomspace(0.1, 1000, 41))
"""Penalties in F1 for a false signal on all idle frames; the first that keeps false signals rare is used."""
SCALE_CANDIDATES = np.geomspace(0.1, 10, 101)
"""Candidates of the factor of the logits."""
LAST_LAYER = "classifier"
"""Name of the last layer of a network that can be calibrated."""
VALIDATION_VIDEOS = 6
"""Validation videos of every split that a checkpoint is calibrated on."""


def choose_score(videos: Sequence[FrameScores]) -> float:
    """Return the score threshold with the best frame F1 among those with rare false signals; the highest if there is
    none."""
    true, idle = [video.true for video in videos], [video.idle for video in videos]

    def quality(threshold: float) -> tuple[bool, float]:
        active = [video.scores >= threshold for video in videos]
        # NaN (no idle frames) counts as rare.
        return not false_signal(active, idle) > MAX_FALSE_SIGNAL, macro_f1(active, true)

    best = max(SCORE_CANDIDATES, key=quality)
    return best if quality(best)[0] else SCORE_CANDIDATES[-1]


def choose_box(videos: Sequence[LocalizationScores], candidates: Sequence[float] = BOX_CANDIDATES) -> float:
    """Return the saliency with the best box accuracy, averaged over class-frames, then videos; without any, the
    middle one.

    Args:
        videos: scores with overlaps at every candidate.
        candidates: saliencies.
    """
    curves = [box_accuracy(video.ious) for video in videos if len(video.ious)]
    if not curves:
        return candidates[len(candidates) // 2]
    return candidates[int(np.mean(curves, axis=0).argmax())]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of a checkpoint: new logit = scale * logit + bias."""

    scale: F32
    """[C]"""
    bias: F32
    """[C]"""
    threshold: float
    """Saliency at which boxes are cut."""
    metrics: Mapping[str, float]
    """Metrics on the validation videos, with classes active from a score of 0.5."""


def calibrate(path: Path, config: Config | None = None, *, on_progress: OnProgress | None = None) -> Calibration:
    """Calibrate a checkpoint and replace its file: first the scores, then the boxes of the network with the new scores.

    Args:
        path: `.safetensors` checkpoint of a multi-label network.
        config: settings of the runs; its network and thresholds do not matter.
        on_progress: called after each frame; may raise KeyboardInterrupt.

    Raises:
        ModelError: the checkpoint cannot be read, or does not know the classes.
        OutputError: it cannot be written.

    Example:
        >>> calibrate(Path("network.safetensors")).metrics["frame_f1"]
    """
    config = config or Config()
    videos = load_dataset("figures").validation(DataOptions(videos=VALIDATION_VIDEOS))
    tensors, metadata, _ = checkpoint.read(path)
    runner = EvalRunner(on_progress, 2 * sum(video.seconds for video in videos))

    def run(file: Path) -> list[VideoResult]:
        used = config.with_model(str(file), "default")
        network = EvaluatedNetwork(load_recognizer(used), used)
        return runner.run(videos, {"model": network}, {"model": BOX_CANDIDATES})["model"]

    scale, bias = calibrate_scores([result.scores for result in run(path) if result.scores is not None])
    folded = fold_calibration(tensors, scale, bias)
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / path.name
        checkpoint.save(file, folded, metadata)
        results = run(file)
    threshold = choose_box([result.localization for result in results])
    column = BOX_CANDIDATES.index(threshold)
    metrics = summarize([_at_threshold(result, column) for result in results], 0.5)
    known = {name: round(value, 4) for name, value in metrics.items() if not math.isnan(value)}
    stored = {**metadata.metrics, "validation": known}
    checkpoint.save(path, folded, metadata.model_copy(update={"threshold": threshold, "metrics": stored}))
    return Calibration(scale, bias, threshold, known)


def _at_threshold(result: VideoResult, column: int) -> VideoResult:
    """Return a result with the overlaps of boxes at one threshold; its detections were cut at another, and are
    dropped."""
    localization = dataclasses.replace(result.localization, ious=result.localization.ious[:, column : column + 1])
    return dataclasses.replace(result, localization=localization, detections=None)


def calibrate_scores(videos: Sequence[FrameScores]) -> tuple[F32, F32]:
    """Return the scale and bias [C] of the logits that make 0.5 the best threshold of the scores.

    Each class gets the threshold of its logits with the best frame F1, at the lowest penalty that keeps false signals
    under 1.5 % of the idle frames. One scale for all classes then makes the true classes most likely.

    Args:
        videos: logits and truth of multi-label validation videos.
    """
    logits = np.concatenate([video.logits for video in videos]).astype(np.float64)
    true, idle = np.concatenate([video.true for video in videos]), np.concatenate([video.idle for video in videos])
    thresholds = np.zeros(logits.shape[1])
    for penalty in FALSE_SIGNAL_PENALTIES:
        thresholds = _logit_thresholds(logits, true, idle, penalty)
        if not false_signal([logits >= thresholds], [idle]) > MAX_FALSE_SIGNAL:
            break
    centered = logits - thresholds
    losses = [np.logaddexp(0, np.where(true, -1, 1) * scale * centered).mean() for scale in SCALE_CANDIDATES]
    scale = np.full(len(thresholds), SCALE_CANDIDATES[int(np.argmin(losses))])
    return scale.astype(np.float32), (-scale * thresholds).astype(np.float32)


def _logit_thresholds(logits: F64, true: Bools, idle: Bools, penalty: float) -> F64:
    """Return the best threshold of each class [C]; the median of the others for a class that never occurs."""
    occurs = np.asarray(true.any(axis=0))
    best = [
        _logit_threshold(logits[:, c], true[:, c], idle, penalty) if occurs[c] else np.nan for c in range(len(occurs))
    ]
    thresholds = np.array(best)
    return np.where(occurs, thresholds, np.median(thresholds[occurs]) if occurs.any() else 0.0)


def _logit_threshold(logits: F64, true: Bools, idle: Bools, penalty: float) -> float:
    """Return the threshold, midway between two logits, with the best F1 minus the penalty for idle frames above it."""
    order = np.argsort(-logits, kind="stable")
    values = logits[order]
    hits, false = np.cumsum(true[order]), np.cumsum(idle[order]) / max(1, int(idle.sum()))
    quality = 2 * hits / (np.arange(1, len(values) + 1) + true.sum()) - penalty * false
    # Between equal logits there is no threshold.
    quality[:-1][np.diff(values) == 0] = -np.inf
    best = int(quality.argmax())
    return float(values[best] if best + 1 == len(values) else values[best : best + 2].mean())


def fold_calibration(tensors: Mapping[str, Any], scale: F32, bias: F32) -> dict[str, Any]:
    """Return a network's tensors with the calibration folded into its last layer.

    Maps and logits still add up, because both are linear in that layer.

    Args:
        tensors: state dict of the network.
        scale: factors of the logits [C].
        bias: summands of the logits [C].
    """
    weight, old = tensors[f"{LAST_LAYER}.weight"], tensors[f"{LAST_LAYER}.bias"]
    factor = weight.new_tensor(scale.tolist())
    rows = factor.reshape(-1, *[1] * (weight.ndim - 1))
    folded = {
        f"{LAST_LAYER}.weight": weight * rows,
        f"{LAST_LAYER}.bias": old * factor + old.new_tensor(bias.tolist()),
    }
    return {**tensors, **folded}
