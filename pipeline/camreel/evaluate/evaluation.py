"""`evaluate`: thresholds on the validation videos, then a network and the baselines beside it on the test videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from camreel.config.schema import Config
from camreel.errors import ModelError
from camreel.evaluate.baselines import BASELINES
from camreel.evaluate.calibration import BOX_CANDIDATES, choose_box, choose_score
from camreel.evaluate.collector import EvaluatedNetwork, VideoResult, all_classes_config, replace_options
from camreel.evaluate.datasets import DataOptions, load_dataset
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.evaluate.examples import ExampleGallery
from camreel.evaluate.runner import EvalRunner, OnProgress
from camreel.evaluate.summary import summarize
from camreel.flow import load_recognizer
from camreel.metrics import METRICS
from camreel.reports.evaluation_report import EvaluationReport, ModelInfo, Thresholds
from camreel.run_plan import box_threshold

MODEL = "model"
"""Name of the evaluated network in reports."""
UNTRAINED = "random weights"
"""Name of the same network with random weights."""
POINT_BASELINES = ("centre point",)
"""Baselines without a map."""
VALIDATION_SHARE = 3
"""Test videos per validation video, in every split."""
MIN_VALIDATION_VIDEOS = 2
LEAVE_SHARE = 0.6
"""Score at which a segment ends, as a share of that at which it starts, as in the default configuration."""


def evaluate(
    config: Config, data: DataOptions | None = None, *, on_progress: OnProgress | None = None
) -> EvaluationReport:
    """Measure a network, and baselines beside it, on videos with ground truth.

    Args:
        config: settings of the network and its runs; the number of classes reported per frame does not matter.
        data: videos to evaluate on; None: synthetic ones.
        on_progress: called after each frame; may raise KeyboardInterrupt.

    Raises:
        ConfigError: an unknown data set, or settings that do not fit.
        InputError: videos or truths are missing or do not fit each other.
        ModelError: the network cannot be loaded, or does not know the classes.

    Example:
        >>> report = evaluate(Config().with_model("mc3_18"), DataOptions("ucf24", Path("UCF")))
        >>> report.splits["ucf24"]["pointing"]
    """
    data = data or DataOptions()
    dataset = load_dataset(data.name)
    all_classes_config(config, 1)  # fails before any video is made
    test = dataset.test(data)
    fewer = max(MIN_VALIDATION_VIDEOS, data.videos // VALIDATION_SHARE)
    validation = dataset.validation(dataclasses.replace(data, videos=fewer))
    networks, notes = _load_networks(config)
    runner = EvalRunner(on_progress, len(networks) * sum(video.seconds for video in (*test, *validation)))
    thresholds = _choose_thresholds(runner, validation, networks)
    gallery = ExampleGallery()
    results = runner.run(
        test,
        {name: _with_thresholds(network, thresholds[name]) for name, network in networks.items()},
        {name: (chosen.box,) for name, chosen in thresholds.items()},
        gallery.add,
        perturb=True,
    )
    recognizer, model = networks[MODEL].recognizer, results[MODEL]
    score = thresholds[MODEL].score or 0.0
    return EvaluationReport(
        model=ModelInfo(recognizer.name, recognizer.weights, recognizer.sha256),
        data=str(data.folder or data.name),
        seeds={"test": _seeds(test), "validation": _seeds(validation)},
        thresholds=thresholds,
        splits=_by_split(model, score),
        baselines={name: _baseline(name, results[name], thresholds[name]) for name in results if name != MODEL},
        videos={video.name: summarize([video], score) for video in model},
        examples=gallery.pick(model),
        config=config.model_dump(mode="json"),
        notes=tuple(notes),
    )


def _load_networks(config: Config) -> tuple[dict[str, EvaluatedNetwork], list[str]]:
    """Return the network, the same one with random weights if possible, and notes for the report."""
    recognizer = load_recognizer(config)
    networks = {MODEL: EvaluatedNetwork(recognizer, config)}
    if recognizer.weights == "random":
        return networks, ["the network itself has random weights: it has learned nothing"]
    try:
        untrained = config.with_model(recognizer.name, "random")
        networks[UNTRAINED] = EvaluatedNetwork(load_recognizer(untrained), untrained)
    except ModelError as error:
        return networks, [f"no baseline with random weights: {error.what}"]
    return networks, []


def _choose_thresholds(
    runner: EvalRunner, videos: Sequence[EvalVideo], networks: Mapping[str, EvaluatedNetwork]
) -> dict[str, Thresholds]:
    """Return the thresholds of all networks and baselines, chosen on the validation videos where they are not fixed."""
    results = runner.run(videos, networks, dict.fromkeys((*networks, *BASELINES), BOX_CANDIDATES))
    origin = "validation" if videos else "default"
    return {name: _network_thresholds(network, results[name]) for name, network in networks.items()} | {
        name: Thresholds(None, choose_box([result.localization for result in results[name]]), None, origin)
        for name in BASELINES
    }


def _network_thresholds(network: EvaluatedNetwork, validation: Sequence[VideoResult]) -> Thresholds:
    """Return the thresholds of a network: given or calibrated ones, else those of the validation, else the defaults."""
    given, stored = network.config.localize.threshold, network.recognizer.threshold
    score, score_origin = network.config.link.enter, "calibrated"
    if stored is None:
        scores = [result.scores for result in validation if result.scores is not None]
        score, score_origin = (choose_score(scores), "validation") if scores else (score, "default")
    if given is not None:
        return Thresholds(score, given, score_origin, "given")
    if stored is not None:
        return Thresholds(score, stored, score_origin, "calibrated")
    if not validation:
        return Thresholds(score, box_threshold(network.recognizer, network.config.localize), score_origin, "default")
    return Thresholds(score, choose_box([result.localization for result in validation]), score_origin, "validation")


def _with_thresholds(network: EvaluatedNetwork, thresholds: Thresholds) -> EvaluatedNetwork:
    config = replace_options(network.config, "localize", threshold=thresholds.box)
    if thresholds.score is not None and thresholds.score_origin == "validation":
        config = replace_options(config, "link", enter=thresholds.score, leave=thresholds.score * LEAVE_SHARE)
    return EvaluatedNetwork(network.recognizer, config)


def _seeds(videos: Sequence[EvalVideo]) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = {}
    for video in videos:
        if video.seed is not None:
            seeds.setdefault(video.split, []).append(video.seed)
    return seeds


def _by_split(results: Sequence[VideoResult], threshold: float) -> dict[str, dict[str, float]]:
    splits = dict.fromkeys(result.split for result in results)
    return {split: summarize([r for r in results if r.split == split], threshold) for split in splits}


def _baseline(name: str, results: Sequence[VideoResult], thresholds: Thresholds) -> dict[str, dict[str, float]]:
    """Return the metrics of a baseline that apply to it."""
    splits = _by_split(results, 1.0 if thresholds.score is None else thresholds.score)
    if name not in POINT_BASELINES:
        return splits
    applicable = {metric for metric in METRICS if metric.startswith("pointing")} | {"bystander_error"}
    return {split: {key: metrics[key] for key in metrics if key in applicable} for split, metrics in splits.items()}
