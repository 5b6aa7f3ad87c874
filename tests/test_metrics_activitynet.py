"""Temporal mAP against results of ActivityNet's own program.

The results were computed once with `compute_average_precision_detection` of activitynet/ActivityNet,
Evaluation/eval_detection.py at commit ebc8aeb (Evaluation/utils.py at 9f3c047), under Python 3. It orders equal
scores by a sort that is not stable, so their order is arbitrary; for these results the sorts were made stable, and
the segments were handed over last first, as it takes the last of equals first and camreel the first. Without equal
scores the program as it is gives the same results.
"""

from __future__ import annotations

import numpy as np
import pytest

from camreel.metrics.detection import SEGMENT_IOUS, Span, segment_average_precision, span_iou, temporal_map
from camreel.structures import Segment

CLASSES, VIDEOS = 3, 5

# (seed, decimals of times, decimals of scores): average precision of every class at the overlaps .3 to .7.
GOLDEN = {
    (7, 6, 6): (
        (0.55555556, 0.55555556, 0.55555556, 0.33333333, 0.33333333),
        (0.33333333, 0.12500000, 0.12500000, 0.06250000, 0.06250000),
        (0.67098214, 0.59166667, 0.50000000, 0.32142857, 0.07291667),
    ),
    (8, 6, 1): (
        (0.66428571, 0.55000000, 0.55000000, 0.40000000, 0.33333333),
        (0.66666667, 0.66666667, 0.66666667, 0.63888889, 0.44444444),
        (0.79166667, 0.79166667, 0.54166667, 0.54166667, 0.25000000),
    ),
    (24, 1, 1): (
        (0.52380952, 0.52380952, 0.44897959, 0.20408163, 0.07142857),
        (0.89285714, 0.89285714, 0.89285714, 0.89285714, 0.00000000),
        (0.62301587, 0.62301587, 0.62301587, 0.48611111, 0.44841270),
    ),
    (29, 1, 1): (
        (0.46000000, 0.46000000, 0.46000000, 0.22666667, 0.22666667),
        (0.69047619, 0.69047619, 0.69047619, 0.31060606, 0.22619048),
        (0.50000000, 0.50000000, 0.50000000, 0.50000000, 0.50000000),
    ),
}

Case = tuple[list[list[Segment]], list[list[list[Span]]]]


def case(seed: int, times: int, scores: int) -> Case:
    """Segments of every video, and the true spans of every video and class; nothing happens in the last video.

    Every true span is found up to three times, more or less well. Numbers of `RandomState` never change.
    """
    rng = np.random.RandomState(seed)
    true: list[list[list[Span]]] = [[[] for _ in range(CLASSES)] for _ in range(VIDEOS)]
    found: list[list[Segment]] = [[] for _ in range(VIDEOS)]
    for video in range(VIDEOS):
        for c in range(CLASSES):
            for _ in range(rng.randint(0, 4)):
                start, length = rng.uniform(0, 30), rng.uniform(1, 6)
                span = round(start, times), round(start + length, times)
                if video + 1 < VIDEOS:
                    true[video][c].append(span)
                for _ in range(rng.randint(0, 4)):
                    first, last = np.sort(np.array(span) + rng.normal(0, 0.25 * length, 2)).tolist()
                    score = round(float(rng.uniform()), scores)
                    found[video].append(Segment(c, "", round(first, times), round(last + 0.5, times), score))
    return found, true


@pytest.mark.parametrize("spec", GOLDEN)
def test_average_precision_equals_that_of_activitynet(spec):
    found, true = case(*spec)
    mine = [
        [segment_average_precision(found, [video[c] for video in true], c, least) for least in SEGMENT_IOUS]
        for c in range(CLASSES)
    ]
    np.testing.assert_allclose(mine, GOLDEN[spec], atol=1e-6)
    assert temporal_map(found, true) == pytest.approx(np.mean(GOLDEN[spec]), abs=1e-6)


def test_the_cases_have_what_is_difficult():
    found, true = case(24, 1, 1)
    segments = [segment for video in found for segment in video]
    assert len({segment.score for segment in segments}) < len(segments) / 3
    assert found[-1] and not any(true[-1])


def test_an_overlap_that_is_just_enough_is_enough():
    # 1.2 of 2 seconds, in the last case but one: in another order the same sum is rounded below .6.
    assert span_iou((3.1, 5.1), (3.4, 4.6)) >= 0.6
