"""The records of a result: one description (`schema`), and the functions that build them from structures (`building`).

A `.jsonl` file holds one record per line: a header, one record per frame, a summary; live runs add connections, gaps,
and the segments and tracks that ended. A `.json` file holds the same records in one document. `camreel schema` prints
the JSON Schema.

Example:
    >>> records = [LINE.validate_json(line) for line in open("clip.camreel.jsonl")]
    >>> [action.label for record in records if record.type == "frame" for action in record.actions]
"""

from camreel.records.schema import (
    LINE,
    ConnectionRecord,
    Document,
    FrameRecord,
    GapRecord,
    HeaderRecord,
    Line,
    SegmentEndRecord,
    SummaryRecord,
    TrackEndRecord,
    json_schema,
)

__all__ = [
    "LINE",
    "ConnectionRecord",
    "Document",
    "FrameRecord",
    "GapRecord",
    "HeaderRecord",
    "Line",
    "SegmentEndRecord",
    "SummaryRecord",
    "TrackEndRecord",
    "json_schema",
]
