"""The annotated picture: a pure function of a localization and the scores before it, on YUV planes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from camreel.overlay.color import AMBER, BLACK, WHITE, Palette, palette
from camreel.overlay.heat import Field, draw_heat, gate
from camreel.overlay.layer import Layer, Rect, copy, even, frame, lines, window
from camreel.overlay.panels import Row, legend, listing, tag
from camreel.overlay.strip import Timeline, strip_height
from camreel.overlay.text import line_height
from camreel.structures import F32, Action, Box, Localization, Picture

Style = Literal["heatmap", "contour", "boxes", "side-by-side", "none"]

LEVELS = (0.25, 0.5, 0.75)
"""Saliency of the contour style's lines."""

FURTHER = 2
"""Actions beside the best that get a line: more would be clutter."""
SURE = 0.5
"""Score from which an action is drawn like the best one."""

NOWHERE: Rect = (0, 0, 0, 0)


class Overlay:
    """Draws on pictures of one size.

    Args:
        width: of the displayed picture in pixels.
        height: of the displayed picture in pixels.
        style: heatmap (colour), contour (lines of equal evidence), boxes, side-by-side (the original and the heatmap), none.
        opacity: of the heat where the saliency is 1.
        span: seconds at which the video begins and ends; None: not known.
        random_weights: say on the picture that the network has not learned anything.
    """

    def __init__(
        self,
        width: int,
        height: int,
        style: Style = "heatmap",
        *,
        opacity: float = 0.6,
        span: tuple[float, float] | None = None,
        random_weights: bool = False,
    ) -> None:
        self._picture = width, height
        self._width, self._height = even(width + 1), even(height + 1)
        self._style = style
        self._opacity = opacity
        self._span = span
        self._random = random_weights
        self._font = max(9, round(5 + 0.017 * (width * height) ** 0.5))
        self._margin = even(max(4, self._font * 0.6))
        self._stroke = max(1, round(self._font / 9))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures that `draw` fills: even."""
        return self._width * (2 if self._style == "side-by-side" else 1), self._height

    def timeline(self) -> Timeline:
        """The empty history of scores that `draw` shows; whoever draws adds each frame to it before."""
        return Timeline(self._width, self._height, self._span)

    def draw(
        self,
        localization: Localization,
        timeline: Timeline,
        out: Picture,
        *,
        opacity: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Fills `out` with the annotated picture; the source picture is only read.

        Args:
            localization: with a picture of the size this overlay was made for.
            timeline: the scores up to and with this frame.
            out: planes of `size` to be overwritten, in the matrix and range of the source picture.
            opacity: of the heat where the saliency is 1; None: as this overlay was made.
            notes: lines for the top right.
        """
        source = localization.frame.picture
        if (source.width, source.height) != self._picture:
            raise ValueError(
                f"picture of {source.width}x{source.height} on an overlay for {self._picture[0]}x{self._picture[1]}"
            )
        view = window(out, 0, 0, self._width, self._height)
        copy(source, view)
        if self._style == "none":
            return
        if self._style == "side-by-side":
            view = window(out, self._width, 0, self._width, self._height)
            copy(source, view)
        colors = palette(source.matrix, source.full_range)
        self._evidence(view, localization.actions, timeline, colors, self._opacity if opacity is None else opacity)
        shown = localization.actions if self._style == "boxes" else tuple(filter(_is_sure, localization.actions))
        shown = shown or localization.actions[:1]
        self._boxes(view, shown, timeline, colors)
        timeline.draw(view, colors)
        taken = [self._list(view, localization.actions, timeline, colors)]
        if self._style != "boxes":
            taken.append(self._legend(view, localization.actions, colors))
        if notes:
            taken.append(self._note(view, notes, colors))
        self._tags(view, shown, timeline, colors, taken)

    def _evidence(
        self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette, opacity: float
    ) -> None:
        """The heat or lines of the best action and of all that are sure, and where others have half their evidence."""
        if self._style == "boxes":
            return
        for rank, action in reversed(list(enumerate(actions))):
            if action.saliency is None or rank > (FURTHER if self._roomy else 0):
                continue
            field, strength = Field(action, *self._picture), gate(action.score)
            if rank and not _is_sure(action):
                lines(view, field.isolines(0.5), colors.color(timeline.color(action.class_id)), self._stroke, strength)
            elif self._style == "contour":
                for level in LEVELS:
                    y, u, v = colors.heat[round(level * 255)].tolist()
                    lines(view, field.isolines(level), (y, u, v), self._stroke + 1, strength)
            else:
                draw_heat(view, field, opacity * strength, colors)

    @property
    def _roomy(self) -> bool:
        """Whether the picture has room for more than the most important."""
        return self._width >= 300 and self._height >= 200

    def _list(self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette) -> Rect:
        """The actions and their scores at the top left; returns the place it takes."""
        rows = [Row(action.label, f"{action.score:.2f}", timeline.color(action.class_id)) for action in actions]
        most = max(1, int(0.3 * self._height) // line_height(self._font) - self._random)
        rows = rows[:most]
        if self._random:
            rows.append(Row("random weights", "", AMBER, plain=True))
        if not rows:
            return NOWHERE
        width = self._width - 2 * self._margin
        layer = listing(tuple(rows), self._font, even(width if width < 400 else max(400, width * 0.5)), colors)
        layer.blend(view, self._margin, self._margin)
        return self._margin, self._margin, self._margin + layer.width, self._margin + layer.height

    def _note(self, view: Picture, notes: tuple[str, ...], colors: Palette) -> Rect:
        """Lines at the top right; returns the place they take."""
        rows = tuple(Row(note, "", WHITE, plain=True) for note in notes)
        layer = listing(rows, max(9, round(self._font * 0.85)), even(self._width * 0.45), colors)
        left = even(self._width - self._margin - layer.width)
        layer.blend(view, left, self._margin)
        return left, self._margin, left + layer.width, self._margin + layer.height

    def _legend(self, view: Picture, actions: tuple[Action, ...], colors: Palette) -> Rect:
        """What the colours stand for, at the bottom right; returns the place it takes."""
        if not self._roomy or not actions or actions[0].saliency is None:
            return NOWHERE
        layer = legend(
            _number(actions[0].scale), _number(actions[0].scale / 2), max(9, round(self._font * 0.85)), colors
        )
        left = self._width - self._margin - layer.width
        top = even(self._height - strip_height(self._height) - self._margin - layer.height)
        layer.blend(view, left, top)
        return left, top, left + layer.width, top + layer.height

    def _boxes(self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette) -> None:
        """Boxes, the best action's on top, and its peak."""
        for action in reversed(actions):
            for box in action.boxes:
                frame(view, self._rect(box), colors.color(timeline.color(action.class_id)), self._stroke + 1)
        if actions and actions[0].peak is not None:
            self._peak(view, actions[0].peak, colors)

    def _tags(
        self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette, taken: list[Rect]
    ) -> None:
        """The boxes' names, the best action's on top."""
        if not self._roomy:
            return
        for action in reversed(actions):
            for box in action.boxes:
                color = timeline.color(action.class_id)
                layer = tag(_tag_text(action, box), color, self._font, self._width - 2 * self._margin, colors)
                layer.blend(view, *self._place(layer, self._rect(box), taken))

    def _rect(self, box: Box) -> Rect:
        """A box on even pixels inside the picture."""
        x1, y1, x2, y2 = box.xyxy
        left, top = min(max(even(x1), 0), self._width - 4), min(max(even(y1), 0), self._height - 4)
        return left, top, min(max(even(x2 + 1), left + 4), self._width), min(max(even(y2 + 1), top + 4), self._height)

    def _place(self, layer: Layer, rect: Rect, taken: list[Rect]) -> tuple[int, int]:
        """Where a box's tag goes: above it, else inside, else below; not over the panels, the strip or the picture's rim."""
        left, top, _, bottom = rect
        floor = self._height - strip_height(self._height) - layer.height
        x = max(min(left, self._width - layer.width), 0)
        under = max((y2 for x1, _, x2, y2 in taken[:1] if x < x2 and x + layer.width > x1), default=0)
        for y in (top - layer.height, top, under, bottom):
            free = all(
                x >= x2 or x + layer.width <= x1 or y >= y2 or y + layer.height <= y1 for x1, y1, x2, y2 in taken
            )
            if 0 <= y <= floor and free and (y != under or top <= under < bottom):
                return x, even(y)
        return x, even(max(min(top, floor), 0))

    def _peak(self, view: Picture, peak: tuple[float, float], colors: Palette) -> None:
        """A ring around the strongest evidence."""
        turn = np.linspace(0, 2 * np.pi, 25)
        radius = max(3.0, self._font * 0.4)
        ring: F32 = (np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius + peak).astype(np.float32)[None]
        lines(view, ring, colors.color(BLACK), self._stroke + 2, 0.6)
        lines(view, ring, colors.color(WHITE), self._stroke)


def _is_sure(action: Action) -> bool:
    """Whether it happens rather than not; several do at once where scores are sigmoids."""
    return action.score >= SURE


def _tag_text(action: Action, box: Box) -> str:
    return f"{action.label} {box.score:.2f}" + (f" #{box.track}" if box.track is not None else "")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
