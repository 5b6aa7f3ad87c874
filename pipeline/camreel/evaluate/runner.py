"""Many videos, one after the other: each is made or read, seen by all networks and baselines, and discarded."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from camreel.annotations import NO_ACTION, Truth, check_truth
from camreel.evaluate.baselines import CHANCE
from camreel.evaluate.collector import EvaluatedNetwork, PredictionCollector, VideoResult, collect, make_baselines
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.evaluate.faithfulness import PerturbationTest, SampleBudget
from camreel.flow import Progress
from camreel.run_plan import make_plan
from camreel.sources import open_source
from camreel.structures import Localization, VideoInfo

OnProgress = Callable[[Progress], None]
"""Called after each frame; may raise KeyboardInterrupt."""
OnFrame = Callable[[EvalVideo, Truth, Sequence[int], Localization], None]
"""Called with each localization, and the network's class id of each class of the truth."""


class EvalRunner:
    """Runs networks and baselines over videos, and reports the progress of all runs together.

    Args:
        on_progress: called after each frame; None: nothing is reported.
        seconds: seconds of video that all runs together will process.

    Example:
        >>> videos = load_dataset("figures").test(DataOptions(videos=1))
        >>> runner = EvalRunner(None, sum(video.seconds for video in videos))
        >>> results = runner.run(videos, {"model": EvaluatedNetwork(recognizer, config)}, {"model": (0.5,)})["model"]
    """

    def __init__(self, on_progress: OnProgress | None, seconds: float) -> None:
        self._on_progress = on_progress or (lambda _: None)
        self._seconds = seconds
        self._done = 0.0
        self._frames = 0
        self._begin = time.perf_counter()
        self._budget = SampleBudget()

    def run(
        self,
        videos: Sequence[EvalVideo],
        networks: Mapping[str, EvaluatedNetwork],
        thresholds: Mapping[str, Sequence[float]],
        on_frame: OnFrame = lambda *_: None,
        perturb: bool = False,
    ) -> dict[str, list[VideoResult]]:
        """Run all networks over every video; the baselines see the frames of the first network's pass.

        Args:
            videos: the videos.
            networks: networks by name; at least one.
            thresholds: name of a network or baseline -> saliencies at which boxes are measured; baselines that are
                not named are left out.
            on_frame: called with every localization of the first network.
            perturb: do the perturbation test on the first network; needs the baseline `CHANCE`.

        Returns:
            Name of a network or baseline -> its result on every video.

        Raises:
            InputError: a video does not fit its truth.
            ModelError: a network does not know the classes.
        """
        results: dict[str, list[VideoResult]] = {name: [] for name in thresholds}
        for seed, video in enumerate(videos):
            with TemporaryDirectory(prefix="camreel-") as scratch:
                path, truth = video.load(Path(scratch))
                with open_source(str(path), audio=False) as source:
                    info = source.info
                check_truth(truth, info)
                for rank, (name, network) in enumerate(networks.items()):
                    first = rank == 0
                    baselines = make_baselines(thresholds, network.config.localize.min_area, seed) if first else {}
                    collector = PredictionCollector(video, truth, network, thresholds[name], baselines)
                    test = _perturbation_test(network, info, collector, seed) if perturb and first else None
                    self._collect(path, network, collector, on_frame if first else None, test)
                    for each, result in self._results(name, collector, test).items():
                        results[each].append(result)
        return results

    def _collect(
        self,
        path: Path,
        network: EvaluatedNetwork,
        collector: PredictionCollector,
        on_frame: OnFrame | None,
        test: PerturbationTest | None,
    ) -> None:
        video = collector.video

        def observe(localization: Localization) -> None:
            if on_frame is not None:
                on_frame(video, collector.truth, collector.class_ids, localization)
            if test is not None:
                test.add(localization)
            self._frames += 1
            self._budget.seen += localization.frame.samples
            done, elapsed = self._done + localization.frame.time, time.perf_counter() - self._begin
            self._on_progress(Progress(video.name, self._frames, None, done, self._seconds, elapsed))

        collect(path, network, collector, observe)
        self._done += video.seconds

    def _results(
        self, name: str, collector: PredictionCollector, test: PerturbationTest | None
    ) -> dict[str, VideoResult]:
        """Return the results of a network and of the baselines that saw the same frames."""
        results = {name: collector.result(), **collector.baseline_results()}
        if test is not None:
            for each, scores in zip((name, CHANCE), test.finish(self._budget, collector.video.split), strict=True):
                results[each] = dataclasses.replace(results[each], perturbation=scores)
        return results


def _perturbation_test(
    network: EvaluatedNetwork, info: VideoInfo, collector: PredictionCollector, seed: int
) -> PerturbationTest:
    """Return the test of the classes that are performed in a video."""
    performed = [collector.class_ids[c] for c in np.unique(collector.truth.actions) if c != NO_ACTION]
    return PerturbationTest(make_plan(info, network.recognizer, network.config), performed, seed)
