"""Messages between the main loop, the thread of the page and the browsers. Importable without the extra `web`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypedDict

import orjson

from camreel.structures import DisplayOptions, Picture


class DelayStatus(TypedDict):
    """Delay from capture to display over the last pictures, in milliseconds."""

    p50: float
    p95: float
    max: float


RateStatus = TypedDict("RateStatus", {"in": float, "inferred": float, "shown": float})
"""Frames per second that were captured, that the network saw, and that were shown."""


class CameraStatus(TypedDict):
    """Connection state of one camera of the picture."""

    name: str
    """Address without credentials."""
    connected: bool


class Status(TypedDict, total=False):
    """Numbers and messages that the page shows beside the picture; a missing key leaves the page's value unchanged."""

    time: float
    """Seconds since the first frame."""
    scores: Mapping[str, float]
    """Current scores by class label, best first."""
    delay: DelayStatus
    rates: RateStatus
    dropped: int
    """Number of frames so far that the network did not see."""
    age: float | None
    """Milliseconds between the frame of the map and the frame it is drawn on; None: there is no map yet."""
    recording: bool
    paused: bool
    notes: list[str]
    """Newest messages for people, oldest first."""
    cameras: list[CameraStatus]


@dataclass(frozen=True, slots=True)
class PageOptions:
    """Content of the page."""

    title: str
    """Names of the cameras, without credentials."""
    classes: Sequence[str]
    """Class names, by class id."""
    display: DisplayOptions
    """Display options at the start."""
    camera: bool = False
    """Ask the visitor for pictures of the visitor's own camera."""
    can_record: bool = False
    """Offer to start and stop a recording."""


@dataclass(frozen=True, slots=True)
class SetDisplayOptions:
    """Command of a viewer: draw the picture with these options."""

    options: DisplayOptions


@dataclass(frozen=True, slots=True)
class SetRecording:
    """Command of a viewer: start or stop the recording."""

    on: bool


PageCommand: TypeAlias = SetDisplayOptions | SetRecording


@dataclass(frozen=True, slots=True)
class PageUpdate:
    """The newest state of the page: picture and status."""

    number: int
    """Increases with every picture and every status."""
    status: Status
    picture: Picture | None = None
    """None: there was no picture yet."""
    captured: float | None = None
    """`time.monotonic()` when the picture's frame was captured; None: not known."""
    picture_number: int = 0
    """`number` of the update that brought this picture; the status may be newer."""


def pack(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Encode a message: the length of the header (4 bytes, big-endian), the header as JSON, and a JPEG picture.

    Example:
        >>> pack({"number": 1})
        b'\\x00\\x00\\x00\\x0c{"number":1}'
    """
    text = orjson.dumps(header, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join((len(text).to_bytes(4, "big"), text, body))


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Return header and body of a message from `pack`.

    Raises:
        ValueError: the bytes are no message.
    """
    end = 4 + int.from_bytes(message[:4], "big")
    header = parse_object(message[4:end])
    return header, message[end:]


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ValueError: the text is no JSON object.
    """
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def parse_display_options(message: Mapping[str, Any], classes: int) -> DisplayOptions:
    """Read the display options from a browser's message of type `view`.

    Args:
        message: the parsed message.
        classes: number of classes of the network.

    Raises:
        ValueError: a value is missing, of a wrong type, or no class id.
    """
    class_id = message.get("class_id")
    if class_id is not None and not (type(class_id) is int and 0 <= class_id < classes):
        raise ValueError("no such class")
    return DisplayOptions(class_id, _clip(message.get("least_score")), _clip(message.get("opacity")))


def display_options_message(options: DisplayOptions) -> dict[str, Any]:
    """Return display options as the page reads them."""
    return asdict(options)


def parse_number(value: Any) -> float:
    """Return a finite number from a parsed JSON value.

    Raises:
        ValueError: the value is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _clip(value: Any) -> float:
    return min(max(parse_number(value), 0.0), 1.0)
