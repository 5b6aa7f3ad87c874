"""Results of files as JSON Lines (`.jsonl`, standard output), or as one JSON document (`.json`) of the same records."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from camreel.records.building import frame_record, header_record, summary_record, to_json
from camreel.runtime.files import STDOUT, explain, partial_path, reserve
from camreel.structures import Header, Localization, Summary

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
