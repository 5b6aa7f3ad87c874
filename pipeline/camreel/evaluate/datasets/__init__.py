"""Data sets with ground truth. A data set is one module here and one line in `DATASETS`.

The module has two functions, see `Dataset`. Importable without OpenCV and PyAV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from camreel.errors import ConfigError, nearest
from camreel.runtime.registry import load_entry

if TYPE_CHECKING:
    from camreel.evaluate.datasets.eval_video import EvalVideo

DATASETS: dict[str, str] = {
    "figures": "camreel.evaluate.datasets.synthetic",
    "davis": "camreel.evaluate.datasets.davis",
    "ucf24": "camreel.evaluate.datasets.ucf24",
    "boxes": "camreel.evaluate.datasets.boxes",
}
"""Name -> module."""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """The videos to evaluate on."""

    name: str = "figures"
    """Key of `DATASETS`."""
    folder: Path | None = None
    """Folder of the videos; None: the data set makes its own."""
    videos: int = 12
    """Number of videos per split, if the data set makes its own."""
    seed: int = 7001
    """Seed of the first video, if the data set makes its own."""


class Dataset(Protocol):
    """The module of a data set."""

    def test(self, options: DataOptions) -> Sequence[EvalVideo]:
        """Return the videos to measure on.

        Raises:
            ConfigError: the options do not fit.
            InputError: videos or annotations are missing or damaged.
        """
        ...

    def validation(self, options: DataOptions) -> Sequence[EvalVideo]:
        """Return the videos to choose thresholds on, none of which is a test video; empty: there are too few videos."""
        ...


def load_dataset(name: str) -> Dataset:
    """Return a data set by its name.

    Raises:
        ConfigError: there is no such data set; names the nearest.

    Example:
        >>> videos = load_dataset("davis").test(DataOptions("davis", Path("DAVIS")))
    """
    if name not in DATASETS:
        raise ConfigError(
            f"there is no data set {name!r}", f"there are: {', '.join(DATASETS)}", nearest(name, DATASETS)
        )
    dataset: Dataset = load_entry(DATASETS[name])
    return dataset
