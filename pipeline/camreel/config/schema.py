"""All settings and their defaults, composed of the options of the stages; files, `--set` and flags hold differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self

from pydantic import Field, model_validator

from camreel.live.options import CaptureOptions
from camreel.models.options import ModelOptions
from camreel.options import Options, Seconds
from camreel.sinks.options import VideoOptions
from camreel.stages.options import LinkOptions, LocalizeOptions, SmoothOptions

TYPE_NAMES = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list of text",
    "null": "null",
}
"""Type in JSON Schema -> the same in words."""
BOUND_NAMES = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}
"""Bound in JSON Schema -> the same in words."""


class Config(Options):
    """All settings.

    Example:
        >>> Config.model_validate({"model": {"name": "figures"}, "smooth": {"name": "ema"}}).smooth.seconds
        0.25
    """

    model: ModelOptions = ModelOptions()
    smooth: SmoothOptions = SmoothOptions()
    localize: LocalizeOptions = LocalizeOptions()
    link: LinkOptions = LinkOptions()
    video: VideoOptions = VideoOptions()
    live: CaptureOptions = CaptureOptions()
    causal: bool = Field(
        default=False,
        description="look back only, as for cameras: sample by sample, with as little delay as the network allows",
    )
    start: Seconds | None = Field(default=None, ge=0, description="time to begin at: 12.5, 90s, 1:30, 00:01:30.5")
    end: Seconds | None = Field(default=None, gt=0, description="time to stop at")

    def with_model(self, name: str | None = None, weights: str | None = None, classes: Sequence[str] = ()) -> Self:
        """Return the same settings with another network, weights or classes; None or empty keeps the current ones."""
        model = {key: value for key, value in (("name", name), ("weights", weights)) if value is not None}
        return self.changed(model=model, localize={"classes": tuple(classes)} if classes else {})

    def changed(self, **sections: Mapping[str, Any] | Any) -> Self:
        """Return the same settings with other values, validated.

        Args:
            sections: section -> {key: value}, or key -> value for settings outside a section.

        Example:
            >>> Config().changed(localize={"top_k": 5}, causal=True).localize.top_k
            5
        """
        values = self.model_dump()
        for name, value in sections.items():
            values[name] = {**values[name], **value} if isinstance(values.get(name), dict) else value
        return self.model_validate(values)

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"end ({self.end:g} s) is not after start ({self.start:g} s)")
        return self


@cache
def leaves() -> dict[str, Mapping[str, Any]]:
    """Return every dotted key with the JSON Schema of its value, in the order of the classes."""
    schema = Config.model_json_schema()
    found: dict[str, Mapping[str, Any]] = {}
    for name, body in schema["properties"].items():
        if "$ref" in body:
            inner = schema["$defs"][body["$ref"].rsplit("/", 1)[1]]["properties"]
            found |= {f"{name}.{key}": value for key, value in inner.items()}
        else:
            found[name] = body
    return found


def allowed(key: str) -> str:
    """Describe the values of a setting in words: "an integer (at least 1), or null"."""
    schema = leaves()[key]
    return ", or ".join(_in_words(option) for option in schema.get("anyOf", [schema]))


def choices(key: str) -> tuple[str, ...]:
    """Return the names that a setting chooses from; empty if it is no choice."""
    return tuple(leaves()[key].get("enum", ()))


def is_section(key: str) -> bool:
    """Return whether `key` is a group of settings."""
    return any(leaf.startswith(f"{key}.") for leaf in leaves())


def _in_words(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    bounds = ", ".join(f"{word} {schema[key]:g}" for key, word in BOUND_NAMES.items() if key in schema)
    return TYPE_NAMES[schema["type"]] + (f" ({bounds})" if bounds else "")
