"""Example videos for the pages: frames with the program's maps, drawn while an evaluation runs, or after a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from camreel.annotations import NO_ACTION, Truth
from camreel.config.schema import Config
from camreel.evaluate.collector import VideoResult, replace_options
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.flow import load_recognizer, localize
from camreel.interfaces import Recognizer
from camreel.overlay.heat import AMBER
from camreel.overlay.layer import Color
from camreel.reports.evaluation_report import ExampleVideo
from camreel.reports.plots import TILE_WIDTH, draw_box, draw_heat, draw_peak, draw_text, encode_strip, make_tile
from camreel.reports.training_report import ConfusedClip
from camreel.sources import open_source
from camreel.structures import U8, Localization

FRAMES = 5
"""Number of frames in a strip."""
GREEN: Color = (60, 230, 60)
"""Color of true boxes."""


@dataclass(slots=True)
class ExampleGallery:
    """Draws frames of every video while it is evaluated, and picks the best, median and worst video of each split.

    Example:
        >>> gallery = ExampleGallery()
        >>> results = runner.run(videos, networks, thresholds, on_frame=gallery.add)
        >>> examples = gallery.pick(results["model"])
    """

    tiles: dict[str, list[U8]] = field(default_factory=dict)
    """Video -> drawn frames, until its strip is complete."""
    strips: dict[str, bytes] = field(default_factory=dict)
    """Video -> JPEG."""
    classes: tuple[str, ...] = ()

    def add(self, video: EvalVideo, truth: Truth, class_ids: Sequence[int], localization: Localization) -> None:
        """Take the next frame of a video.

        Args:
            video: the video.
            truth: its truth.
            class_ids: the network's class id of each class of the truth.
            localization: localization of the frame.
        """
        self.classes = truth.classes
        frames = example_frames(truth)
        if localization.frame.index not in frames:
            return
        tiles = self.tiles.setdefault(video.name, [])
        tiles.append(draw_example(truth, class_ids, localization))
        if localization.frame.index == frames[-1]:
            self.strips[video.name] = encode_strip(self.tiles.pop(video.name))

    def pick(self, results: Sequence[VideoResult]) -> tuple[ExampleVideo, ...]:
        """Return the best, median and worst video of every split by the pointing game, then by energy."""
        examples = []
        for split in dict.fromkeys(result.split for result in results):
            candidates = [
                r for r in results if r.split == split and len(r.localization.frames) and r.name in self.strips
            ]
            candidates.sort(key=lambda r: (-_pointing(r), -float(r.localization.energy.mean())))
            # Later entries win: a single video is the best one.
            ranks = {len(candidates) // 2: "median", len(candidates) - 1: "worst", 0: "best"}
            examples += [self._example(candidates[at], ranks[at]) for at in sorted(ranks) if candidates]
        return tuple(examples)

    def _example(self, result: VideoResult, rank: str) -> ExampleVideo:
        return ExampleVideo(
            split=result.split,
            name=result.name,
            rank=rank,
            pointing=_pointing(result),
            classes=self.classes,
            scores=result.scores,
            strip=self.strips[result.name],
        )


def _pointing(result: VideoResult) -> float:
    return float((result.localization.distance == 0).mean())


def example_frames(truth: Truth) -> list[int]:
    """Return the frames to show, spread evenly over those with visible actors, or over all frames if there are none."""
    active = (truth.actions != NO_ACTION) & ~np.isnan(truth.boxes).any(axis=2)
    candidates = np.flatnonzero(active.any(axis=1)) if active.any() else np.arange(len(truth.times))
    positions = (np.arange(FRAMES) + 0.5) / FRAMES * len(candidates)
    return sorted({int(candidates[int(i)]) for i in positions}) if len(candidates) else []


def draw_example(truth: Truth, class_ids: Sequence[int], localization: Localization) -> U8:
    """Draw a frame with the maps, boxes and peaks of the classes that are performed, and the true boxes in green.

    Args:
        truth: truth of the video.
        class_ids: the network's class id of each class of the truth.
        localization: localization of the frame.

    Returns:
        RGB [h, w, 3].
    """
    picture, index = localization.frame.picture, localization.frame.index
    scale = TILE_WIDTH / picture.width
    tile = make_tile(picture)
    performed = {class_ids[c] for c in truth.actions[index] if c != NO_ACTION}
    actions = [action for action in localization.actions if action.class_id in performed]
    for action in actions:
        draw_heat(tile, action)
    for box in truth.boxes[index][truth.actions[index] != NO_ACTION]:
        if not np.isnan(box).any():
            draw_box(tile, box * scale, GREEN)
    for row, action in enumerate(actions):
        for predicted in action.boxes:
            draw_box(tile, np.array(predicted.xyxy) * scale, AMBER)
        if action.peak is not None:
            draw_peak(tile, action.peak[0] * scale, action.peak[1] * scale)
        draw_text(tile, f"{action.label} {action.score:.2f}", row)
    return tile


@dataclass(frozen=True, slots=True)
class ConfusedProgress:
    """Progress of drawing confused clips."""

    done: int
    """Number of drawn clips."""
    total: int


def draw_confused_clips(
    checkpoint: Path,
    clips: Sequence[ConfusedClip],
    on_progress: Callable[[ConfusedProgress], None] = lambda progress: None,
) -> tuple[ConfusedClip, ...]:
    """Run a trained network over the clips that it confused, and draw the evidence for the predicted and the true
    class.

    Args:
        checkpoint: the trained network.
        clips: confused clips.
        on_progress: called after each frame; may raise KeyboardInterrupt.

    Returns:
        The clips with strips.

    Raises:
        ModelError: the checkpoint cannot be loaded.
        InputError: a clip cannot be read.
    """
    if not clips:
        return ()
    config = Config().with_model(str(checkpoint))
    recognizer = load_recognizer(config)
    drawn: list[ConfusedClip] = []
    for clip in clips:
        tiles: dict[str, list[U8]] = {clip.predicted: [], clip.label: []}
        times = _example_times(clip)
        for localization in localize(
            str(clip.path), config=_clip_config(clip, config, recognizer), recognizer=recognizer
        ):
            on_progress(ConfusedProgress(len(drawn), len(clips)))
            count = len(tiles[clip.predicted])
            if count < len(times) and localization.frame.time >= times[count]:
                for label, strip in tiles.items():
                    strip.append(_draw_evidence(localization, label))
        strips = {label: encode_strip(strip) for label, strip in tiles.items() if strip}
        drawn.append(dataclasses.replace(clip, strips=strips))
    return tuple(drawn)


def _clip_config(clip: ConfusedClip, config: Config, recognizer: Recognizer) -> Config:
    """Return the configuration that maps the predicted and the true class of a clip."""
    class_ids = [str(recognizer.classes.index(name)) for name in (clip.predicted, clip.label)]
    config = replace_options(config, "localize", classes=class_ids, top_k=2, min_score=0.0)
    return config.model_copy(update={"start": clip.start, "end": clip.end})


def _example_times(clip: ConfusedClip) -> list[float]:
    """Return the times in seconds of the frames to show, spread evenly over the clip."""
    with open_source(str(clip.path), audio=False) as source:
        end = clip.end or source.info.duration or 0.0
    start = clip.start or 0.0
    return [start + (end - start) * (i + 0.5) / FRAMES for i in range(FRAMES)]


def _draw_evidence(localization: Localization, label: str) -> U8:
    tile = make_tile(localization.frame.picture)
    for action in localization.actions:
        if action.label == label:
            draw_heat(tile, action)
            draw_text(tile, f"{label} {action.score:.2f}", 0)
    return tile
