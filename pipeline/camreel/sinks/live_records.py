"""Live localizations as JSON Lines, in which a camera may come and go, and several may share a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camreel.sinks.json_records import (
    Output,
    dump,
    frame_record,
    header_record,
    source_record,
    span_record,
    summary_record,
)
from camreel.structures import Frame, Header, Localization, Segment, Summary, VideoInfo


class EventSink:
    """Writes what happens as it happens.

    Beside the records of files: `connection` where a source came back or changed, `gap` where frames have no record, and `segment`
    and `track` as soon as they have ended.

    Args:
        path: JSON Lines, or `-` for standard output.
        cameras: how many share it; several have their number in each record.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, path: str, cameras: int) -> None:
        self._output = Output(path)
        self._several = cameras > 1
        self._last: dict[int, Frame] = {}

    def begin(self, camera: int, header: Header) -> None:
        """Writes the header of a camera: its first record."""
        self._write(camera, header_record(header))

    def connect(self, camera: int, part: int, info: VideoInfo, time: float) -> None:
        """Notes that frames come over another connection, from `time` on, in seconds from the first frame."""
        self._write(camera, {"type": "connection", "part": part, "time": round(time, 9), "source": source_record(info)})

    def write(self, camera: int, localization: Localization) -> None:
        """Writes the next frame, the gap before it, and what has ended."""
        frame, last = localization.frame, self._last.get(camera)
        missing = frame.index - (last.index + 1 if last else 0)
        if missing:
            start = last.time if last else 0.0
            gap = {
                "first": frame.index - missing,
                "count": missing,
                "start": round(start, 9),
                "end": round(frame.time, 9),
            }
            self._write(camera, {"type": "gap", **gap})
        self._last[camera] = frame
        self._write(camera, frame_record(localization))
        for ended in localization.ended:
            kind = "segment" if isinstance(ended, Segment) else "track"
            self._write(camera, {"type": kind, **span_record(ended)})

    def end(self, camera: int, summary: Summary, live: Mapping[str, Any]) -> None:
        """Writes the summary of a camera: its last record."""
        self._write(camera, {**summary_record(summary), "live": dict(live)})

    def close(self) -> None:
        """Gives the file its name."""
        self._output.close()

    def abandon(self) -> None:
        """Leaves what was written under the partial name. Never raises; may follow `close`."""
        self._output.abandon()

    def _write(self, camera: int, record: dict[str, Any]) -> None:
        numbered = {"type": record.pop("type"), "camera": camera, **record} if self._several else record
        self._output.write(dump(numbered) + b"\n")
