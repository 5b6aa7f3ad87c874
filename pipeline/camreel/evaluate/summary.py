"""All metrics of a split: averages over the frames of a video, then over videos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from camreel.evaluate.collector import Observation, Scores
from camreel.evaluate.detections import Detected
from camreel.evaluate.faithfulness import Removals
from camreel.metrics.frames import false_signal, lag, macro_f1, temporal_iou
from camreel.metrics.pointing_game import TOLERANCE, box_accuracy, over_videos
from camreel.metrics.segments import spans, temporal_map
from camreel.metrics.tubes import frame_map, video_map
from camreel.metrics.windows import mean_average_precision, pooled, top1, windows

METRICS: dict[str, str] = {
    "top1": "windows of 1.33 s with one action: the largest score is its",
    "map": "average precision of such windows, mean over classes",
    "frame_f1": "F1 of 'active on this frame', mean over classes that occur",
    "temporal_map": "average precision of segments at overlaps .3 to .7",
    "temporal_iou": "overlap of the frames in a class's segments with the true ones",
    "false_signal": "share of idle frames on which a class is active; idle: half a second away from any action",
    "idle_frames": "share of frames that are idle",
    "lag": "seconds by which scores trail the truth, median over classes and videos",
    "pointing": "the map's peak lies on who performs the class",
    "pointing_15px": "the same, within 15 pixels",
    "pointing_two_actors": "the same as pointing, where two people do two different things",
    "pointing_5pct": "the peak is within 5 % of the picture's height of one of those who act",
    "bystander_error": "the peak is on a bystander instead",
    "energy": "share of the map's mass on who performs the class",
    "area_share": "share of the picture that they cover",
    "pxap": "precision over recall of the map's pixels, at all thresholds",
    "max_box_acc_v2": "boxes at overlaps .3, .5 and .7",
    "iou": "overlap of the best box",
    "frame_map_20": "average precision of reported boxes at overlap .2, mean over classes",
    "frame_map_50": "the same at overlap .5",
    "video_map_20": "average precision of reported tubes at overlap .2 in space and time, mean over classes",
    "video_map_50": "the same at overlap .5",
    "flicker": "change of the map from frame to frame, in thousandths",
    "warping": "the same after the map before was carried along the motion in the picture",
    "deletion": "score of a few clips while what has most evidence is blurred first; low: it is what the network used",
    "insertion": "score while it is the first to be brought back into a blurred clip; high: it is what the network used",
    "temporal_deletion": "score while samples are held still, those of most evidence first; low likewise",
}
"""Name -> what it is."""
DUEL_SPLIT = "pair"
BOX_OVERLAPS = (0.2, 0.5)
"""Of boxes and tubes."""


def summarize(videos: Sequence[Observation], score: float) -> dict[str, float]:
    """The metrics of one network or baseline on one split; NaN where nothing can be measured, absent where it does not apply.

    Args:
        videos: of one split, with overlaps of boxes at one threshold.
        score: from which a class is active.
    """
    said = [video.scores for video in videos if video.scores is not None]
    detected = [video.detected for video in videos if video.detected is not None]
    removals = [video.removals for video in videos if video.removals is not None]
    return (
        (_what_and_when(said, score) if said else {})
        | _where(videos)
        | (_tubes(detected) if detected else {})
        | (_faithful(removals) if removals else {})
    )


def _what_and_when(videos: Sequence[Scores], score: float) -> dict[str, float]:
    true = [video.true for video in videos]
    still = [video.idle for video in videos]
    found = [video.scores >= score for video in videos]
    logits, share = pooled([windows(video.times, video.logits, video.true) for video in videos])
    truths = [[spans(video.times, video.true[:, c]) for c in range(video.true.shape[1])] for video in videos]
    lags = [lag(v.times, v.scores[:, c], v.true[:, c]) for v in videos for c in np.flatnonzero(v.true.any(axis=0))]
    known = [value for value in lags if not np.isnan(value)]
    return {
        "top1": top1(logits, share),
        "map": mean_average_precision(logits, share),
        "frame_f1": macro_f1(found, true),
        "temporal_map": temporal_map([video.segments for video in videos], truths),
        "temporal_iou": temporal_iou([video.reported for video in videos], true),
        "false_signal": false_signal(found, still),
        "idle_frames": float(np.concatenate(still).mean()),
        "lag": float(np.median(known)) if known else float("nan"),
    }


def _where(videos: Sequence[Observation]) -> dict[str, float]:
    places = [video.places for video in videos]
    metrics = {
        "pointing": over_videos(place.distance == 0 for place in places),
        "pointing_15px": over_videos(place.distance <= TOLERANCE for place in places),
        "energy": over_videos(place.energy for place in places),
        "area_share": over_videos(place.area for place in places),
        "pxap": _known_mean(place.pxap for place in places),
        "max_box_acc_v2": over_videos(box_accuracy(place.ious) for place in places if len(place.ious)),
        "iou": over_videos(place.ious for place in places),
    }
    if any((np.diff(place.frames) == 1).any() for place in places):
        metrics["flicker"] = _known_mean(place.flicker for place in places)
        metrics["warping"] = _known_mean(place.warping for place in places)
    if all(video.split == DUEL_SPLIT for video in videos):
        metrics["pointing_two_actors"] = over_videos(place.distance[place.duel] == 0 for place in places)
    judged = [~np.isnan(place.hit) for place in places]
    if any(each.any() for each in judged):
        metrics["pointing_5pct"] = over_videos(place.hit[each] for place, each in zip(places, judged, strict=True))
        metrics["bystander_error"] = over_videos(
            place.bystander[each] for place, each in zip(places, judged, strict=True)
        )
    return metrics


def _tubes(videos: Sequence[Detected]) -> dict[str, float]:
    found, true = [video.found for video in videos], [video.true for video in videos]
    return {
        f"{name}_{round(100 * least)}": measure(found, true, least)
        for name, measure in (("frame_map", frame_map), ("video_map", video_map))
        for least in BOX_OVERLAPS
    }


def _faithful(videos: Sequence[Removals]) -> dict[str, float]:
    return {
        "deletion": over_videos(video.deletion for video in videos),
        "insertion": over_videos(video.insertion for video in videos),
        "temporal_deletion": over_videos(video.temporal_deletion for video in videos),
    }


def _known_mean(values: Iterable[float]) -> float:
    """The mean of what is not NaN; NaN without any."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
