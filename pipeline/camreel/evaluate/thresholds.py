"""From which score a class is active, and from which saliency a box begins: chosen on validation videos, never on the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camreel.evaluate.collector import Scores
from camreel.evaluate.localization_scores import Places
from camreel.metrics.frames import false_signal, macro_f1
from camreel.metrics.pointing_game import box_accuracy

BOX_CANDIDATES = tuple(round(0.05 * step, 2) for step in range(1, 20))
SCORE_CANDIDATES = tuple(round(0.02 * step, 2) for step in range(1, 50))
MOST_FALSE = 0.015
"""Share of idle frames that may signal an action."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Two thresholds, and where each comes from."""

    score: float
    box: float
    score_origin: str
    box_origin: str


def choose_score(videos: Sequence[Scores]) -> float:
    """The score with the best frame F1 among those that signal nothing falsely too often; the highest where all do."""
    true, still = [video.true for video in videos], [video.idle for video in videos]

    def worth(score: float) -> tuple[bool, float]:
        found = [video.scores >= score for video in videos]
        return not false_signal(found, still) > MOST_FALSE, macro_f1(found, true)

    best = max(SCORE_CANDIDATES, key=worth)
    return best if worth(best)[0] else SCORE_CANDIDATES[-1]


def choose_box(videos: Sequence[Places], candidates: Sequence[float] = BOX_CANDIDATES) -> float:
    """The saliency at which boxes are best, averaged over the frames of a video and then over videos; the middle one without any.

    Args:
        videos: with overlaps at every candidate.
        candidates: saliencies.
    """
    curves = [box_accuracy(video.ious) for video in videos if len(video.ious)]
    if not curves:
        return candidates[len(candidates) // 2]
    return candidates[int(np.mean(curves, axis=0).argmax())]
