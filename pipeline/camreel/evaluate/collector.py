"""One video through the program: predictions are collected frame by frame, and reduced to what the metrics need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camreel.annotations import Truth
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, ModelError
from camreel.evaluate.baselines import BASELINES, LocationBaseline
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.evaluate.faithfulness import PerturbationScores
from camreel.evaluate.localization_scores import (
    DetectionCollector,
    Detections,
    LocalizationScorer,
    LocalizationScores,
    PredictedLocation,
    class_targets,
)
from camreel.flow import localize
from camreel.interfaces import Recognizer
from camreel.metrics.frame_scores import FrameScores
from camreel.metrics.stability import FrameMotion
from camreel.structures import Action, Frame, Localization, Segment

MISSING_LOGIT = -1e4
"""Logit of a class that is not reported on a frame."""


@dataclass(frozen=True, slots=True)
class VideoResult:
    """Predictions of one network or baseline on one video, compared with the truth."""

    name: str
    split: str
    localization: LocalizationScores
    scores: FrameScores | None
    """None: a baseline, or a truth without times."""
    detections: Detections | None = None
    """None: a baseline, or a truth without the boxes of every frame."""
    perturbation: PerturbationScores | None = None
    """None: not tested."""


@dataclass(frozen=True, slots=True)
class EvaluatedNetwork:
    """A network with the configuration that it is run with."""

    recognizer: Recognizer
    config: Config

    def class_ids(self, classes: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> list[int]:
        """Return the network's class id of each class of the truth; random weights have no names, and get the first
        ids.

        Args:
            classes: classes of the truth; case, spaces and underscores do not matter.
            aliases: class of the truth -> other names; the first that the network knows counts.

        Raises:
            ModelError: the network does not know a class.
        """
        if self.recognizer.weights == "random" and len(self.recognizer.classes) >= len(classes):
            return list(range(len(classes)))
        known = {_normalize(name): i for i, name in enumerate(self.recognizer.classes)}
        ids = [
            next((known[s] for s in map(_normalize, (name, *aliases.get(name, ()))) if s in known), None)
            for name in classes
        ]
        missing = [name for name, class_id in zip(classes, ids, strict=True) if class_id is None]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ModelError(
                f"{self.recognizer.name} cannot be evaluated on these videos",
                f"it does not know the classes {', '.join(missing[:3])}{more}",
                "take a network that was trained on them: --model NAME, see `camreel models`, or FILE.safetensors",
            )
        return [class_id for class_id in ids if class_id is not None]


def _normalize(name: str) -> str:
    """Return a class name in the form that its spellings share: "SoccerJuggling", "soccer juggling",
    "soccer_juggling"."""
    return "".join(name.lower().replace("_", " ").split())


def all_classes_config(config: Config, count: int, class_ids: Sequence[int] = ()) -> Config:
    """Return the configuration that reports every class on every frame.

    Args:
        config: the user's configuration.
        count: number of classes of the network.
        class_ids: report only these; empty: all.

    Raises:
        ConfigError: the configuration leaves out classes or parts of the videos.
    """
    if config.localize.classes or config.start is not None or config.end is not None:
        raise ConfigError(
            "--classes, --start and --end cannot be used here", "all classes are evaluated, on whole videos"
        )
    return replace_options(config, "localize", top_k=count, min_score=0.0, classes=[str(c) for c in class_ids])


def replace_options(config: Config, section: str, **values: object) -> Config:
    """Return the configuration with other values in one section."""
    plain = config.model_dump()
    plain[section] |= values
    return Config.model_validate(plain)


class PredictionCollector:
    """Collects the predictions of a network on one video, and of baselines that see the same frames.

    Args:
        video: the video.
        truth: its truth.
        network: the network.
        box_thresholds: saliencies at which the network's boxes are cut.
        baselines: name -> baseline and its scorer, from `make_baselines`; None: no baselines.
    """

    def __init__(
        self,
        video: EvalVideo,
        truth: Truth,
        network: EvaluatedNetwork,
        box_thresholds: Sequence[float],
        baselines: Mapping[str, tuple[LocationBaseline, LocalizationScorer]] | None = None,
    ) -> None:
        config = network.config
        self.video, self.truth = video, truth
        self.class_ids = network.class_ids(truth.classes, video.aliases)
        """The network's class id of each class of the truth."""
        self._scorer = LocalizationScorer(box_thresholds, config.localize.min_area)
        # Where the class is given, its boxes count however low its score is.
        self._detections = DetectionCollector(config.localize.min_score if video.timed else 0.0, config.link.gap)
        self._baselines = baselines or {}
        self._motion = FrameMotion()
        self._times: list[float] = []
        self._logits: list[list[float]] = []
        self._scores: list[list[float]] = []
        self._segments: list[Segment] = []

    def add(self, localization: Localization) -> None:
        """Add the localization of the next frame."""
        frame = localization.frame
        actions = {action.class_id: action for action in localization.actions}
        self._times.append(frame.time)
        self._logits.append([actions[c].logit if c in actions else MISSING_LOGIT for c in self.class_ids])
        self._scores.append([actions[c].score if c in actions else 0.0 for c in self.class_ids])
        self._add_segments(localization)
        for label, class_id in zip(self.truth.classes, self.class_ids, strict=True):
            if class_id in actions:
                self._detections.add(frame.index, frame.time, label, actions[class_id])
        self._motion.add(frame.picture)
        targets = class_targets(self.truth, frame.index, self.video.people.get(frame.index))
        for target in targets:
            action = actions.get(self.class_ids[target.class_id])
            self._scorer.add(target, predicted_location(action), self._motion)
        for locate, scorer in self._baselines.values():
            predicted = locate(frame)
            for target in targets:
                scorer.add(target, predicted, self._motion)

    def _add_segments(self, localization: Localization) -> None:
        for span in localization.ended:
            if isinstance(span, Segment) and span.class_id in self.class_ids:
                column = self.class_ids.index(span.class_id)
                self._segments.append(Segment(column, span.label, span.start, span.end, span.score))

    def result(self) -> VideoResult:
        """Return the network's result after the last frame, as far as the truth allows."""
        video = self.video
        scores = self._frame_scores() if video.timed else None
        detections = self._detections.detections(self.truth) if video.dense else None
        return VideoResult(video.name, video.split, self._scorer.scores(), scores, detections)

    def baseline_results(self) -> dict[str, VideoResult]:
        """Return the results of the baselines after the last frame."""
        return {
            name: VideoResult(self.video.name, self.video.split, scorer.scores(), None)
            for name, (_, scorer) in self._baselines.items()
        }

    def _frame_scores(self) -> FrameScores:
        classes = np.arange(len(self.truth.classes))
        return FrameScores(
            np.array(self._times),
            (self.truth.actions[:, :, None] == classes).any(axis=1),
            np.array(self._logits, np.float32),
            np.array(self._scores, np.float32),
            tuple(self._segments),
        )


def make_baselines(
    thresholds: Mapping[str, Sequence[float]], min_area: float, seed: int
) -> dict[str, tuple[LocationBaseline, LocalizationScorer]]:
    """Create the baselines for one video, with their scorers.

    Args:
        thresholds: name of a baseline -> saliencies at which its boxes are cut; other baselines are left out.
        min_area: minimum area of a box as a share of the picture.
        seed: seed of the random ones.
    """
    return {
        name: (make(seed), LocalizationScorer(thresholds[name], min_area))
        for name, make in BASELINES.items()
        if name in thresholds
    }


def predicted_location(action: Action | None) -> PredictedLocation:
    """Return the location of an action; None: the class is not reported."""
    if action is None:
        return PredictedLocation(None, None)
    return PredictedLocation(action.saliency, action.peak, action.foreground)


def collect(
    path: Path, network: EvaluatedNetwork, collector: PredictionCollector, on_frame: Callable[[Localization], None]
) -> None:
    """Localize a video, and pass each localization to the collector, then to `on_frame`.

    Args:
        path: file of the video.
        network: the network.
        collector: collector for this video and network.
        on_frame: called with each localization.

    Raises:
        InputError: the frames of the video are not those of the truth.
    """
    recognizer, truth, count = network.recognizer, collector.truth, 0
    known = len(recognizer.classes)
    # A thousand maps per frame are too many if the truth has one class.
    class_ids = () if known == len(truth.classes) else collector.class_ids
    config = all_classes_config(network.config, known, class_ids)
    for localization in localize(str(path), config=config, recognizer=recognizer):
        _check_frame(path, truth, localization.frame)
        collector.add(localization)
        on_frame(localization)
        count += 1
    if count != len(truth.times):
        raise _mismatch(path, f"the video has {count} frames, the truth {len(truth.times)}")


def _check_frame(path: Path, truth: Truth, frame: Frame) -> None:
    if frame.index >= len(truth.times):
        raise _mismatch(path, f"the video has more than the truth's {len(truth.times)} frames")
    expected = float(truth.times[frame.index])
    step = float(np.diff(truth.times).min()) if len(truth.times) > 1 else 1.0
    if abs(frame.time - expected) > step / 2:
        raise _mismatch(path, f"frame {frame.index} is shown at {frame.time:.3f} s, by the truth at {expected:.3f} s")


def _mismatch(path: Path, why: str) -> InputError:
    todo = "the video was cut or converted after its truth was made: use the video that the truth was made with"
    return InputError(f"the truth of {path} does not fit", why, todo)
