"""All metrics of a split: averages over the class-frames of a video, then over videos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from camreel.evaluate.collector import VideoResult
from camreel.evaluate.faithfulness import PerturbationScores
from camreel.evaluate.localization_scores import Detections, LocalizationScores
from camreel.metrics.detection import find_spans, frame_map, temporal_map, video_map
from camreel.metrics.frame_scores import (
    FrameScores,
    cut_windows,
    false_signal,
    lag,
    macro_f1,
    mean_average_precision,
    pool_windows,
    temporal_iou,
    top1,
)
from camreel.metrics.localization import TOLERANCE_PIXELS, box_accuracy, mean_over_videos

PAIR_SPLIT = "pair"
"""The split on which the pointing game between two actors is measured."""
DETECTION_OVERLAPS = (0.2, 0.5)
"""Overlaps of boxes and tubes."""


def summarize(results: Sequence[VideoResult], threshold: float) -> dict[str, float]:
    """Return the metrics of one network or baseline on one split, by their names in `METRICS`.

    Args:
        results: results on the videos of one split, with overlaps of boxes at one threshold.
        threshold: score from which a class is active.

    Returns:
        NaN: the metric could not be measured. A metric that does not apply is absent.
    """
    scores = [result.scores for result in results if result.scores is not None]
    detections = [result.detections for result in results if result.detections is not None]
    perturbations = [result.perturbation for result in results if result.perturbation is not None]
    return (
        (_classification(scores, threshold) if scores else {})
        | _localization(results)
        | (_detection(detections) if detections else {})
        | (_faithfulness(perturbations) if perturbations else {})
    )


def _classification(videos: Sequence[FrameScores], threshold: float) -> dict[str, float]:
    true = [video.true for video in videos]
    idle = [video.idle for video in videos]
    active = [video.scores >= threshold for video in videos]
    logits, share = pool_windows([cut_windows(video.times, video.logits, video.true) for video in videos])
    spans = [[find_spans(video.times, video.true[:, c]) for c in range(video.true.shape[1])] for video in videos]
    lags = [lag(v.times, v.scores[:, c], v.true[:, c]) for v in videos for c in np.flatnonzero(v.true.any(axis=0))]
    known_lags = [value for value in lags if not np.isnan(value)]
    return {
        "top1": top1(logits, share),
        "map": mean_average_precision(logits, share),
        "frame_f1": macro_f1(active, true),
        "temporal_map": temporal_map([video.segments for video in videos], spans),
        "temporal_iou": temporal_iou([video.reported for video in videos], true),
        "false_signal": false_signal(active, idle),
        "idle_frames": float(np.concatenate(idle).mean()),
        "lag": float(np.median(known_lags)) if known_lags else float("nan"),
    }


def _localization(results: Sequence[VideoResult]) -> dict[str, float]:
    videos = [result.localization for result in results]
    metrics = {
        "pointing": mean_over_videos(video.distance == 0 for video in videos),
        "pointing_15px": mean_over_videos(video.distance <= TOLERANCE_PIXELS for video in videos),
        "energy": mean_over_videos(video.energy for video in videos),
        "area_share": mean_over_videos(video.area for video in videos),
        "pxap": _mean_of_known(video.pxap for video in videos),
        "max_box_acc_v2": mean_over_videos(box_accuracy(video.ious) for video in videos if len(video.ious)),
        "iou": mean_over_videos(video.ious for video in videos),
    }
    if any((np.diff(video.frames) == 1).any() for video in videos):
        metrics["flicker"] = _mean_of_known(video.flicker for video in videos)
        metrics["warping"] = _mean_of_known(video.warping for video in videos)
    if all(result.split == PAIR_SPLIT for result in results):
        metrics["pointing_two_actors"] = mean_over_videos(video.distance[video.two_actors] == 0 for video in videos)
    return metrics | _people(videos)


def _people(videos: Sequence[LocalizationScores]) -> dict[str, float]:
    """Return the metrics of data sets with boxes of all people."""
    judged = [(video, ~np.isnan(video.hit)) for video in videos]
    if not any(rows.any() for _, rows in judged):
        return {}
    return {
        "pointing_5pct": mean_over_videos(video.hit[rows] for video, rows in judged),
        "bystander_error": mean_over_videos(video.bystander[rows] for video, rows in judged),
    }


def _detection(videos: Sequence[Detections]) -> dict[str, float]:
    predicted, true = [video.predicted for video in videos], [video.true for video in videos]
    return {
        f"{name}_{round(100 * overlap)}": measure(predicted, true, overlap)
        for name, measure in (("frame_map", frame_map), ("video_map", video_map))
        for overlap in DETECTION_OVERLAPS
    }


def _faithfulness(videos: Sequence[PerturbationScores]) -> dict[str, float]:
    return {
        "deletion": mean_over_videos(video.deletion for video in videos),
        "insertion": mean_over_videos(video.insertion for video in videos),
        "temporal_deletion": mean_over_videos(video.temporal_deletion for video in videos),
    }


def _mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if all are."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
