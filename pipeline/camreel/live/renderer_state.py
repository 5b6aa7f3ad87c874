"""What one camera shows: its newest frame, also when it is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

from camreel.live.camera import Camera
from camreel.live.renderer import Painter
from camreel.structures import DisplayFrame, DisplayOptions, Frame


class Face:
    """Paints a camera's frames as they come.

    Args:
        camera: whose.
        style: what is drawn; see `Overlay`.
        weights: of the network.
        named: its name stands on the picture.
    """

    def __init__(self, camera: Camera, style: str, weights: str, named: bool) -> None:
        self.painter = Painter(style, weights.startswith("random"), camera.counters.name if named else "")
        self._camera = camera
        self._frame: Frame | None = None
        self._note = ""

    def look(self, view: DisplayOptions, every: bool) -> Iterator[DisplayFrame]:
        """Yields what there is to show since the last time: the newest frame or, where `every` one counts, all."""
        frames = self._camera.screen.poll()
        if not every:
            self._camera.skipped += max(0, len(frames) - 1)
            frames = frames[-1:]
        for frame in frames:
            self._frame, self._note = frame, ""
            yield self._count(self.painter.paint(frame, view))
        if not frames and (note := self._lost()) != self._note and self._frame is not None:
            self._note = note
            yield self.painter.paint(self._frame, view, note)

    def _lost(self) -> str:
        """What is written on a picture that stands still."""
        counters = self._camera.counters
        return self._camera.notes[-1] if self._camera.notes and not counters.connected else self._note

    def _count(self, screen: DisplayFrame) -> DisplayFrame:
        counters = self._camera.counters
        counters.shown += 1
        counters.rate_shown.add(time.monotonic())
        if screen.age is not None:
            counters.ages.add(screen.age)
        return screen
