"""Metrics of class scores over time: frame by frame, and on windows as long as the training clips of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camreel.metrics import F64, Bools
from camreel.structures import F32, Segment

IDLE_MARGIN_SECONDS = 0.5
"""Time around an action in which a signal is early or late, which `temporal_iou` measures, rather than false."""
MAX_LAG_SECONDS = 1.0
"""Largest shift of the scores that is tried to find their lag."""
WINDOW_SAMPLES = 16
"""Samples per window, as in the training of `figures`."""
WINDOW_RATE = 12.0
"""Samples per second of windows."""
ACTIVE_SHARE = 0.4
"""Share of a window's samples from which a class counts as active in it."""
INACTIVE_SHARE = 0.1
"""Share of a window's samples below which a class counts as inactive; in between, the window does not count for the
class."""


@dataclass(frozen=True, slots=True)
class FrameScores:
    """Scores of the annotated classes on each frame of a video, with the truth."""

    times: F64
    """Seconds [T], ascending."""
    true: Bools
    """Whether a class is performed [T, C]."""
    logits: F32
    """[T, C]"""
    scores: F32
    """[T, C] in [0, 1]."""
    segments: tuple[Segment, ...]
    """Reported segments; their class ids are columns of `true`."""

    @property
    def idle(self) -> Bools:
        """Frames far away from any action [T]."""
        return idle_frames(self.times, self.true)

    @property
    def reported(self) -> Bools:
        """Whether a frame lies in a segment of a class [T, C]."""
        inside = np.zeros_like(self.true)
        for segment in self.segments:
            inside[:, segment.class_id] |= (self.times >= segment.start) & (self.times < segment.end)
        return inside


def macro_f1(predicted: Sequence[Bools], true: Sequence[Bools]) -> float:
    """Return the F1 of "active on this frame" over all frames of all videos, averaged over the classes that occur.

    Args:
        predicted: active by the scores, [T, C] per video.
        true: active by the truth, [T, C] per video.

    Example:
        >>> macro_f1([np.array([[True], [True]])], [np.array([[True], [False]])])
        0.6666666666666666
    """
    p, t = np.concatenate(predicted), np.concatenate(true)
    occurs = t.any(axis=0)
    if not occurs.any():
        return float("nan")
    f1 = 2 * (p & t).sum(axis=0) / np.maximum(p.sum(axis=0) + t.sum(axis=0), 1)
    return float(f1[occurs].mean())


def idle_frames(times: F64, true: Bools) -> Bools:
    """Return the frames [T] that are more than `IDLE_MARGIN_SECONDS` away from any action.

    Args:
        times: times of the frames in seconds, ascending [T].
        true: active by the truth [T, C].
    """
    busy = times[true.any(axis=1)]
    if not len(busy):
        return np.ones(len(times), bool)
    after = np.clip(np.searchsorted(busy, times), 0, len(busy) - 1)
    nearest = np.minimum(np.abs(busy[after] - times), np.abs(busy[np.maximum(after - 1, 0)] - times))
    return np.asarray(nearest > IDLE_MARGIN_SECONDS)


def false_signal(predicted: Sequence[Bools], idle: Sequence[Bools]) -> float:
    """Return the share of idle frames on which any class is active by the scores; NaN without idle frames.

    Args:
        predicted: active by the scores, [T, C] per video.
        idle: idle by the truth, [T] per video.
    """
    signaled, counted = np.asarray(np.concatenate(predicted).any(axis=1)), np.concatenate(idle)
    return float(signaled[counted].mean()) if counted.any() else float("nan")


def temporal_iou(predicted: Sequence[Bools], true: Sequence[Bools]) -> float:
    """Return the overlap of predicted and true frames, averaged over every class present in every video.

    Args:
        predicted: frames in segments, [T, C] per video.
        true: active by the truth, [T, C] per video.
    """
    overlaps = [
        (p[:, c] & t[:, c]).sum() / (p[:, c] | t[:, c]).sum()
        for p, t in zip(predicted, true, strict=True)
        for c in np.flatnonzero(t.any(axis=0))
    ]
    return float(np.mean(overlaps)) if overlaps else float("nan")


def lag(times: F64, scores: F32, true: Bools) -> float:
    """Return the seconds by which a score trails the truth: the shift at which the two correlate best.

    Args:
        times: times of the frames in seconds [T].
        scores: scores of one class [T].
        true: whether the class is performed [T].

    Returns:
        Seconds, negative if the score comes first; NaN if the truth or the score never changes.
    """
    if len(times) < 3 or true.all() or not true.any() or np.ptp(scores) == 0:
        return float("nan")
    step = float(np.median(np.diff(times)))
    largest = min(round(MAX_LAG_SECONDS / step), len(times) // 2)
    # Small shifts first: argmax then prefers them among equal correlations.
    shifts = np.array(sorted(range(-largest, largest + 1), key=abs))
    count = len(times)
    fits = [_correlation(scores[max(s, 0) : count + min(s, 0)], true[max(-s, 0) : count - max(s, 0)]) for s in shifts]
    return float(shifts[int(np.argmax(fits))] * step)


def _correlation(a: F32, b: Bools) -> float:
    """Return Pearson's correlation; -1 if one of the two is constant."""
    if np.ptp(a) == 0 or b.all() or not b.any():
        return -1.0
    return float(np.corrcoef(a, b)[0, 1])


def cut_windows(times: F64, logits: F32, true: Bools) -> tuple[F32, F32]:
    """Cut a video into windows without overlap; what remains at its end is left out.

    Args:
        times: times of the frames in seconds [T].
        logits: logits [T, C].
        true: whether a class is performed [T, C].

    Returns:
        Mean logits, and the share of the samples in which a class is performed, [W, C] each.
    """
    ticks = np.arange(int((times[-1] - times[0]) * WINDOW_RATE) + 1) / WINDOW_RATE + times[0]
    frames = np.abs(times[None] - ticks[:, None]).argmin(axis=1)
    count = len(frames) // WINDOW_SAMPLES
    shape = count, WINDOW_SAMPLES, logits.shape[1]
    mean, share = (values[frames[: count * WINDOW_SAMPLES]].reshape(shape).mean(axis=1) for values in (logits, true))
    return mean.astype(np.float32), share.astype(np.float32)


def pool_windows(videos: Sequence[tuple[F32, F32]]) -> tuple[F32, F32]:
    """Concatenate the windows of several videos."""
    return np.concatenate([video[0] for video in videos]), np.concatenate([video[1] for video in videos])


def top1(logits: F32, share: F32) -> float:
    """Return the share of windows with one active class in which that class has the largest logit; NaN without such
    windows.

    Args:
        logits: mean logits [W, C].
        share: share of the samples in which a class is performed [W, C].
    """
    active = share >= ACTIVE_SHARE
    single = active.sum(axis=1) == 1
    if not single.any():
        return float("nan")
    return float((logits[single].argmax(axis=1) == active[single].argmax(axis=1)).mean())


def mean_average_precision(logits: F32, share: F32) -> float:
    """Return the average precision of the windows of a class, averaged over the classes that are active in any window.

    Windows in which a class is performed for 10 to 40 % of the samples do not count for that class.

    Args:
        logits: mean logits [W, C].
        share: share of the samples in which a class is performed [W, C].
    """
    values = []
    for c in range(logits.shape[1]):
        counted = (share[:, c] >= ACTIVE_SHARE) | (share[:, c] < INACTIVE_SHARE)
        positive = share[counted, c] >= ACTIVE_SHARE
        if positive.any():
            values.append(average_precision(logits[counted, c], positive))
    return float(np.mean(values)) if values else float("nan")


def average_precision(scores: F32, positive: Bools) -> float:
    """Return the sum, over the distinct scores from high to low, of precision times the recall gained there.

    Ties count as one step, as in scikit-learn's `average_precision_score`.

    Args:
        scores: scores [N].
        positive: true labels [N], at least one positive.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    precision, recall = hits / (ends + 1), hits / positive.sum()
    return float((precision * np.diff(recall, prepend=0)).sum())
