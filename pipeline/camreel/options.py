"""Base of the option classes. Each stage owns one; `Config` is composed of them, so nothing is declared twice."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


class Options(BaseModel):
    """Settings of one stage: frozen, with defaults, bounds and help texts. Unknown keys are errors.

    Example:
        >>> class BlurOptions(Options):
        ...     sigma: float = Field(default=1.0, gt=0, description="standard deviation in pixels")
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def one_of(names: Collection[str]) -> Any:
    """Return the type of an option that holds one of these names (the keys of a registry, and others).

    Help, completion and error messages read the names from the JSON schema of the type.
    """

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"not one of {', '.join(names)}")
        return value

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(names)})]


_TIME = re.compile(r"(?:(?:(?P<h>\d+):)?(?P<m>\d+):)?(?P<s>\d+(?:\.\d*)?|\.\d+)(?P<unit>(?:ms|s)?)")
_LENGTH = re.compile(r"(?=\S)(?:(?P<h>\d+(?:\.\d*)?)h)?(?:(?P<m>\d+(?:\.\d*)?)m)?(?:(?P<s>\d+(?:\.\d*)?)s?)?")


def parse_time(value: Any) -> Any:
    """Convert a time as people write it (12.5, 90s, 500ms, 1:30, 00:01:30.5) to seconds; return other types unchanged.

    Raises:
        ValueError: the text is not a time.
    """
    if not isinstance(value, str):
        return value
    match = _TIME.fullmatch(value.strip())
    if not match or (match["unit"] and match["m"]):
        raise ValueError("not a time")
    seconds = int(match["h"] or 0) * 3600 + int(match["m"] or 0) * 60 + float(match["s"])
    return seconds / 1000 if match["unit"] == "ms" else seconds


def parse_length(text: str) -> float:
    """Convert a length of time as people write it (90m, 1h30m, 5400s, 5400) to seconds.

    Raises:
        ValueError: the text is not a length of time.
    """
    match = _LENGTH.fullmatch(text.strip())
    if not match:
        raise ValueError("not a length of time")
    return sum(float(match[unit] or 0) * seconds for unit, seconds in (("h", 3600), ("m", 60), ("s", 1)))


Seconds = Annotated[float, BeforeValidator(parse_time)]
"""Option type of a time in seconds, given as a number or as text."""
