"""Results of live runs as JSON Lines. Cameras come and go, and several may share a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camreel.records.building import (
    connection_record,
    ended_record,
    frame_record,
    gap_record,
    header_record,
    summary_record,
    to_json,
)
from camreel.records.schema import LineRecord
from camreel.sinks.json_records import OutputStream
from camreel.structures import Frame, Header, Localization, Summary, VideoInfo


class EventSink:
    """A writer of the records of live runs, at the time when they become known.

    In addition to the records of files: `connection` when a source came back or changed, `gap` where frames have no
    record, `segment` and `track` as soon as they have ended.

    Args:
        path: a file for JSON Lines, or `-` for standard output.
        cameras: number of cameras that share the file; if there are several, each record carries the number of its
        camera.

    Raises:
        OutputError: the file cannot be created.

    Example:
        >>> sink = EventSink("events.jsonl", cameras=1)
        >>> sink.begin(0, header)
        >>> sink.write(0, localization)
        >>> sink.end(0, summary, statistics)
        >>> sink.close()
    """

    def __init__(self, path: Path | str, cameras: int) -> None:
        self._output = OutputStream(Path(path))
        self._several = cameras > 1
        self._last: dict[int, Frame] = {}

    def begin(self, camera: int, header: Header) -> None:
        """Write the first record of a camera."""
        self._write(camera, header_record(header))

    def connect(self, camera: int, part: int, info: VideoInfo, time: float) -> None:
        """Write that frames come over another connection.

        Args:
            camera: number of the camera.
            part: number of the connection.
            info: properties of the source.
            time: time of the connection's first frame, in seconds from the first frame of the run.
        """
        self._write(camera, connection_record(part, info, time))

    def write(self, camera: int, localization: Localization) -> None:
        """Write the next frame, before it the gap, if there is one, and after it the segments and tubes that ended.

        Raises:
            OutputError: it cannot be written.
        """
        gap = gap_record(self._last.get(camera), localization.frame)
        if gap is not None:
            self._write(camera, gap)
        self._last[camera] = localization.frame
        self._write(camera, frame_record(localization))
        for ended in localization.ended:
            self._write(camera, ended_record(ended))

    def end(self, camera: int, summary: Summary, live: Mapping[str, Any]) -> None:
        """Write the last record of a camera.

        Args:
            camera: number of the camera.
            summary: summary of the camera.
            live: statistics by the names of `camreel.records.schema.LiveRecord`.
        """
        self._write(camera, summary_record(summary, live))

    def close(self) -> None:
        """Give the file its final name.

        Raises:
            OutputError: the file cannot be finished.
        """
        self._output.close()

    def abandon(self) -> None:
        """Keep what was written under the partial name. Never raises; may follow `close`."""
        self._output.abandon()

    def _write(self, camera: int, record: LineRecord) -> None:
        if self._several:
            record = record.model_copy(update={"camera": camera})
        self._output.write(to_json(record) + b"\n")
