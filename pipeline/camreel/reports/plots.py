"""Drawings of the pages: geometry of the diagrams in SVG units, and strips of pictures with heat, boxes and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.imageops.color import to_rgb
from camreel.metrics.detection import find_spans
from camreel.metrics.frame_scores import FrameScores
from camreel.overlay.heat import BLACK, CLASS_COLORS, WHITE, gate, heat_rgb
from camreel.overlay.layer import Color
from camreel.overlay.panels import line_height, text_mask
from camreel.structures import U8, Action, Picture

SCORE_PLOT_WIDTH, SCORE_PLOT_HEIGHT = 1000, 120
BAR_STEP, BAR_HEIGHT = 9, 6
"""Distance and height of the bars that show the truth."""
MAX_CURVES = 5
MIN_FALSE_PEAK = 0.3
"""Largest score from which a class that is never performed gets a curve."""
HISTORY_WIDTH, HISTORY_HEIGHT, PADDING = 1000, 220, 26
MAX_EPOCH_MARKS = 16
RELIABILITY_SIDE = 260
HISTORY_CURVES = {
    "macro_f1": "macro-F1, held-out clips",
    "held_out_loss": "loss, held-out clips",
    "loss": "loss, training clips",
}
"""Key of the history -> name of the curve."""


TILE_WIDTH = 320
"""Width of a tile in pixels."""
GAP = 4
"""Pixels between the tiles of a strip."""
GAP_LEVEL = 128
"""Gray level of the gaps."""
OPACITY = 0.7
"""Opacity of the heat at full evidence."""
TEXT_SIZE = 12
"""Font size in pixels."""
TEXT_MARGIN = 6
JPEG_QUALITY = 82


@dataclass(frozen=True, slots=True)
class Curve:
    """A line with its color and name."""

    name: str
    color: str
    """CSS color."""
    points: str
    """Points of an SVG polyline: "x,y x,y ..."."""
    bars: tuple[tuple[float, float], ...] = ()
    """Times of the truth above the curves: left edge and width."""


@dataclass(frozen=True, slots=True)
class ScorePlot:
    """Scores of a video over time, with bars of the truth above."""

    curves: tuple[Curve, ...]
    height: int
    """Height of the view box, bars included."""
    threshold_y: float
    """Height of the score from which a class is active."""


def plot_scores(scores: FrameScores, classes: Sequence[str], threshold: float) -> ScorePlot:
    """Return the plot of the classes that are performed, and of those that wrongly reach a high score.

    Args:
        scores: scores and truth of a video.
        classes: class names.
        threshold: score from which a class is active.
    """
    shown, performed = _shown_classes(scores), np.flatnonzero(scores.true.any(axis=0))
    top = BAR_STEP * len(shown) + 4
    start = scores.times[0]
    scale = SCORE_PLOT_WIDTH / max(float(scores.times[-1] - start), 1e-9)
    curves = []
    for row, c in enumerate(shown):
        spans = find_spans(scores.times, scores.true[:, c])
        points = " ".join(
            f"{(t - start) * scale:.0f},{top + SCORE_PLOT_HEIGHT * (1 - s):.0f}"
            for t, s in zip(scores.times, scores.scores[:, c], strict=True)
        )
        bars = tuple(((begin - start) * scale, (end - begin) * scale) for begin, end in spans)
        name = classes[c] if c in performed else f"{classes[c]} (not performed)"
        curves.append(Curve(name, css_color(row), points, bars))
    return ScorePlot(tuple(curves), top + SCORE_PLOT_HEIGHT + 2, top + SCORE_PLOT_HEIGHT * (1 - threshold))


def _shown_classes(scores: FrameScores) -> list[int]:
    """Return the classes with a curve: performed ones first, then by their largest score."""
    true: list[bool] = np.asarray(scores.true.any(axis=0)).tolist()
    peaks: list[float] = np.asarray(scores.scores.max(axis=0)).tolist()
    order = sorted(range(len(true)), key=lambda c: (not true[c], -peaks[c]))
    return [c for c in order if true[c] or peaks[c] >= MIN_FALSE_PEAK][:MAX_CURVES]


@dataclass(frozen=True, slots=True)
class HistoryPlot:
    """Macro-F1 and losses over the epochs, on one scale from 0."""

    curves: tuple[Curve, ...]
    levels: tuple[tuple[float, float], ...]
    """Horizontal lines: value and y."""
    right: float
    """x of the last epoch."""
    marks: tuple[tuple[int, float], ...]
    """Labels of the epochs: number and x."""
    best: Mapping[str, float]
    """Entry of the history of the best epoch."""
    best_point: tuple[float, float]
    """(x, y) of its macro-F1."""


def plot_history(history: Sequence[Mapping[str, float]]) -> HistoryPlot | None:
    """Return the plot of a training; None if there were no epochs.

    Args:
        history: entries with epoch, macro_f1, held_out_loss and, except for the first one, loss.
    """
    if len(history) < 2:
        return None
    last = history[-1]["epoch"]
    top = max(1.0, *(entry[name] for entry in history for name in HISTORY_CURVES if name in entry))
    best = max(history, key=lambda entry: (entry["macro_f1"], -entry["held_out_loss"]))

    def point(epoch: float, value: float) -> tuple[float, float]:
        x = PADDING + (HISTORY_WIDTH - 2 * PADDING) * epoch / max(last, 1e-9)
        return x, PADDING + (HISTORY_HEIGHT - 2 * PADDING) * (1 - value / top)

    curves = []
    for row, (key, name) in enumerate(HISTORY_CURVES.items()):
        points = [point(entry["epoch"], entry[key]) for entry in history if key in entry]
        curves.append(Curve(name, css_color(row), " ".join(f"{x:.1f},{y:.1f}" for x, y in points)))
    step = max(1, round(last / MAX_EPOCH_MARKS))
    return HistoryPlot(
        curves=tuple(curves),
        levels=tuple((level, point(0, level)[1]) for level in (0.0, 0.5, 1.0)),
        right=point(last, 0)[0],
        marks=tuple((epoch, point(epoch, 0)[0]) for epoch in range(0, int(last) + 1, step)),
        best=best,
        best_point=point(best["epoch"], best["macro_f1"]),
    )


@dataclass(frozen=True, slots=True)
class ReliabilityDot:
    """One bin of a reliability diagram."""

    x: float
    y: float
    radius: float
    """Grows with the number of clips."""
    confidence: float
    accuracy: float
    clips: int


def plot_reliability(bins: Sequence[tuple[float, float, int]], clips: int) -> list[ReliabilityDot]:
    """Return the dots of a reliability diagram: accuracy over confidence, on the diagonal if the scores are calibrated.

    Args:
        bins: mean confidence, accuracy and number of clips of each bin.
        clips: number of clips in all bins.
    """
    side = RELIABILITY_SIDE - 2 * PADDING
    return [
        ReliabilityDot(
            x=PADDING + side * confidence,
            y=PADDING + side * (1 - accuracy),
            radius=3 + 14 * (count / clips) ** 0.5,
            confidence=confidence,
            accuracy=accuracy,
            clips=count,
        )
        for confidence, accuracy, count in bins
    ]


def css_color(row: int) -> str:
    """Return the color of a row's curve."""
    return "#{:02x}{:02x}{:02x}".format(*CLASS_COLORS[row])


def make_tile(picture: Picture) -> U8:
    """Return a picture as small RGB [h, w, 3], `TILE_WIDTH` wide."""
    size = TILE_WIDTH, round(picture.height * TILE_WIDTH / picture.width)
    return to_rgb(picture, size, average=True)


def draw_heat(tile: U8, action: Action) -> None:
    """Color a tile by an action's saliency, more faintly if its score is low."""
    if action.saliency is None:
        return
    size = tile.shape[1], tile.shape[0]
    saliency = np.clip(cv2.resize(action.saliency, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    colors = heat_rgb()[np.rint(saliency * 255).astype(int)]
    opacity = (OPACITY * gate(action.score) * saliency)[..., None]
    tile[:] = np.rint(tile * (1 - opacity) + colors * opacity)


def draw_box(tile: U8, box: NDArray[np.floating], color: Color) -> None:
    """Draw the outline of a box, xyxy in pixels of the tile."""
    left, top, right, bottom = (round(float(edge)) for edge in box)
    cv2.rectangle(tile, (left, top), (right - 1, bottom - 1), color, 1)


def draw_peak(tile: U8, x: float, y: float) -> None:
    """Draw a cross at (x, y) in pixels of the tile."""
    for color, size, thickness in ((BLACK, 11, 3), (WHITE, 9, 1)):
        cv2.drawMarker(tile, (round(x), round(y)), color, cv2.MARKER_TILTED_CROSS, size, thickness)


def draw_text(tile: U8, text: str, row: int) -> None:
    """Write a line of white text with a black outline in the top left corner."""
    mask = np.pad(text_mask(text, TEXT_SIZE), 1)
    top = TEXT_MARGIN + line_height(TEXT_SIZE) * row
    part = tile[top : top + mask.shape[0], TEXT_MARGIN : TEXT_MARGIN + mask.shape[1]]
    # Text that is too long ends at the edge of the tile.
    mask = mask[: part.shape[0], : part.shape[1]]
    outline = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    for color, cover in ((BLACK, outline), (WHITE, mask)):
        opacity = cover[..., None] / 255
        part[:] = np.rint(part * (1 - opacity) + np.array(color) * opacity)


def encode_strip(tiles: Sequence[U8]) -> bytes:
    """Return tiles side by side as a JPEG."""
    height = max(tile.shape[0] for tile in tiles)
    strip = np.full((height, len(tiles) * (TILE_WIDTH + GAP) - GAP, 3), GAP_LEVEL, np.uint8)
    for i, tile in enumerate(tiles):
        strip[: tile.shape[0], i * (TILE_WIDTH + GAP) : i * (TILE_WIDTH + GAP) + TILE_WIDTH] = tile
    _, data = cv2.imencode(".jpg", strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data)
