"""Localizations as JSON Lines (`.jsonl`, or standard output), or as one JSON document (`.json`) with the same records."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from camreel.errors import OutputError
from camreel.structures import Action, Box, Header, Localization, Segment, Summary, Tube, VideoInfo

SCHEMA = "camreel.localization/1"

Record = dict[str, Any]


class Output:
    """A file, or standard output, that is written piece by piece, each at once for whoever reads along.

    Args:
        path: `-` for standard output.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._partial = None if path == "-" else partial_name(Path(path))
        self._closed = False
        self._file = self._open()

    def _open(self) -> BinaryIO:
        if self._partial is None:
            return sys.stdout.buffer
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            return self._partial.open("wb")
        except OSError as error:
            raise self._failed(error) from error

    def write(self, data: bytes) -> None:
        """Appends.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Gives the file its name."""
        self._closed = True
        if self._partial is None:
            return
        try:
            self._file.close()
            os.replace(self._partial, self._path)
        except OSError as error:
            raise self._failed(error) from error

    def abandon(self, end: bytes = b"") -> None:
        """Leaves what was written under the partial name, with an end that makes it readable; may follow `close`."""
        if self._closed:
            return
        self._closed = True
        try:
            self._file.write(end)
            if self._partial is not None:
                self._file.close()
        except OSError:
            pass  # An error is under way already; this one would hide it.

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write {self._path}", error.strerror or str(error), "choose another place with --json"
        )


class JsonSink:
    """Writes record by record, flushing each, so that whoever reads along sees every frame at once.

    Args:
        path: `-` for standard output; a name ending in `.json` gets one document, any other JSON Lines.
        header: the first record.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, path: Path, header: Header, options: None = None) -> None:
        self.notes: list[str] = []
        self._document = path.suffix.lower() == ".json"
        self._first = True
        self._output = Output(str(path))
        self._output.write((b'{"header":' if self._document else b"") + dump(header_record(header)))
        self._output.write(b',"frames":[' if self._document else b"\n")

    def write(self, localization: Localization) -> None:
        """Appends a frame record."""
        line = dump(frame_record(localization))
        if self._document:
            self._output.write((b"\n" if self._first else b",\n") + line)
        else:
            self._output.write(line + b"\n")
        self._first = False

    def close(self, summary: Summary) -> None:
        """Appends the summary and gives the file its name."""
        line = dump(summary_record(summary))
        self._output.write(b'\n],"summary":' + line + b"}\n" if self._document else line + b"\n")
        self._output.close()

    def abandon(self) -> None:
        """Leaves what was written under the partial name; a document is closed so that it can be read."""
        self._output.abandon(b"\n]}\n" if self._document else b"")


def partial_name(path: Path) -> Path:
    """The name that an output has until it is finished: `clip.camreel.partial.jsonl`."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def dump(record: Record) -> bytes:
    """One record as a line without its end."""
    return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)


def header_record(header: Header) -> Record:
    """The first record of a result."""
    return {
        "type": "header",
        "schema": SCHEMA,
        "source": source_record(header.source),
        "model": {
            "name": header.model,
            "weights": header.weights,
            "sha256": header.sha256,
            "frame_rate": header.frame_rate,
            "classes": list(header.classes),
        },
        "method": header.method,
        "unit": "logit",
        "grid": list(header.grid),
        "smoothing": {"name": header.smoothing, "lag": header.lag},
        "config": dict(header.config),
    }


def source_record(info: VideoInfo) -> Record:
    """What is told of a source."""
    return {
        "uri": info.uri,
        "width": info.width,
        "height": info.height,
        "rotation": info.rotation,
        "time_base": _pair(info.time_base),
        "average_rate": _pair(info.average_rate),
        "frames": info.frames,
        "duration": info.duration,
        "live": info.live,
    }


def _pair(rational: Fraction | None) -> list[int] | None:
    return None if rational is None else [rational.numerator, rational.denominator]


def frame_record(localization: Localization) -> Record:
    """The record of one frame."""
    frame = localization.frame
    return {
        "type": "frame",
        "index": frame.index,
        "pts": frame.pts,
        "time": round(frame.time, 9),
        "actions": [_action(action) for action in localization.actions],
    }


def _action(action: Action) -> Record:
    return {
        "class_id": action.class_id,
        "label": action.label,
        "score": round(action.score, 5),
        "logit": round(action.logit, 4),
        "peak": None if action.peak is None else [round(value, 2) for value in action.peak],
        "boxes": [_box(box) for box in action.boxes],
    }


def _box(box: Box) -> Record:
    return {"xyxy": [round(value, 2) for value in box.xyxy], "score": round(box.score, 5), "track": box.track}


def summary_record(summary: Summary) -> Record:
    """The last record of a result."""
    return {
        "type": "summary",
        "frames": asdict(summary.frames),
        "segments": [span_record(segment) for segment in summary.segments],
        "tracks": [span_record(tube) for tube in summary.tracks],
        "completeness_error": summary.completeness_error,
        "stages": {name: round(seconds, 3) for name, seconds in summary.stages.items()},
        "fallbacks": list(summary.fallbacks),
    }


def span_record(thing: Segment | Tube) -> Record:
    """A segment or a tube."""
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in asdict(thing).items()}
