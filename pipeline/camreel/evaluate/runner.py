"""Many videos, one after the other: each is made or read, seen by all networks and baselines, and forgotten."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from camreel.annotations import NO_ACTION, Truth, check_truth
from camreel.evaluate.baselines import BASELINES
from camreel.evaluate.collector import Network, Observation, Watch, run
from camreel.evaluate.detections import Finds
from camreel.evaluate.eval_video import Case
from camreel.evaluate.faithfulness import Budget, Trial
from camreel.evaluate.localization_scores import Tally
from camreel.flow import Progress
from camreel.run_plan import make_plan
from camreel.sources import open_source
from camreel.structures import Localization, VideoInfo

OnProgress = Callable[[Progress], None]
OnFrame = Callable[[Case, Truth, Sequence[int], Localization], None]
"""With the network's class id of each class of the truth."""

CHANCE = "random map"
"""The baseline that stands for chance."""


class Survey:
    """Runs networks over cases and says how far it is.

    Args:
        on_progress: called after each frame.
        seconds: of video that all runs together will see.
    """

    def __init__(self, on_progress: OnProgress | None, seconds: float) -> None:
        self._on_progress = on_progress or (lambda _: None)
        self._total = seconds
        self._done = 0.0
        self._frames = 0
        self._begin = time.perf_counter()
        self._budget = Budget()

    def run(
        self,
        cases: Sequence[Case],
        networks: Mapping[str, Network],
        thresholds: Mapping[str, Sequence[float]],
        on_frame: OnFrame = lambda *_: None,
        removal: bool = False,
    ) -> dict[str, list[Observation]]:
        """Shows every case to all networks, and to the baselines in the first one's pass.

        Args:
            cases: the videos.
            networks: by name; at least one.
            thresholds: name of a network or baseline -> saliencies at which boxes are measured; baselines that are not named
                are left out.
            on_frame: sees every localization of the first network.
            removal: parts of the videos are removed to see whether that network used them; wants the baseline `CHANCE`.

        Returns:
            Name -> what was observed of every case.

        Raises:
            InputError: a video does not fit its truth.
            ModelError: a network does not know the classes.
        """
        found: dict[str, list[Observation]] = {name: [] for name in thresholds}
        for number, case in enumerate(cases):
            with TemporaryDirectory(prefix="camreel-") as scratch:
                video, truth = case.load(Path(scratch))
                with open_source(str(video), audio=False) as source:
                    info = source.info
                check_truth(truth, info)
                for rank, (name, network) in enumerate(networks.items()):
                    watch = _watch(name, network, case, truth, thresholds, number if rank == 0 else None)
                    trial = _trial(network, info, watch, number) if removal and rank == 0 else None
                    self._see(video, network, watch, on_frame if rank == 0 else lambda *_: None, trial)
                    for each, observation in self._observations(name, watch, trial).items():
                        found[each].append(observation)
        return found

    def _observations(self, name: str, watch: Watch, trial: Trial | None) -> dict[str, Observation]:
        """Of a network and of the baselines that looked on."""
        seen = {name: watch.observation(), **watch.beside()}
        if trial is not None:
            for each, removals in zip((name, CHANCE), trial.finish(self._budget, watch.case.split), strict=True):
                seen[each] = dataclasses.replace(seen[each], removals=removals)
        return seen

    def _see(self, video: Path, network: Network, watch: Watch, on_frame: OnFrame, trial: Trial | None) -> None:
        case, truth = watch.case, watch.truth

        def tell(localization: Localization) -> None:
            on_frame(case, truth, watch.columns, localization)
            if trial is not None:
                trial.take(localization)
            self._frames += 1
            self._budget.seen += localization.frame.samples
            done = self._done + localization.frame.time
            elapsed = time.perf_counter() - self._begin
            self._on_progress(Progress(case.name, self._frames, None, done, self._total, elapsed))

        run(video, truth, network, watch, tell)
        self._done += case.seconds


def _watch(
    name: str, network: Network, case: Case, truth: Truth, thresholds: Mapping[str, Sequence[float]], seed: int | None
) -> Watch:
    """Watches a network, and with a seed the baselines too."""
    area = network.config.localize.min_area
    # Where the class is given, nobody asks whether it is seen.
    finds = Finds(network.config.localize.min_score if case.timed else 0.0, network.config.link.gap)
    others = {
        other: (make(seed), Tally(thresholds[other], area))
        for other, make in BASELINES.items()
        if seed is not None and other in thresholds
    }
    return Watch(
        case, truth, network.columns(truth.classes, case.aliases), Tally(thresholds[name], area), finds, others
    )


def _trial(network: Network, info: VideoInfo, watch: Watch, seed: int) -> Trial:
    """Of the classes that somebody performs."""
    performed = [watch.columns[c] for c in np.unique(watch.truth.actions) if c != NO_ACTION]
    return Trial(network.recognizer, make_plan(info, network.recognizer, network.config), performed, seed)
