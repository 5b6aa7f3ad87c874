"""Videos to look at: some frames of each with what was said about them, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from camreel.annotations import NO_ACTION, Truth
from camreel.evaluate.collector import Observation
from camreel.evaluate.eval_video import Case
from camreel.overlay.color import AMBER, BLACK, WHITE, Color
from camreel.reports.evaluation_report import Exhibit
from camreel.reports.tiles import WIDTH, draw_box, draw_heat, pack, tile_of, write
from camreel.structures import U8, Localization

FRAMES = 5
GREEN: Color = (60, 230, 60)


@dataclass(slots=True)
class Gallery:
    """Draws some frames of every video while it runs, and keeps those of the best, the median and the worst one of each split."""

    drawn: dict[str, list[U8]] = field(default_factory=dict)
    """Video -> frames that are drawn but not yet packed; of the video that runs."""
    strips: dict[str, bytes] = field(default_factory=dict)
    """Video -> JPEG."""
    classes: tuple[str, ...] = ()

    def take(self, case: Case, truth: Truth, columns: Sequence[int], localization: Localization) -> None:
        """Takes the next frame of a video, with the network's class id of each class of the truth."""
        self.classes = truth.classes
        wanted = moments(truth)
        if localization.frame.index not in wanted:
            return
        tiles = self.drawn.setdefault(case.name, [])
        tiles.append(draw(truth, columns, localization))
        if localization.frame.index == wanted[-1]:
            self.strips[case.name] = pack(self.drawn.pop(case.name))

    def pick(self, videos: Sequence[Observation]) -> tuple[Exhibit, ...]:
        """The best, median and worst video of every split by the pointing game, then by energy."""
        exhibits = []
        for split in dict.fromkeys(video.split for video in videos):
            mine = [
                video
                for video in videos
                if video.split == split and len(video.places.frames) and video.name in self.strips
            ]
            mine.sort(key=lambda video: (-_pointing(video), -float(video.places.energy.mean())))
            ranks = {len(mine) // 2: "median", len(mine) - 1: "worst", 0: "best"}
            exhibits += [self._exhibit(mine[at], ranks[at]) for at in sorted(ranks) if mine]
        return tuple(exhibits)

    def _exhibit(self, video: Observation, rank: str) -> Exhibit:
        return Exhibit(
            video.split, video.name, rank, _pointing(video), self.classes, video.scores, self.strips[video.name]
        )


def _pointing(video: Observation) -> float:
    return float((video.places.distance == 0).mean())


def moments(truth: Truth) -> list[int]:
    """Frames to show: evenly among those in which somebody who is seen does something, else among all."""
    active = (truth.actions != NO_ACTION) & ~np.isnan(truth.boxes).any(axis=2)
    candidates = np.flatnonzero(active.any(axis=1)) if active.any() else np.arange(len(truth.times))
    at = (np.arange(FRAMES) + 0.5) / FRAMES * len(candidates)
    return sorted({int(candidates[int(i)]) for i in at}) if len(candidates) else []


def draw(truth: Truth, columns: Sequence[int], localization: Localization) -> U8:
    """RGB [h, w, 3] of a frame with the maps, boxes and peaks of what is performed, and in green who performs it."""
    picture, index = localization.frame.picture, localization.frame.index
    scale = WIDTH / picture.width
    tile = tile_of(picture)
    performed = {columns[c] for c in truth.actions[index] if c != NO_ACTION}
    shown = [action for action in localization.actions if action.class_id in performed]
    for action in shown:
        draw_heat(tile, action)
    for box in truth.boxes[index][truth.actions[index] != NO_ACTION]:
        if not np.isnan(box).any():
            draw_box(tile, box * scale, GREEN)
    for row, action in enumerate(shown):
        for found in action.boxes:
            draw_box(tile, np.array(found.xyxy) * scale, AMBER)
        if action.peak is not None:
            at = round(action.peak[0] * scale), round(action.peak[1] * scale)
            cv2.drawMarker(tile, at, BLACK, cv2.MARKER_TILTED_CROSS, 11, 3)
            cv2.drawMarker(tile, at, WHITE, cv2.MARKER_TILTED_CROSS, 9, 1)
        write(tile, f"{action.label} {action.score:.2f}", row)
    return tile
