"""Videos to look at: some frames of each with what was said about them, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.case import Case
from pipeline.evaluate.observe import Observation
from pipeline.evaluate.report.report import Exhibit
from pipeline.overlay.color import AMBER, BLACK, WHITE, Color, heat_rgb
from pipeline.overlay.heat import gate
from pipeline.structures import U8, Action, Localization, Picture
from pipeline.truth import NONE, Truth

FRAMES = 5
WIDTH = 320
"""Of a frame in pixels."""
GAP = 4
GREEN: Color = (60, 230, 60)
OPACITY = 0.7
"""Of the heat where the evidence is full."""
QUALITY = 82


@dataclass(slots=True)
class Gallery:
    """Draws some frames of every video while it runs, and keeps those of the best, the median and the worst one of each split."""

    drawn: dict[str, list[U8]] = field(default_factory=dict)
    """Video -> frames that are drawn but not yet packed; of the video that runs."""
    strips: dict[str, bytes] = field(default_factory=dict)
    """Video -> JPEG."""
    classes: tuple[str, ...] = ()

    def take(self, case: Case, truth: Truth, localization: Localization) -> None:
        """Takes the next frame of a video."""
        self.classes = truth.classes
        wanted = moments(truth)
        if localization.frame.index not in wanted:
            return
        tiles = self.drawn.setdefault(case.name, [])
        tiles.append(draw(truth, localization))
        if localization.frame.index == wanted[-1]:
            self.strips[case.name] = pack(self.drawn.pop(case.name))

    def pick(self, videos: Sequence[Observation]) -> tuple[Exhibit, ...]:
        """The best, median and worst video of every split by the pointing game, then by energy."""
        exhibits = []
        for split in dict.fromkeys(video.split for video in videos):
            mine = [video for video in videos if video.split == split and len(video.places.frames) and video.name in self.strips]
            mine.sort(key=lambda video: (-_pointing(video), -float(video.places.energy.mean())))
            ranks = {len(mine) // 2: "median", len(mine) - 1: "worst", 0: "best"}
            exhibits += [self._exhibit(mine[at], ranks[at]) for at in sorted(ranks) if mine]
        return tuple(exhibits)

    def _exhibit(self, video: Observation, rank: str) -> Exhibit:
        return Exhibit(video.split, video.name, rank, _pointing(video), self.classes, video.scores, self.strips[video.name])


def _pointing(video: Observation) -> float:
    return float((video.places.distance == 0).mean())


def moments(truth: Truth) -> list[int]:
    """Frames to show: evenly among those in which somebody who is seen does something, else among all."""
    active = (truth.actions != NONE) & ~np.isnan(truth.boxes).any(axis=2)
    candidates = np.flatnonzero(active.any(axis=1)) if active.any() else np.arange(len(truth.times))
    at = (np.arange(FRAMES) + 0.5) / FRAMES * len(candidates)
    return sorted({int(candidates[int(i)]) for i in at}) if len(candidates) else []


def draw(truth: Truth, localization: Localization) -> U8:
    """RGB [h, w, 3] of a frame with the maps, boxes and peaks of what is performed, and in green who performs it."""
    picture, index = localization.frame.picture, localization.frame.index
    scale = WIDTH / picture.width
    tile = np.asarray(cv2.resize(_rgb(picture), (WIDTH, round(picture.height * scale)), interpolation=cv2.INTER_AREA), np.uint8)
    performed = {truth.classes[c].lower() for c in truth.actions[index] if c != NONE}
    shown = [action for action in localization.actions if action.label.lower() in performed]
    for action in shown:
        _heat(tile, action)
    for box in truth.boxes[index][truth.actions[index] != NONE]:
        if not np.isnan(box).any():
            _frame(tile, box * scale, GREEN)
    for row, action in enumerate(shown):
        for found in action.boxes:
            _frame(tile, np.array(found.xyxy) * scale, AMBER)
        if action.peak is not None:
            at = round(action.peak[0] * scale), round(action.peak[1] * scale)
            cv2.drawMarker(tile, at, BLACK, cv2.MARKER_TILTED_CROSS, 11, 3)
            cv2.drawMarker(tile, at, WHITE, cv2.MARKER_TILTED_CROSS, 9, 1)
        _write(tile, f"{action.label} {action.score:.2f}", row)
    return tile


def _rgb(picture: Picture) -> U8:
    y, u, v = (
        plane[: plane.shape[0] // n * n, : plane.shape[1] // n * n] for plane, n in ((picture.y, 2), (picture.u, 1), (picture.v, 1))
    )
    half = y.shape[0] // 2, y.shape[1] // 2
    planes = [np.ascontiguousarray(plane).ravel() for plane in (y, u[: half[0], : half[1]], v[: half[0], : half[1]])]
    return np.asarray(cv2.cvtColor(np.concatenate(planes).reshape(-1, y.shape[1]), cv2.COLOR_YUV2RGB_I420), np.uint8)


def _heat(tile: U8, action: Action) -> None:
    """Colours a picture by an action's saliency, as strong as its score."""
    if action.saliency is None:
        return
    size = tile.shape[1], tile.shape[0]
    saliency = np.clip(cv2.resize(action.saliency, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    colors = heat_rgb()[np.rint(saliency * 255).astype(int)]
    opacity = (OPACITY * gate(action.score) * saliency)[..., None]
    tile[:] = np.rint(tile * (1 - opacity) + colors * opacity)


def _frame(tile: U8, box: NDArray[np.floating], color: Color) -> None:
    left, top, right, bottom = (round(float(edge)) for edge in box)
    cv2.rectangle(tile, (left, top), (right - 1, bottom - 1), color, 1)


def _write(tile: U8, text: str, row: int) -> None:
    for color, thickness in ((BLACK, 3), (WHITE, 1)):
        cv2.putText(tile, text, (6, 16 + 16 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.42, color, thickness, cv2.LINE_AA)


def pack(tiles: Sequence[U8]) -> bytes:
    """Frames side by side, as a JPEG."""
    height = max(tile.shape[0] for tile in tiles)
    strip = np.full((height, len(tiles) * (WIDTH + GAP) - GAP, 3), 128, np.uint8)
    for i, tile in enumerate(tiles):
        strip[: tile.shape[0], i * (WIDTH + GAP) : i * (WIDTH + GAP) + WIDTH] = tile
    _, data = cv2.imencode(".jpg", strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)
