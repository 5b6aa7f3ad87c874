"""Rendering of live pictures: the newest frame with the newest localization, and several cameras side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from camreel.live.camera import LiveCamera
from camreel.live.motion_compensation import MotionCompensator
from camreel.overlay import Overlay
from camreel.structures import U8, Action, DisplayFrame, DisplayOptions, Frame, Localization, Picture

MAX_SILENT_AGE_SECONDS = 0.05
"""Age of a map up to which the picture does not state it."""


class Renderer:
    """Draws the pictures of one camera.

    Args:
        style: style of the overlay, see `Overlay`.
        random_weights: state on the picture that the network has not learned anything.
        title: text on every picture; empty: none.

    Example:
        >>> renderer = Renderer("heatmap", random_weights=False)
        >>> renderer.add(localization)
        >>> shown = renderer.render(frame, DisplayOptions())
    """

    def __init__(self, style: str, random_weights: bool, title: str = "") -> None:
        self._style, self._random_weights, self._title = style, random_weights, title
        self._part: int | None = None
        self._overlay: Overlay
        self._localization: Localization | None = None

    def add(self, localization: Localization) -> None:
        """Set the newest localization. One of an earlier connection, known only after the next began, is ignored."""
        if self._part is not None and localization.frame.part < self._part:
            return
        self._start_part(localization.frame)
        self._localization = localization
        self._timeline.add(localization.frame.time, localization.actions)

    def render(self, frame: Frame, options: DisplayOptions, note: str = "") -> DisplayFrame:
        """Draw the newest localization on a frame, which may be the same as before.

        Args:
            frame: the newest frame.
            options: choices of the viewer.
            note: text on this picture; empty: none.
        """
        self._start_part(frame)
        self._compensator.add(frame)
        localization = self._localization
        same_part = localization is not None and localization.frame.part == frame.part
        moved = self._compensator.move(localization) if localization is not None and same_part else None
        age = None if localization is None or moved is None else frame.time - localization.frame.time
        actions = tuple(action for action in moved.actions if _is_selected(action, options)) if moved else ()
        out = blank_picture(*self._overlay.size, frame.picture)
        self._overlay.draw(
            Localization(frame, actions),
            self._timeline,
            out,
            opacity=options.opacity,
            notes=tuple(filter(None, (self._title, note, _describe_age(age)))),
        )
        return DisplayFrame(out, frame, localization, age)

    def _start_part(self, frame: Frame) -> None:
        """Start again with each connection, which may have another picture size."""
        if frame.part == self._part:
            return
        width, height = frame.picture.width, frame.picture.height
        self._part = frame.part
        self._overlay = Overlay(width, height, self._style, random_weights=self._random_weights)
        self._timeline = self._overlay.timeline()
        self._compensator = MotionCompensator()


class CameraRenderer:
    """Takes the frames of a camera as they come, renders them, and counts them as shown.

    Args:
        camera: the camera.
        style: style of the overlay, see `Overlay`.
        weights: origin of the network's weights.
        show_name: write the camera's name on the picture.
    """

    def __init__(self, camera: LiveCamera, style: str, weights: str, show_name: bool) -> None:
        self._renderer = Renderer(style, weights.startswith("random"), camera.metrics.name if show_name else "")
        self._camera = camera
        self._frame: Frame | None = None
        self._note = ""

    def add(self, localization: Localization) -> None:
        """Set the newest localization."""
        self._renderer.add(localization)

    def render(self, options: DisplayOptions, every: bool) -> Iterator[DisplayFrame]:
        """Yield the pictures since the last call.

        Args:
            options: choices of the viewer.
            every: render every frame, not just the newest one.
        """
        frames = self._camera.display_frames.poll()
        if not every:
            self._camera.skipped += max(0, len(frames) - 1)
            frames = frames[-1:]
        for frame in frames:
            self._frame, self._note = frame, ""
            yield self._count(self._renderer.render(frame, options))
        if not frames and (note := self._connection_note()) != self._note and self._frame is not None:
            self._note = note
            yield self._renderer.render(self._frame, options, note)

    def _connection_note(self) -> str:
        """Return the text for a picture that stands still because the camera is lost."""
        camera = self._camera
        return camera.notes[-1] if camera.notes and not camera.metrics.connected else self._note

    def _count(self, shown: DisplayFrame) -> DisplayFrame:
        metrics = self._camera.metrics
        metrics.shown += 1
        metrics.shown_rate.add(time.monotonic())
        if shown.age is not None:
            metrics.ages.add(shown.age)
        return shown


def _is_selected(action: Action, options: DisplayOptions) -> bool:
    return action.score >= options.least_score and options.class_id in (None, action.class_id)


def _describe_age(age: float | None) -> str:
    if age is None:
        return "no map yet"
    return f"map {age:.1f} s old" if age > MAX_SILENT_AGE_SECONDS else ""


def blank_picture(width: int, height: int, like: Picture) -> Picture:
    """Return a black picture of even size to draw on, in the matrix and range of another picture."""
    black = 0 if like.full_range else 16
    y = np.full((height, width), black, np.uint8)
    u, v = (np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2))
    return Picture(y, u, v, like.matrix, like.full_range)


def side_by_side(pictures: Sequence[Picture | None]) -> Picture:
    """Arrange pictures in a grid of cells of the first one's size, fitted and centered.

    Args:
        pictures: at least one picture; the cells of None stay black.
    """
    first = next(picture for picture in pictures if picture is not None)
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = -(-len(pictures) // columns)
    out = blank_picture(columns * first.width, rows * first.height, first)
    for number, picture in enumerate(pictures):
        if picture is not None:
            corner = number % columns * first.width, number // columns * first.height
            _place(picture, out, corner, (first.width, first.height))
    return out


def _place(picture: Picture, out: Picture, corner: tuple[int, int], cell: tuple[int, int]) -> None:
    """Copy a picture into the cell (width, height) at a corner (left, top), its aspect kept."""
    scale = min(cell[0] / picture.width, cell[1] / picture.height)
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (picture.width, picture.height))
    left, top = corner[0] + (cell[0] - width) // 4 * 2, corner[1] + (cell[1] - height) // 4 * 2
    for source, target, step in ((picture.y, out.y, 1), (picture.u, out.u, 2), (picture.v, out.v, 2)):
        place = target[top // step : (top + height) // step, left // step : (left + width) // step]
        place[...] = _resize(source, width // step, height // step)


def _resize(plane: U8, width: int, height: int) -> U8:
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
