"""The whole evaluation: thresholds on validation videos, then every network and baseline on the test videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camreel.config.schema import Config
from camreel.errors import ConfigError, ModelError, nearest
from camreel.evaluate.baselines import BASELINES
from camreel.evaluate.collector import Network, Observation, changed, whole
from camreel.evaluate.datasets import DATA
from camreel.evaluate.eval_video import Case
from camreel.evaluate.runner import OnProgress, Survey
from camreel.evaluate.summary import METRICS, summarize
from camreel.evaluate.thresholds import BOX_CANDIDATES, Cut, choose_box, choose_score
from camreel.flow import load_recognizer
from camreel.reports.evaluation_report import Report
from camreel.reports.examples import Gallery
from camreel.run_plan import box_threshold

MODEL = "model"
UNTRAINED = "random weights"
POINTS = ("centre point",)
"""Baselines without a map."""
VALIDATION_SHARE = 3
"""Videos of the test per video of the validation, in every split."""
FEWEST = 2
LEAVE = 0.6
"""Score at which a segment ends, as a share of that at which it begins: that of the defaults."""


def evaluate(
    config: Config,
    *,
    data: str = "figures",
    folder: Path | None = None,
    videos: int = 12,
    seed: int = 7001,
    on_progress: OnProgress | None = None,
) -> Report:
    """Measures a network, and baselines beside it, on videos with truth.

    Args:
        config: the network and how it is run; how many classes are reported per frame does not matter.
        data: name of a data set.
        folder: of its videos; None: the data set makes or knows its own.
        videos: of every split, where the data set makes them.
        seed: of the first one.
        on_progress: hears how far it is.

    Raises:
        ConfigError: an unknown data set, or settings that do not fit.
        InputError: videos or truths are missing or do not fit each other.
        ModelError: the network cannot be had, or does not know the classes.
    """
    source = DATA.get(data)
    if source is None:
        raise ConfigError(f"there is no data set {data!r}", f"there are: {', '.join(DATA)}", nearest(data, DATA))
    whole(config, 1)  # refuses what it must before any video is made
    test, validation = (
        source.test(folder, videos, seed),
        source.validation(folder, max(FEWEST, videos // VALIDATION_SHARE)),
    )
    networks, notes = _networks(config)
    survey = Survey(on_progress, len(networks) * sum(case.seconds for case in (*test, *validation)))
    chosen = survey.run(validation, networks, dict.fromkeys((*networks, *BASELINES), BOX_CANDIDATES))
    cuts = {name: _cut(network, chosen[name]) for name, network in networks.items()}
    boxes = {name: choose_box([video.places for video in chosen[name]]) for name in BASELINES}
    gallery = Gallery()
    seen = survey.run(
        test,
        {name: _with_cut(network, cuts[name]) for name, network in networks.items()},
        {name: (cut.box,) for name, cut in cuts.items()} | {name: (box,) for name, box in boxes.items()},
        gallery.take,
        removal=True,
    )
    model = networks[MODEL].recognizer
    return Report(
        model=model.name,
        weights=model.weights,
        sha256=model.sha256,
        data=str(folder or data),
        seeds={"test": _seeds(test), "validation": _seeds(validation)},
        cuts=cuts,
        boxes=boxes,
        box_origin="validation" if validation else "default",
        splits=_by_split(seen[MODEL], cuts[MODEL].score),
        baselines={name: _beside(name, seen[name], cuts.get(name)) for name in seen if name != MODEL},
        videos={video.name: summarize([video], cuts[MODEL].score) for video in seen[MODEL]},
        exhibits=gallery.pick(seen[MODEL]),
        config=config.model_dump(mode="json"),
        notes=tuple(notes),
    )


def _networks(config: Config) -> tuple[dict[str, Network], list[str]]:
    """The network, the same one with random weights where it can be had, and what there is to say about that."""
    recognizer = load_recognizer(config)
    networks = {MODEL: Network(recognizer, config)}
    if recognizer.weights == "random":
        return networks, ["the network itself has random weights: it has learned nothing"]
    try:
        untrained = config.with_model(recognizer.name, "random")
        networks[UNTRAINED] = Network(load_recognizer(untrained), untrained)
    except ModelError as error:
        return networks, [f"no baseline with random weights: {error.what}"]
    return networks, []


def _cut(network: Network, videos: Sequence[Observation]) -> Cut:
    """The thresholds of a network: its own where it is calibrated or the user gave one, else those of the validation, if any."""
    given, stored = network.config.localize.threshold, network.recognizer.threshold
    score, score_origin = network.config.link.enter, "calibrated"
    if stored is None:
        said = [video.scores for video in videos if video.scores is not None]
        score, score_origin = (choose_score(said), "validation") if said else (score, "default")
    if given is not None:
        return Cut(score, given, score_origin, "given")
    if stored is not None:
        return Cut(score, stored, score_origin, "calibrated")
    if not videos:
        return Cut(score, box_threshold(network.recognizer, network.config.localize), score_origin, "default")
    return Cut(score, choose_box([video.places for video in videos]), score_origin, "validation")


def _with_cut(network: Network, cut: Cut) -> Network:
    config = changed(network.config, "localize", threshold=cut.box)
    if cut.score_origin == "validation":
        config = changed(config, "link", enter=cut.score, leave=cut.score * LEAVE)
    return Network(network.recognizer, config)


def _seeds(cases: Sequence[Case]) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = {}
    for case in cases:
        if case.seed is not None:
            seeds.setdefault(case.split, []).append(case.seed)
    return seeds


def _by_split(videos: Sequence[Observation], score: float) -> dict[str, dict[str, float]]:
    splits = dict.fromkeys(video.split for video in videos)
    return {split: summarize([video for video in videos if video.split == split], score) for split in splits}


def _beside(name: str, videos: Sequence[Observation], cut: Cut | None) -> dict[str, dict[str, float]]:
    """A baseline's metrics, as far as they say something of it."""
    splits = _by_split(videos, cut.score if cut else 1.0)
    if name not in POINTS:
        return splits
    points = {name for name in METRICS if name.startswith("pointing")} | {"bystander_error"}
    return {split: {key: value for key, value in found.items() if key in points} for split, found in splits.items()}
