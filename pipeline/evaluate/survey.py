"""Many videos, one after the other: each is made or read, seen by all networks and baselines, and forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.evaluate.baselines import BASELINES
from pipeline.evaluate.case import Case
from pipeline.evaluate.observe import Network, Observation, Watch, run
from pipeline.evaluate.tally import Tally
from pipeline.flow import Progress
from pipeline.sources import open_source
from pipeline.structures import Localization
from pipeline.truth import Truth, check_truth

OnProgress = Callable[[Progress], None]
OnFrame = Callable[[Case, Truth, Localization], None]


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

    def run(
        self,
        cases: Sequence[Case],
        networks: Mapping[str, Network],
        thresholds: Mapping[str, Sequence[float]],
        on_frame: OnFrame = lambda *_: None,
    ) -> dict[str, list[Observation]]:
        """Shows every case to all networks, and to the baselines in the first one's pass.

        Args:
            cases: the videos.
            networks: by name; at least one.
            thresholds: name of a network or baseline -> saliencies at which boxes are measured; baselines that are not named
                are left out.
            on_frame: sees every localization of the first network.

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
                    check_truth(truth, source.info)
                for rank, (name, network) in enumerate(networks.items()):
                    watch = _watch(name, network, truth, thresholds, number if rank == 0 else None)
                    self._see(case, video, truth, network, watch, on_frame if rank == 0 else lambda *_: None)
                    found[name].append(
                        Observation(case.name, case.split, watch.tally.places(), watch.said() if case.timed else None)
                    )
                    for other, (_, tally) in watch.others.items():
                        found[other].append(Observation(case.name, case.split, tally.places(), None))
        return found

    def _see(self, case: Case, video: Path, truth: Truth, network: Network, watch: Watch, on_frame: OnFrame) -> None:
        def tell(localization: Localization) -> None:
            on_frame(case, truth, localization)
            self._frames += 1
            done = self._done + localization.frame.time
            elapsed = time.perf_counter() - self._begin
            self._on_progress(Progress(case.name, self._frames, None, done, self._total, elapsed))

        run(video, truth, network, watch, tell)
        self._done += case.seconds


def _watch(name: str, network: Network, truth: Truth, thresholds: Mapping[str, Sequence[float]], seed: int | None) -> Watch:
    """Watches a network, and with a seed the baselines too."""
    area = network.config.localize.min_area
    others = {
        other: (make(seed), Tally(thresholds[other], area))
        for other, make in BASELINES.items()
        if seed is not None and other in thresholds
    }
    return Watch(truth, network.columns(truth.classes), Tally(thresholds[name], area), others)
