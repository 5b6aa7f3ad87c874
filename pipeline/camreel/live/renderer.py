"""The picture on the screen: the newest frame with the newest answer, and several cameras side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from camreel.live.motion_compensation import Carrier
from camreel.overlay import Overlay
from camreel.structures import U8, Action, DisplayFrame, DisplayOptions, Frame, Localization, Picture

FRESH = 0.05
"""Seconds by which a map may be older than its picture without a word."""


class Painter:
    """Paints the pictures of one camera.

    Args:
        style: what is drawn; see `Overlay`.
        random_weights: say on the picture that the network has not learned anything.
        title: to write on every picture; empty: none.
    """

    def __init__(self, style: str, random_weights: bool, title: str = "") -> None:
        self._style, self._random, self._title = style, random_weights, title
        self._part: int | None = None
        self._overlay: Overlay
        self._answer: Localization | None = None

    def learn(self, answer: Localization) -> None:
        """Takes the next answer; the last ones of a connection come when the next one has begun, and nobody sees them."""
        if self._part is not None and answer.frame.part < self._part:
            return
        self._open(answer.frame)
        self._answer = answer
        self._timeline.add(answer.frame.time, answer.actions)

    def paint(self, frame: Frame, view: DisplayOptions, note: str = "") -> DisplayFrame:
        """Draws the newest answer on the newest frame, with a note where there is one; a frame may come again."""
        self._open(frame)
        self._carrier.see(frame)
        answer = self._answer
        shown = None if answer is None or answer.frame.part != frame.part else self._carrier.warp(answer)
        age = None if answer is None or shown is None else frame.time - answer.frame.time
        actions = tuple(action for action in shown.actions if _is_chosen(action, view)) if shown else ()
        out = blank(*self._overlay.size, frame.picture)
        self._overlay.draw(
            Localization(frame, actions),
            self._timeline,
            out,
            opacity=view.opacity,
            notes=tuple(filter(None, (self._title, note, _age(age)))),
        )
        return DisplayFrame(out, frame, answer, age)

    def _open(self, frame: Frame) -> None:
        """Begins anew with each connection, which may have another size."""
        if frame.part == self._part:
            return
        self._part = frame.part
        self._overlay = Overlay(frame.picture.width, frame.picture.height, self._style, random_weights=self._random)
        self._timeline = self._overlay.timeline()
        self._carrier = Carrier()


def _is_chosen(action: Action, view: DisplayOptions) -> bool:
    return action.score >= view.least_score and view.class_id in (None, action.class_id)


def _age(age: float | None) -> str:
    if age is None:
        return "no map yet"
    return f"map {age:.1f} s old" if age > FRESH else ""


def blank(width: int, height: int, like: Picture) -> Picture:
    """A picture to draw on, of even size, in the matrix and range of another; black."""
    black = 0 if like.full_range else 16
    y = np.full((height, width), black, np.uint8)
    u, v = (np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2))
    return Picture(y, u, v, like.matrix, like.full_range)


def side_by_side(pictures: Sequence[Picture | None]) -> Picture:
    """Several pictures in one, each as large as the first, fitted and centred; None stays black, but not all of them may be."""
    first = next(picture for picture in pictures if picture is not None)
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = -(-len(pictures) // columns)
    out = blank(columns * first.width, rows * first.height, first)
    for number, picture in enumerate(pictures):
        if picture is not None:
            _put(
                picture,
                out,
                number % columns * first.width,
                number // columns * first.height,
                (first.width, first.height),
            )
    return out


def _put(picture: Picture, out: Picture, left: int, top: int, room: tuple[int, int]) -> None:
    scale = min(room[0] / picture.width, room[1] / picture.height)
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (picture.width, picture.height))
    left, top = left + (room[0] - width) // 4 * 2, top + (room[1] - height) // 4 * 2
    for source, target, part in ((picture.y, out.y, 1), (picture.u, out.u, 2), (picture.v, out.v, 2)):
        place = target[top // part : (top + height) // part, left // part : (left + width) // part]
        place[...] = _fitted(source, width // part, height // part)


def _fitted(plane: U8, width: int, height: int) -> U8:
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
