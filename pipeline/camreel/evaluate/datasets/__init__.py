"""The data sets by name. A new one is a file here and a line in `DATA`."""

from __future__ import annotations

from camreel.evaluate.datasets import boxes, davis, synthetic, ucf24
from camreel.evaluate.eval_video import Data

DATA: dict[str, Data] = {
    "figures": Data(synthetic.test, synthetic.validation),
    "davis": Data(davis.test, davis.validation),
    "ucf24": Data(ucf24.test, ucf24.validation),
    "boxes": Data(boxes.test, boxes.validation),
}
