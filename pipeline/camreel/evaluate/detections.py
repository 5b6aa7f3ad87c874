"""What was detected in space and time in one video, and what was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from camreel.annotations import Truth, action_runs
from camreel.metrics.tubes import Boxes
from camreel.structures import Action

_Row = tuple[str, int, int, float, tuple[float, ...]]
"""Label, frame, tube, score and xyxy of a box."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The boxes of one video, found and true."""

    found: Boxes
    true: Boxes


@dataclass(slots=True)
class Finds:
    """Takes the boxes that the program reports.

    As it does, it takes only those of actions whose score is high enough, and a tube that is interrupted for too long is two.
    """

    least: float
    """Score."""
    gap: float
    """Seconds that a tube may be interrupted."""
    rows: list[_Row] = field(default_factory=list)
    ends: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Track -> when it was last seen, and the number of its tube."""
    tubes: int = 0

    def add(self, frame: int, time: float, label: str, action: Action) -> None:
        """Takes the boxes of an action, under the truth's name for its class, on a frame at a time in seconds."""
        if action.score < self.least:
            return
        for box in action.boxes:
            assert box.track is not None
            last, tube = self.ends.get(box.track, (-np.inf, 0))
            if time - last > self.gap:
                tube, self.tubes = self.tubes, self.tubes + 1
            self.ends[box.track] = time, tube
            self.rows.append((label, frame, tube, box.score, box.xyxy))

    def detected(self, truth: Truth) -> Detected:
        """What was taken, with the truth."""
        return Detected(_table(self.rows), true_boxes(truth))


def true_boxes(truth: Truth) -> Boxes:
    """Where those who act are seen: every actor is as many tubes as he has runs of one class without a break."""
    rows: list[_Row] = []
    tube = 0
    for actor in range(truth.actions.shape[1]):
        for class_id, start, end in action_runs(truth.actions[:, actor]):
            seen = [t for t in range(start, end) if not np.isnan(truth.boxes[t, actor]).any()]
            rows += [(truth.classes[class_id], t, tube, 1.0, tuple(truth.boxes[t, actor].tolist())) for t in seen]
            tube += 1
    return _table(rows)


def _table(rows: Sequence[_Row]) -> Boxes:
    labels, frames, tubes, scores, boxes = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Boxes(
        np.array(labels, np.str_),
        np.array(frames, np.int64),
        np.array(tubes, np.int64),
        np.array(scores, np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )
