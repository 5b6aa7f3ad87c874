"""The records of all cameras, each introduced by what it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from camreel.live.camera import Camera
from camreel.sinks.live_records import EventSink
from camreel.structures import Frame, Header, Localization, Summary, VideoInfo


class Records:
    """Writes what cameras answer.

    Args:
        path: JSON Lines, or `-`; None: nothing is written.
        cameras: that share it.
        header: of a source.
        own: leaves what is written valid after an error.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(
        self, path: str | None, cameras: Sequence[Camera], header: Callable[[VideoInfo], Header], own: ExitStack
    ) -> None:
        self._cameras, self._header = cameras, header
        self._sink = EventSink(path, len(cameras)) if path else None
        self._parts = [-1] * len(cameras)
        """Of each camera the connection that was introduced last."""
        if self._sink:
            own.callback(self._sink.abandon)

    def take(self, number: int, answer: Localization) -> None:
        """Writes the next answer of a camera."""
        if self._sink is None:
            return
        if answer.frame.part != self._parts[number]:
            self._introduce(self._sink, number, answer.frame)
        self._sink.write(number, answer)

    def _introduce(self, sink: EventSink, number: int, frame: Frame) -> None:
        """Writes what the frames from this one on come from."""
        info = self._cameras[number].infos[frame.part]
        if self._parts[number] < 0:
            sink.begin(number, self._header(replace(info, live=True)))
        if frame.part > 0:
            sink.connect(number, frame.part, info, frame.time)
        self._parts[number] = frame.part

    def end(self, number: int, summary: Summary, live: dict[str, Any]) -> None:
        """Writes the summary of a camera, if there is anything of it."""
        if self._sink is not None and self._parts[number] >= 0:
            self._sink.end(number, summary, live)

    def close(self) -> None:
        """Gives the file its name."""
        if self._sink is not None:
            self._sink.close()
