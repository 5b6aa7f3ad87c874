"""One video through the real product, frame by frame: what was said about it, reduced to what the metrics need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camreel.annotations import Truth
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, ModelError
from camreel.evaluate.baselines import Look
from camreel.evaluate.detections import Detected, Finds
from camreel.evaluate.eval_video import Case
from camreel.evaluate.faithfulness import Removals
from camreel.evaluate.localization_scores import Places, Spot, Tally, targets
from camreel.flow import localize
from camreel.interfaces import Recognizer
from camreel.metrics.frames import idle
from camreel.metrics.pointing_game import Bool
from camreel.metrics.stability import Passage
from camreel.structures import F32, Action, Frame, Localization, Segment

NEVER = -1e4
"""Logit of a class that a frame says nothing of."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What was said of the classes of the truth, over time."""

    times: NDArray[np.float64]
    """Seconds [T]."""
    true: Bool
    """Which classes somebody performs [T, C]."""
    logits: F32
    """[T, C]"""
    scores: F32
    """[T, C] in [0, 1]."""
    segments: tuple[Segment, ...]

    @property
    def idle(self) -> Bool:
        """Frames on which nobody does anything, nor nearly [T]."""
        return idle(self.times, self.true)

    @property
    def reported(self) -> Bool:
        """Which classes are in a segment, by frame [T, C]."""
        found = np.zeros_like(self.true)
        for segment in self.segments:
            found[:, segment.class_id] |= (self.times >= segment.start) & (self.times < segment.end)
        return found


@dataclass(frozen=True, slots=True)
class Observation:
    """One video as one network or baseline sees it."""

    name: str
    split: str
    places: Places
    scores: Scores | None
    """None: a baseline that only says where."""
    detected: Detected | None = None
    """None likewise, or the truth does not say where everybody is."""
    removals: Removals | None = None
    """None: nothing was removed."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network and how it is run."""

    recognizer: Recognizer
    config: Config

    def columns(self, classes: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> list[int]:
        """The network's class id of each class of the truth; where it has no names of its own (random weights), the first ones.

        Args:
            classes: of the truth. Case, spaces and underscores do not matter.
            aliases: class of the truth -> other names for it; the first that the network knows counts.

        Raises:
            ModelError: it does not know a class.
        """
        if self.recognizer.weights == "random" and len(self.recognizer.classes) >= len(classes):
            return list(range(len(classes)))
        known = {_spelled(name): i for i, name in enumerate(self.recognizer.classes)}
        found = [
            next((known[s] for s in map(_spelled, (name, *aliases.get(name, ()))) if s in known), None)
            for name in classes
        ]
        missing = [name for name, column in zip(classes, found, strict=True) if column is None]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ModelError(
                f"{self.recognizer.name} cannot be evaluated on these videos",
                f"it does not know the classes {', '.join(missing[:3])}{more}",
                "take a network that was trained on them: --model NAME, see `camreel models`, or FILE.safetensors",
            )
        return [column for column in found if column is not None]


def _spelled(name: str) -> str:
    """A class name as all its spellings are: "SoccerJuggling", "soccer juggling", "soccer_juggling"."""
    return "".join(name.lower().replace("_", " ").split())


def whole(config: Config, classes: int, asked: Sequence[int] = ()) -> Config:
    """The configuration under which every frame tells of every class, or of those that are asked for.

    Raises:
        ConfigError: it leaves out classes or parts of the videos.
    """
    if config.localize.classes or config.start is not None or config.end is not None:
        raise ConfigError(
            "--classes, --start and --end cannot be used here", "all classes are evaluated, on whole videos"
        )
    return changed(config, "localize", top_k=classes, min_score=0.0, classes=[str(c) for c in asked])


def changed(config: Config, section: str, **values: object) -> Config:
    """The configuration with other values in one section."""
    plain = config.model_dump()
    plain[section] |= values
    return Config.model_validate(plain)


@dataclass(slots=True)
class Watch:
    """Takes the localizations of one video."""

    case: Case
    truth: Truth
    columns: Sequence[int]
    tally: Tally
    finds: Finds
    others: Mapping[str, tuple[Look, Tally]] = field(default_factory=dict)
    """Baselines that look at the same pictures."""
    passage: Passage = field(default_factory=Passage)
    times: list[float] = field(default_factory=list)
    logits: list[list[float]] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def take(self, localization: Localization) -> None:
        """Takes the next frame's."""
        index = localization.frame.index
        said = {action.class_id: action for action in localization.actions}
        self.times.append(localization.frame.time)
        self.logits.append([said[c].logit if c in said else NEVER for c in self.columns])
        self.scores.append([said[c].score if c in said else 0.0 for c in self.columns])
        self._take_segments(localization)
        for label, column in zip(self.truth.classes, self.columns, strict=True):
            if column in said:
                self.finds.add(index, localization.frame.time, label, said[column])
        self.passage.see(localization.frame.picture)
        found = targets(self.truth, index, self.case.marks.get(index))
        for target in found:
            self.tally.add(target, spot_of(said.get(self.columns[target.class_id])), self.passage)
        for look, tally in self.others.values():
            spot = look(localization.frame)
            for target in found:
                tally.add(target, spot, self.passage)

    def _take_segments(self, localization: Localization) -> None:
        for span in localization.ended:
            if isinstance(span, Segment) and span.class_id in self.columns:
                self.segments.append(
                    Segment(self.columns.index(span.class_id), span.label, span.start, span.end, span.score)
                )

    def observation(self) -> Observation:
        """The whole video, as far as the truth tells of it."""
        case = self.case
        said, detected = self._said() if case.timed else None, self.finds.detected(self.truth) if case.dense else None
        return Observation(case.name, case.split, self.tally.places(), said, detected)

    def beside(self) -> dict[str, Observation]:
        """The baselines' whole video."""
        return {
            name: Observation(self.case.name, self.case.split, tally.places(), None)
            for name, (_, tally) in self.others.items()
        }

    def _said(self) -> Scores:
        classes = np.arange(len(self.truth.classes))
        true = (self.truth.actions[:, :, None] == classes).any(axis=1)
        return Scores(
            np.array(self.times),
            true,
            np.array(self.logits, np.float32),
            np.array(self.scores, np.float32),
            tuple(self.segments),
        )


def spot_of(action: Action | None) -> Spot:
    """What an action says of where."""
    return Spot(None, None) if action is None else Spot(action.saliency, action.peak, action.foreground)


def run(video: Path, truth: Truth, network: Network, watch: Watch, on_frame: Callable[[Localization], None]) -> None:
    """Localizes a video and lets `watch`, then `on_frame`, see every frame.

    Raises:
        InputError: the video's frames are not those of the truth.
    """
    known, count = len(network.recognizer.classes), 0
    # A thousand maps of every frame are too many where the truth knows one class.
    asked = () if known == len(truth.classes) else watch.columns
    for localization in localize(str(video), config=whole(network.config, known, asked), recognizer=network.recognizer):
        _check(video, truth, localization.frame)
        watch.take(localization)
        on_frame(localization)
        count += 1
    if count != len(truth.times):
        raise _misfit(video, f"the video has {count} frames, the truth {len(truth.times)}")


def _check(video: Path, truth: Truth, frame: Frame) -> None:
    if frame.index >= len(truth.times):
        raise _misfit(video, f"the video has more than the truth's {len(truth.times)} frames")
    expected = float(truth.times[frame.index])
    step = float(np.diff(truth.times).min()) if len(truth.times) > 1 else 1.0
    if abs(frame.time - expected) > step / 2:
        raise _misfit(video, f"frame {frame.index} is shown at {frame.time:.3f} s, by the truth at {expected:.3f} s")


def _misfit(video: Path, why: str) -> InputError:
    todo = "the video was cut or converted after its truth was made: use the video that the truth was made with"
    return InputError(f"the truth of {video} does not fit", why, todo)
