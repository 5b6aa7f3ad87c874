"""What travels between the loop that draws, the page's thread and the browsers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypedDict

import orjson

from camreel.structures import DisplayOptions, Picture


class Delay(TypedDict):
    """From capture to display over the last seconds, in milliseconds."""

    p50: float
    p95: float
    max: float


Rates = TypedDict("Rates", {"in": float, "inferred": float, "shown": float})
"""Frames per second that were captured, that the network saw, and that were shown."""


class CameraStatus(TypedDict):
    """One of the cameras in the picture."""

    name: str
    """Without credentials."""
    connected: bool


class Status(TypedDict, total=False):
    """What the page tells beside the picture; what is left out stays as it was on the page."""

    time: float
    """Seconds from the first frame."""
    scores: Mapping[str, float]
    """Of the classes now, by label, best first."""
    delay: Delay
    rates: Rates
    dropped: int
    """Frames so far that were not shown."""
    age: float | None
    """Milliseconds between the frame of the map and the one it is drawn on; None: there is no map yet."""
    recording: bool
    paused: bool
    notes: list[str]
    """The newest messages for people, oldest first."""
    cameras: list[CameraStatus]


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """A visitor chose what is to be seen."""

    view: DisplayOptions


@dataclass(frozen=True, slots=True)
class Record:
    """A visitor began or ended the recording."""

    on: bool


Command: TypeAlias = ViewChanged | Record


@dataclass(frozen=True, slots=True)
class Shown:
    """The newest there is to see."""

    number: int
    """Rises with every picture and status."""
    status: Status
    picture: Picture | None = None
    """None: there was none yet."""
    captured: float = 0.0
    """`time.monotonic()` of the picture's frame."""
    pictured: int = 0
    """The number under which this picture came; the status may be newer."""


def pack(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message: 4 bytes with the length of the header, big-endian, the header as JSON, and a JPEG picture."""
    text = orjson.dumps(header, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join((len(text).to_bytes(4, "big"), text, body))


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body of a message.

    Raises:
        ValueError: it is none.
    """
    end = 4 + int.from_bytes(message[:4], "big")
    header = parse(message[4:end])
    return header, message[end:]


def parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it is none.
    """
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def view_of(message: Mapping[str, Any], classes: int) -> DisplayOptions:
    """The view that a visitor asks for.

    Raises:
        ValueError: there is no such view.
    """
    class_id = message.get("class_id")
    if class_id is not None and not (type(class_id) is int and 0 <= class_id < classes):
        raise ValueError("no such class")
    return DisplayOptions(class_id, _share(message.get("least_score")), _share(message.get("opacity")))


def number_of(value: Any) -> float:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def view_message(view: DisplayOptions) -> dict[str, Any]:
    """The view as the page reads it."""
    return asdict(view)


def _share(value: Any) -> float:
    return min(max(number_of(value), 0.0), 1.0)
