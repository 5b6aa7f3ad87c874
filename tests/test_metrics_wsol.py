"""MaxBoxAccV2 and PxAP against results of the program that they were published with, on pictures that are not square.

The results were computed once with `BoxEvaluator` (all contours), `calculate_multiple_iou` and `MaskEvaluator` of
clovaai/wsolevaluation, evaluation.py at commit b98c7d1, on maps of 1000 x 400 pixels instead of its 224 x 224.

Its boxes are a pixel too large to the right and below: it takes the half-open edges that OpenCV gives for inclusive
ones. These pictures were picked so that no overlap is so close to .3, .5 or .7 that it matters; others differ by a
picture, and none does once that pixel is taken off. It also takes the best threshold of the test, for each overlap
its own; camreel takes one from the validation, so what is compared is the accuracy at every threshold.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from camreel.imageops.grid import tiling
from camreel.metrics.localization import BOX_IOUS, PixelPrecision, best_iou, box_accuracy
from camreel.stages.localize import BoxRule, find_boxes

HEIGHT, WIDTH, PIXELS = 40, 100, 10
"""Cells, and pixels of the picture to a cell's side."""
SEED, PICTURES = 6, 12
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

RIGHT = {
    0.3: (6, 9, 11, 12, 10, 10, 9, 7, 2),
    0.5: (2, 5, 4, 6, 6, 4, 6, 3, 0),
    0.7: (1, 1, 1, 1, 2, 1, 2, 0, 0),
}
"""Overlap -> pictures of the twelve with a box that reaches it, at every threshold."""
OVERLAPS = (
    0.28427419, 0.65060953, 0.35641814, 0.38017241, 0.66908467, 0.44341572,
    0.40534855, 0.49000000, 0.71428571, 0.38610860, 0.40688259, 0.60228181,
)  # fmt: skip
"""Of the best box at the threshold .3 in every picture, with edges that are inclusive in truth."""
PXAP = 0.6813974777708


def pictures() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A map [H, W] in [0, 1], the true boxes of two of its three hills [2, 4] in pixels, and a mask of them [H, W].

    Numbers of `RandomState` never change.
    """
    rng = np.random.RandomState(SEED)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(PICTURES):
        hills, mask, boxes = np.zeros((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH), bool), []
        for n in range(3):
            y, x, sy, sx = rng.uniform(5, 35), rng.uniform(8, 92), rng.uniform(2, 7), rng.uniform(3, 12)
            hills += rng.uniform(0.4, 1) * np.exp(-(((rows - y) / sy) ** 2 + ((columns - x) / sx) ** 2) / 2)
            if n < 2:
                middle, half = np.array([x, y]) + rng.normal(0, 2, 2), np.array([sx, sy]) * rng.uniform(0.8, 1.8)
                left, top = np.maximum(middle - half, 0)
                right, bottom = np.minimum(middle + half, (WIDTH, HEIGHT))
                boxes.append([round(PIXELS * float(edge)) for edge in (left, top, right, bottom)])
                mask |= (columns >= left) & (columns < right) & (rows + columns % 7 >= top) & (rows < bottom)
        yield hills / hills.max(), np.array(boxes, np.float32), mask


def levels(hills: np.ndarray, count: int, within: float) -> np.ndarray:
    """A map in so many levels, each so far `within` from one threshold to the next: both programs cut it alike."""
    return np.minimum((np.floor(count * hills) + within) / count, 1).astype(np.float32)


def overlaps() -> np.ndarray:
    """Of the best box of every picture at every threshold [N, K]."""
    size = WIDTH * PIXELS, HEIGHT * PIXELS
    found = []
    for hills, true, _ in pictures():
        cells = levels(hills, 10, 0.5)
        cut = [
            find_boxes(cells, tiling(cells.shape, size), size, BoxRule(threshold, 0.0), 1.0) for threshold in THRESHOLDS
        ]
        found.append([best_iou(np.array([box.xyxy for box in boxes], np.float32), true) for boxes in cut])
    return np.array(found, np.float32)


def test_box_overlaps_equal_those_of_wsolevaluation():
    np.testing.assert_allclose(overlaps()[:, THRESHOLDS.index(0.3)], OVERLAPS, atol=1e-6)


def test_box_accuracy_equals_that_of_wsolevaluation_at_every_threshold():
    right = np.array([RIGHT[least] for least in BOX_IOUS])
    np.testing.assert_allclose(box_accuracy(overlaps()), (right / PICTURES).mean(axis=0), atol=1e-6)


def test_pixel_precision_equals_that_of_wsolevaluation():
    pixels = PixelPrecision()
    for hills, _, mask in pictures():
        pixels.add(levels(hills, 1000, 0.25), mask.astype(np.float32))
    assert pixels.value == pytest.approx(PXAP, abs=1e-6)
