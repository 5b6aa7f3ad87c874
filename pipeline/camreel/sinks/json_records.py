"""Records of files and of live runs as JSON Lines, or of a file as one JSON document (`.json`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

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
from camreel.runtime.files import STDOUT, explain, partial_path, reserve
from camreel.structures import Frame, Header, Localization, Summary, VideoInfo

TODO = "choose another place with --json"
"""Advice where records cannot be written."""


class OutputStream:
    """A file or standard output, written piece by piece. Every piece is flushed, so that other programs can read along.

    Args:
        path: the file, or `-` for standard output.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False
        self._file = self._open()

    def _open(self) -> BinaryIO:
        if self._path == STDOUT:
            return sys.stdout.buffer
        partial = reserve(self._path, TODO)
        try:
            return partial.open("wb")
        except OSError as error:
            raise explain(error, self._path, TODO) from error

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise explain(error, self._path, TODO) from error

    def close(self) -> None:
        """Close the file and give it its final name.

        Raises:
            OutputError: the file cannot be finished.
        """
        self._closed = True
        if self._path == STDOUT:
            return
        try:
            self._file.close()
            os.replace(partial_path(self._path), self._path)
        except OSError as error:
            raise explain(error, self._path, TODO) from error

    def abandon(self, end: bytes = b"") -> None:
        """Close the file under its partial name. Never raises; may follow `close`.

        Args:
            end: bytes that make what was written so far valid.
        """
        if self._closed:
            return
        self._closed = True
        # Another error is being handled; this one would hide it.
        with suppress(OSError):
            self._file.write(end)
            if self._path != STDOUT:
                self._file.close()


class JsonSink:
    """The sink `records`: a header, one record per frame and a summary.

    Args:
        path: the file; `.json` gets one document, other names and `-` (standard output) get JSON Lines.
        header: header of the result.
        options: none exist.

    Raises:
        OutputError: the file cannot be created.

    Example:
        >>> sink = JsonSink(Path("out.jsonl"), header)
        >>> for localization in localizations:
        ...     sink.write(localization)
        >>> sink.close(summary)
    """

    def __init__(self, path: Path, header: Header, options: None = None) -> None:
        self.notes: list[str] = []
        self._document = path.suffix.lower() == ".json"
        self._first = True
        self._output = OutputStream(path)
        self._output.write((b'{"header":' if self._document else b"") + to_json(header_record(header)))
        self._output.write(b',"frames":[' if self._document else b"\n")

    def write(self, localization: Localization) -> None:
        """Append the record of the next frame.

        Raises:
            OutputError: it cannot be written.
        """
        line = to_json(frame_record(localization))
        if self._document:
            self._output.write((b"\n" if self._first else b",\n") + line)
        else:
            self._output.write(line + b"\n")
        self._first = False

    def close(self, summary: Summary) -> None:
        """Append the summary and give the file its final name.

        Raises:
            OutputError: the file cannot be finished.
        """
        line = to_json(summary_record(summary))
        self._output.write(b'\n],"summary":' + line + b"}\n" if self._document else line + b"\n")
        self._output.close()

    def abandon(self) -> None:
        """Keep what was written under the partial name, as valid JSON. Never raises; may follow `close`."""
        self._output.abandon(b"\n]}\n" if self._document else b"")


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
