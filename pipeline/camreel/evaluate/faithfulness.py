"""Faithfulness of maps: how the score of a class changes while parts of a clip are perturbed.

Deletion and insertion (Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018), extended to time. For each class that is performed in a video, one clip of the network's own length is taken
around the class's largest logit, with the pictures that the network saw and the maps that the program made of them.
Its cells are then perturbed in the order of their evidence, over space and time at once, and the score is read ten
times on the way:

- deletion: cells are blurred, those of most evidence first. If the network used them, the score falls at once.
- insertion: cells are brought back into the blurred clip in the same order. If the network used them, the score rises
  at once.
- temporal deletion: whole samples become copies of the nearest sample that is left, which removes motion without black
  frames.

Each result is the area under the score over the share that is removed or brought back. The score is that after
softmax or sigmoid; RISE does not divide it by that of the intact clip either. RISE blurs for insertion and blackens
for deletion; both blur here, because black itself is a thing to see. Each result is reported with that of a random
order beside it.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np

from camreel.evaluate.baselines import smooth_noise
from camreel.recognize.stage import recognize
from camreel.run_plan import RunPlan
from camreel.stages.localize import to_scores
from camreel.structures import F32, U8, Action, ClassSelection, Clip, Frame, Ints, Localization, Picture

NO_PICTURE = Picture(np.zeros((2, 2), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
"""Replaces the large pictures of frames, which are not needed here."""
NO_EVIDENCE = np.zeros((1, 1), np.float32)
"""Evidence on frames without a map."""
MIN_CLIPS_PER_SPLIT = 2
"""Number of clips of every split that are tested in any case."""
BUDGET_SHARE = 0.25
"""Limit of the samples of perturbed clips, as a share of the samples that the networks see of the videos."""

Areas = tuple[float, float, float]
"""Deletion, insertion and temporal deletion of one clip."""


STEPS = 10
"""Steps from the intact clip to the fully perturbed one."""
BLUR = 0.1
"""Standard deviation of the blur that removes a cell, as a share of the picture's short side."""


@dataclass(frozen=True, slots=True)
class ClassClip:
    """A clip of T samples around the largest logit of a class."""

    class_id: int
    """Class of the network."""
    frames: tuple[Frame, ...]
    """Frame with the network's input at each sample [T]."""
    maps: tuple[F32, ...]
    """Evidence for the class in logits, never negative, on cells that tile the picture; T of [h, w]."""


@dataclass(frozen=True, slots=True)
class _Sample:
    frame: Frame
    logits: Mapping[int, float]
    maps: Mapping[int, F32]


class ClassClipSelector:
    """Selects one clip of each class from the localizations of a video, and keeps only the latest samples.

    Args:
        classes: class ids of the network.
        clip_len: samples per clip.
    """

    def __init__(self, classes: Sequence[int], clip_len: int) -> None:
        self._classes, self._clip_len = classes, clip_len
        self._latest: deque[_Sample] = deque(maxlen=clip_len)
        self._count = 0
        self._best: dict[int, tuple[float, ClassClip]] = {}

    def add(self, localization: Localization) -> None:
        """Add the localization of the next frame."""
        frame = localization.frame
        if not frame.samples:
            return
        actions = {action.class_id: action for action in localization.actions if action.class_id in self._classes}
        small = dataclasses.replace(frame, picture=NO_PICTURE, packets=(), inputs=frame.inputs[:1])
        logits = {c: action.logit for c, action in actions.items()}
        sample = _Sample(small, logits, {c: _evidence(action) for c, action in actions.items()})
        middle = self._clip_len // 2
        for _ in range(frame.samples):
            self._latest.append(sample)
            self._count += 1
            if self._count == self._clip_len:
                self._update(range(middle + 1))
            elif self._count > self._clip_len:
                self._update([middle])

    def finish(self) -> list[ClassClip]:
        """Return the clips after the last frame; none if the video is shorter than a clip.

        Each has the sample with the class's largest logit in its middle, or as near to it as the ends of the video
        allow.
        """
        if self._count >= self._clip_len:
            self._update(range(self._clip_len // 2 + 1, self._clip_len))
        return [clip for _, clip in self._best.values()]

    def _update(self, positions: Iterable[int]) -> None:
        """Keep the latest samples as the clip of each class that has its largest logit so far at one of the
        positions."""
        for position in positions:
            logits = self._latest[position].logits
            for class_id in [c for c in self._classes if c in logits]:
                if class_id not in self._best or logits[class_id] > self._best[class_id][0]:
                    self._best[class_id] = logits[class_id], self._clip(class_id)

    def _clip(self, class_id: int) -> ClassClip:
        samples = [(sample.frame, sample.maps.get(class_id, NO_EVIDENCE)) for sample in self._latest]
        frames, maps = zip(*samples, strict=True)
        return ClassClip(class_id, frames, maps)


def _evidence(action: Action) -> F32:
    return NO_EVIDENCE if action.saliency is None else action.saliency * np.float32(action.scale)


@dataclass(frozen=True, slots=True)
class PerturbationScores:
    """Areas under the scores of the N tested clips of a video, [N] each, in [0, 1]."""

    deletion: F32
    insertion: F32
    temporal_deletion: F32
    """NaN for image networks."""


@dataclass(slots=True)
class SampleBudget:
    """Limits the samples of perturbed clips: one clip costs a video network as much as a minute or two of video.

    The first clips of every split are always accepted.
    """

    seen: int = 0
    """Samples that networks saw of the videos."""
    spent: int = 0
    """Samples of perturbed clips."""
    accepted: Counter[str] = field(default_factory=Counter)
    """Number of clips by split."""

    def accept(self, split: str, samples: int) -> bool:
        """Charge a clip of a video of this split to the budget; return False if it does not allow the clip."""
        if self.accepted[split] >= MIN_CLIPS_PER_SPLIT and self.spent + samples > BUDGET_SHARE * self.seen:
            return False
        self.accepted[split] += 1
        self.spent += samples
        return True


class PerturbationTest:
    """The perturbation test of one network on one video.

    Args:
        plan: the run over the video.
        classes: class ids of the network to test.
        seed: seed of the random orders.

    Example:
        >>> test = PerturbationTest(plan, classes=[3], seed=0)
        >>> for localization in localizations:
        ...     test.add(localization)
        >>> by_map, by_chance = test.finish(SampleBudget(), split="single")
    """

    def __init__(self, plan: RunPlan, classes: Sequence[int], seed: int) -> None:
        self._plan = plan
        self._clips = ClassClipSelector(classes, plan.recognizer.clip_len)
        self._rng = np.random.default_rng(seed)

    def add(self, localization: Localization) -> None:
        """Add the localization of the next frame."""
        self._clips.add(localization)

    def finish(self, budget: SampleBudget, split: str) -> tuple[PerturbationScores, PerturbationScores]:
        """Perturb as many clips as the budget allows, after the last frame.

        Returns:
            Scores in the order of the maps, and in a random order.
        """
        length = self._plan.recognizer.clip_len
        cost = length * (3 * STEPS - 1 + 2 * (len(frozen_counts(length)) - 1))
        areas = [self._perturb(clip) for clip in self._clips.finish() if budget.accept(split, cost)]
        by_map, by_chance = np.array(areas, np.float32).reshape(-1, 2, 3).transpose(1, 2, 0)
        return PerturbationScores(*by_map), PerturbationScores(*by_chance)

    def _perturb(self, clip: ClassClip) -> tuple[Areas, Areas]:
        pictures = np.stack([frame.inputs[0] for frame in clip.frames])
        blurred, evidence = blur_pictures(pictures), np.stack([self._on_input(cells) for cells in clip.maps])
        random_cells, random_samples = self._random_orders(evidence.shape)
        cells = rank_by_evidence(evidence, random_cells)
        samples = rank_by_evidence(evidence.mean(axis=(1, 2)), random_samples)
        score = partial(self._scores, clip)
        intact, empty = score([pictures, blurred])
        deletion = area_under([intact, *score(replace_stepwise(pictures, blurred, cells)), empty])
        insertion = area_under([empty, *score(replace_stepwise(blurred, pictures, cells)), intact])
        # A random order brings back as it removes: one pass stands for both.
        chance = area_under([intact, *score(replace_stepwise(pictures, blurred, random_cells)), empty])
        frozen, frozen_by_chance = (self._freeze(score, pictures, intact, each) for each in (samples, random_samples))
        return (deletion, insertion, frozen), (chance, chance, frozen_by_chance)

    def _freeze(self, score: Callable[[Iterable[U8]], list[float]], pictures: U8, intact: float, order: Ints) -> float:
        counts = frozen_counts(len(pictures))
        if len(counts) == 1:
            return math.nan
        return area_under([intact, *score(freeze_stepwise(pictures, order))], counts)

    def _random_orders(self, shape: tuple[int, int, int]) -> tuple[Ints, Ints]:
        """Return random orders of the cells and of the samples of a clip (T, h, w).

        Cells are ordered as smoothly as a map's, and equally at all samples: noise that flickers is motion, and
        lowers the score of `figures` as fast as its own maps do.
        """
        values = np.broadcast_to(smooth_noise(self._rng, *shape[1:]), shape)
        return np.argsort(values, axis=None, kind="stable"), self._rng.permutation(shape[0])

    def _scores(self, clip: ClassClip, perturbed: Iterable[U8]) -> list[float]:
        """Return the score of the clip's class for each perturbed clip [T, h, w, 3]."""
        selection = ClassSelection((clip.class_id,))
        plan = dataclasses.replace(self._plan.network, selection=selection, complete=False)
        answers = recognize((_with_pictures(clip, pictures) for pictures in perturbed), plan)
        multilabel = self._plan.recognizer.multilabel
        return [float(to_scores(answer.logits, multilabel)[clip.class_id]) for answer in answers]

    def _on_input(self, cells: F32) -> F32:
        """Resample evidence from cells that tile the picture to the pixels of the network's input [H, W]; 0 on
        padding."""
        size = self._plan.sampling.sizes[0]
        pixels = np.zeros(size.shape, np.float32)
        inside = pixels[size.pad_y : size.pad_y + size.height, size.pad_x : size.pad_x + size.width]
        inside[:] = cv2.resize(cells, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        return pixels


def _with_pictures(clip: ClassClip, pictures: U8) -> Clip:
    frames = tuple(
        dataclasses.replace(frame, inputs=(picture,)) for frame, picture in zip(clip.frames, pictures, strict=True)
    )
    # All samples are valid: both ends count as ends of the video, also for networks with a margin.
    return Clip(frames, tuple(range(len(frames))), 0, (0, len(frames)), len(frames))


def blur_pictures(pictures: U8) -> U8:
    """Return pictures [T, h, w, 3] blurred so much that no person can be recognized."""
    spread = BLUR * min(pictures.shape[1:3])
    return np.stack([np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), np.uint8) for picture in pictures])


def rank_by_evidence(evidence: F32, random_order: Ints) -> Ints:
    """Return the positions of values in descending order; equal values keep their random order.

    Args:
        evidence: values [...], N in all.
        random_order: a permutation of the positions [N].
    """
    return random_order[np.argsort(-evidence.ravel()[random_order], kind="stable")]


def replace_stepwise(before: U8, after: U8, order: Ints) -> Iterator[U8]:
    """Turn one clip into another, cell by cell in equal steps.

    Args:
        before: clip at the start [T, h, w, 3].
        after: clip at the end [T, h, w, 3].
        order: order in which the T * h * w cells are replaced.

    Yields:
        The `STEPS` - 1 clips between the two.
    """
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    step = rank.reshape(before.shape[:3]) * STEPS // len(order)
    for done in range(1, STEPS):
        yield np.where((step < done)[..., None], after, before)


def frozen_counts(samples: int) -> Ints:
    """Return how many samples of a clip are frozen at each step, from none to all but one."""
    return np.unique(np.rint(np.linspace(0, samples - 1, STEPS + 1)).astype(np.int64))


def freeze_stepwise(pictures: U8, order: Ints) -> Iterator[U8]:
    """Take the motion out of a clip: frozen samples become copies of the nearest sample that is left.

    Args:
        pictures: clip [T, h, w, 3].
        order: order in which the T samples are frozen.

    Yields:
        A clip for each entry of `frozen_counts` but the first.
    """
    samples = np.arange(len(pictures))
    for frozen in frozen_counts(len(pictures))[1:]:
        left = np.sort(order[frozen:])
        yield pictures[left[np.abs(samples[:, None] - left).argmin(axis=1)]]


def area_under(scores: Sequence[float], removed: Ints | None = None) -> float:
    """Return the area under scores over the share that is removed (trapezoidal rule), in [0, 1].

    Args:
        scores: score at each step.
        removed: how much is removed at each step; None: the steps are equal.

    Example:
        >>> area_under([1.0, 0.5, 0.0])
        0.5
    """
    x = np.arange(len(scores)) if removed is None else removed
    return float(np.trapezoid(scores, x / x[-1]))
