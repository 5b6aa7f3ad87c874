"""What an evaluation found, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from camreel.evaluate.collector import Scores
from camreel.evaluate.thresholds import Cut

Table = Mapping[str, Mapping[str, float]]
"""Split -> metric -> value; NaN where nothing could be measured."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A video to look at."""

    split: str
    name: str
    rank: str
    """best, median or worst."""
    pointing: float
    classes: tuple[str, ...]
    scores: Scores | None
    """None: the truth does not say what happens when."""
    strip: bytes
    """JPEG of some of its frames."""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a network and of the baselines beside it."""

    model: str
    weights: str
    sha256: str | None
    data: str
    seeds: Mapping[str, Mapping[str, list[int]]]
    """"test" and "validation" -> split -> seeds."""
    cuts: Mapping[str, Cut]
    """Of the networks."""
    boxes: Mapping[str, float]
    """Saliency from which boxes are cut, of the baselines."""
    box_origin: str
    """Where these come from: the validation, or the default without one."""
    splits: Table
    baselines: Mapping[str, Table]
    videos: Table
    """Of the network, by video instead of split: to compare two networks in pairs."""
    exhibits: tuple[Exhibit, ...]
    config: Mapping[str, Any]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values; null where nothing could be measured."""
        return {
            "model": {"name": self.model, "weights": self.weights, "sha256": self.sha256},
            "data": self.data,
            "seeds": self.seeds,
            "thresholds": {name: asdict(cut) for name, cut in self.cuts.items()}
            | {name: {"box": box, "box_origin": self.box_origin} for name, box in self.boxes.items()},
            "splits": _plain(self.splits),
            "baselines": {name: _plain(table) for name, table in self.baselines.items()},
            "videos": _plain(self.videos),
            "config": self.config,
            "notes": list(self.notes),
        }


def _plain(table: Table) -> dict[str, dict[str, float | None]]:
    return {
        split: {name: None if math.isnan(value) else round(value, 5) for name, value in found.items()}
        for split, found in table.items()
    }
