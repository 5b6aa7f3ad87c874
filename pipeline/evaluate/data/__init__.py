"""The data sets by name. A new one is a file here and a line in `DATA`."""

from __future__ import annotations

from pipeline.evaluate.case import Data
from pipeline.evaluate.data import boxes, davis, figures, ucf24

DATA: dict[str, Data] = {
    "figures": Data(figures.test, figures.validation),
    "davis": Data(davis.test, davis.validation),
    "ucf24": Data(ucf24.test, ucf24.validation),
    "boxes": Data(boxes.test, boxes.validation),
}
