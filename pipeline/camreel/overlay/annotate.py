"""The composition of the annotated picture: which parts are drawn for which actions, and where."""

from __future__ import annotations

import numpy as np

from camreel.overlay.heat import AMBER, BLACK, WHITE, Palette, SaliencyField, draw_heat, gate, palette
from camreel.overlay.layer import Layer, Rect, copy_picture, crop, draw_lines, draw_rectangle, floor_even
from camreel.overlay.panels import Row, label_panel, legend_panel, line_height, list_panel
from camreel.overlay.strip import Timeline, strip_height
from camreel.structures import F32, Action, Box, Localization, Picture

CONTOUR_LEVELS = (0.25, 0.5, 0.75)
"""Saliency of the contour style's lines."""
FURTHER_ACTIONS = 2
"""Number of actions beside the best one that get heat or a line: more would be clutter."""
SURE_SCORE = 0.5
"""Score from which an action is drawn like the best one: several actions happen at once where scores are sigmoids."""
SMALL_FONT = 0.85
"""Size of the legend's and notes' font relative to that of the list."""
EMPTY: Rect = (0, 0, 0, 0)


class Overlay:
    """Annotator of pictures of one size.

    Args:
        width: width of the displayed picture in pixels.
        height: height of the displayed picture in pixels.
        style: one of `camreel.sinks.options.STYLES`: heatmap (color), contour (lines of equal evidence),
            boxes, side-by-side (the original and the heatmap), none.
        opacity: opacity of the heat where the saliency is 1.
        span: seconds at which the video begins and ends; None: not known.
        random_weights: write on the picture that the network was not trained.

    Example:
        >>> overlay = Overlay(640, 360, "contour")
        >>> timeline = overlay.timeline()
        >>> for localization in localizations:
        ...     timeline.add(localization.frame.time, localization.actions)
        ...     overlay.draw(localization, timeline, out)
    """

    def __init__(
        self,
        width: int,
        height: int,
        style: str = "heatmap",
        *,
        opacity: float = 0.6,
        span: tuple[float, float] | None = None,
        random_weights: bool = False,
    ) -> None:
        self._picture = width, height
        self._width, self._height = floor_even(width + 1), floor_even(height + 1)
        self._style = style
        self._opacity = opacity
        self._span = span
        self._random = random_weights
        self._font = max(9, round(5 + 0.017 * (width * height) ** 0.5))
        self._small_font = max(9, round(self._font * SMALL_FONT))
        self._margin = floor_even(max(4, self._font * 0.6))
        self._stroke = max(1, round(self._font / 9))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures that `draw` fills: even."""
        return self._width * (2 if self._style == "side-by-side" else 1), self._height

    def timeline(self) -> Timeline:
        """Return an empty history of scores for `draw`. Each frame must be added to it before the frame is drawn."""
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
        """Fill `out` with the annotated picture. The source picture is only read.

        Args:
            localization: localization with a picture of the size of this overlay.
            timeline: scores up to and including this frame.
            out: planes of `size` to be overwritten, in the matrix and range of the source picture.
            opacity: opacity of the heat where the saliency is 1; None: the opacity of this overlay.
            notes: lines of text for the top right corner.
        """
        source = localization.frame.picture
        if (source.width, source.height) != self._picture:
            width, height = self._picture
            raise ValueError(f"picture of {source.width}x{source.height} on an overlay for {width}x{height}")
        view = crop(out, 0, 0, self._width, self._height)
        copy_picture(source, view)
        if self._style == "none":
            return
        if self._style == "side-by-side":
            view = crop(out, self._width, 0, self._width, self._height)
            copy_picture(source, view)
        actions, colors = localization.actions, palette(source.matrix, source.full_range)
        self._draw_evidence(view, actions, timeline, colors, self._opacity if opacity is None else opacity)
        shown = actions if self._style == "boxes" else tuple(filter(_is_sure, actions))
        shown = shown or actions[:1]
        self._draw_boxes(view, shown, timeline, colors)
        timeline.draw(view, colors)
        taken = [self._draw_list(view, actions, timeline, colors)]
        if self._style != "boxes":
            taken.append(self._draw_legend(view, actions, colors))
        if notes:
            taken.append(self._draw_notes(view, notes, colors))
        self._draw_labels(view, shown, timeline, colors, taken)

    def _draw_evidence(
        self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette, opacity: float
    ) -> None:
        """Draw the heat or lines of the best action and of all sure ones, and a line at half the evidence of others."""
        if self._style == "boxes":
            return
        for rank, action in reversed(list(enumerate(actions))):
            if action.saliency is None or rank > (FURTHER_ACTIONS if self._is_large else 0):
                continue
            field, strength = SaliencyField(action, *self._picture), gate(action.score)
            if rank and not _is_sure(action):
                color = colors.color(timeline.color(action.class_id))
                draw_lines(view, field.isolines(0.5), color, self._stroke, strength)
            elif self._style == "contour":
                for level in CONTOUR_LEVELS:
                    y, u, v = colors.heat[round(level * 255)].tolist()
                    draw_lines(view, field.isolines(level), (y, u, v), self._stroke + 1, strength)
            else:
                draw_heat(view, field, opacity * strength, colors)

    @property
    def _is_large(self) -> bool:
        """Whether the picture has room for more than the most important parts."""
        return self._width >= 300 and self._height >= 200

    def _draw_list(self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette) -> Rect:
        """Draw the actions and their scores at the top left; return the rectangle of the list."""
        rows = [Row(action.label, f"{action.score:.2f}", timeline.color(action.class_id)) for action in actions]
        max_rows = max(1, int(0.3 * self._height) // line_height(self._font) - self._random)
        rows = rows[:max_rows]
        if self._random:
            rows.append(Row("random weights", "", AMBER, plain=True))
        if not rows:
            return EMPTY
        width = self._width - 2 * self._margin
        max_width = floor_even(width if width < 400 else max(400, width * 0.5))
        layer = list_panel(tuple(rows), self._font, max_width, colors)
        layer.blend(view, self._margin, self._margin)
        return self._margin, self._margin, self._margin + layer.width, self._margin + layer.height

    def _draw_notes(self, view: Picture, notes: tuple[str, ...], colors: Palette) -> Rect:
        """Draw lines of text at the top right; return their rectangle."""
        rows = tuple(Row(note, "", WHITE, plain=True) for note in notes)
        layer = list_panel(rows, self._small_font, floor_even(self._width * 0.45), colors)
        left = floor_even(self._width - self._margin - layer.width)
        layer.blend(view, left, self._margin)
        return left, self._margin, left + layer.width, self._margin + layer.height

    def _draw_legend(self, view: Picture, actions: tuple[Action, ...], colors: Palette) -> Rect:
        """Draw the color scale with its logits at the bottom right; return the rectangle of the legend."""
        if not self._is_large or not actions or actions[0].saliency is None:
            return EMPTY
        scale = actions[0].scale
        layer = legend_panel(_number(scale), _number(scale / 2), self._small_font, colors)
        left = self._width - self._margin - layer.width
        top = floor_even(self._height - strip_height(self._height) - self._margin - layer.height)
        layer.blend(view, left, top)
        return left, top, left + layer.width, top + layer.height

    def _draw_boxes(self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette) -> None:
        """Draw the boxes, those of the best action on top, and the peak of the best action."""
        for action in reversed(actions):
            for box in action.boxes:
                color = colors.color(timeline.color(action.class_id))
                draw_rectangle(view, self._box_rect(box), color, self._stroke + 1)
        if actions and actions[0].peak is not None:
            self._draw_peak(view, actions[0].peak, colors)

    def _draw_labels(
        self, view: Picture, actions: tuple[Action, ...], timeline: Timeline, colors: Palette, taken: list[Rect]
    ) -> None:
        """Draw the labels of the boxes, those of the best action on top."""
        if not self._is_large:
            return
        for action in reversed(actions):
            for box in action.boxes:
                color = timeline.color(action.class_id)
                layer = label_panel(_label(action, box), color, self._font, self._width - 2 * self._margin, colors)
                layer.blend(view, *self._label_position(layer, self._box_rect(box), taken))

    def _box_rect(self, box: Box) -> Rect:
        """Return a box with even sides inside the picture."""
        x1, y1, x2, y2 = box.xyxy
        left = min(max(floor_even(x1), 0), self._width - 4)
        top = min(max(floor_even(y1), 0), self._height - 4)
        right = min(max(floor_even(x2 + 1), left + 4), self._width)
        return left, top, right, min(max(floor_even(y2 + 1), top + 4), self._height)

    def _label_position(self, layer: Layer, rect: Rect, taken: list[Rect]) -> tuple[int, int]:
        """Return (x, y) of a box's label: above the box, else inside, else below the list, else below the box.

        The label does not cover panels (`taken`), the strip or the picture's edge.
        """
        left, top, _, bottom = rect
        lowest = self._height - strip_height(self._height) - layer.height
        x = max(min(left, self._width - layer.width), 0)
        below_list = max((y2 for x1, _, x2, y2 in taken[:1] if x < x2 and x + layer.width > x1), default=0)
        for y in (top - layer.height, top, below_list, bottom):
            free = all(
                x >= x2 or x + layer.width <= x1 or y >= y2 or y + layer.height <= y1 for x1, y1, x2, y2 in taken
            )
            if 0 <= y <= lowest and free and (y != below_list or top <= below_list < bottom):
                return x, floor_even(y)
        return x, floor_even(max(min(top, lowest), 0))

    def _draw_peak(self, view: Picture, peak: tuple[float, float], colors: Palette) -> None:
        """Draw a ring around the strongest evidence."""
        angle = np.linspace(0, 2 * np.pi, 25)
        radius = max(3.0, self._font * 0.4)
        ring: F32 = (np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + peak).astype(np.float32)[None]
        draw_lines(view, ring, colors.color(BLACK), self._stroke + 2, 0.6)
        draw_lines(view, ring, colors.color(WHITE), self._stroke)


def _is_sure(action: Action) -> bool:
    return action.score >= SURE_SCORE


def _label(action: Action, box: Box) -> str:
    return f"{action.label} {box.score:.2f}" + (f" #{box.track}" if box.track is not None else "")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
