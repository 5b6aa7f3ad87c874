"""What came of learning from clips, as one page that needs nothing else: curves, confusions, calibration, and clips to look at."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Iterator, Sequence
from html import escape

from camreel.config.schema import Config
from camreel.evaluate.collector import changed
from camreel.flow import load_recognizer, localize
from camreel.interfaces import Recognizer
from camreel.metrics.classification_report import ClassificationReport, Example
from camreel.reports.curves import curves, reliability
from camreel.reports.style import STYLE
from camreel.reports.tiles import draw_heat, pack, tile_of, write
from camreel.sources import open_source
from camreel.structures import U8, Localization
from camreel.train.tasks.clips import TrainingResult

SHOWN = 12
"""Confused clips at most."""
FRAMES = 5
SMALL = 10
"""Clips of a class held out, below which a figure of it says little."""

Check = Callable[[], None]


def lesson_page(taught: TrainingResult, command: Sequence[str], version: str, check: Check = lambda: None) -> str:
    """The page as HTML; the clips that were confused most go through the trained network for it.

    Args:
        taught: what came of the training.
        command: the command line.
        version: of camreel.
        check: called after each frame; may interrupt with KeyboardInterrupt.
    """
    verdict = taught.verdict
    title = (
        f"camreel train: {', '.join(verdict.classes)}"
        if len(verdict.classes) < 6
        else f"camreel train: {taught.checkpoint.name}"
    )
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
            f"<p><code>{escape(shlex.join(command))}</code></p>",
            "<ul>" + "".join(f"<li>{escape(fact)}</li>" for fact in _facts(taught, version)) + "</ul>",
            "<h2>Classes</h2>",
            _classes(verdict),
            "<h2>Confusions</h2>",
            _confusions(verdict),
            "<h2>Training</h2>",
            curves(taught.history),
            "<h2>Calibration</h2>",
            reliability(verdict.reliability(), len(verdict.examples)),
            f"<p class='faint'>Expected calibration error {verdict.calibration_error:.3f} over ten bins; the logits are scaled so "
            "that the scores of these clips are most likely.</p>",
            "<h2>Most confused clips</h2>",
            *_confused(taught, check),
            "</body></html>\n",
        ]
    )


def _facts(taught: TrainingResult, version: str) -> Iterator[str]:
    verdict = taught.verdict
    low, high = verdict.interval(0)
    groups = len({example.group for example in verdict.examples})
    yield f"macro-F1 {verdict.macro_f1:.3f}; 95 % interval over the {groups} groups held out: {low:.3f} to {high:.3f}"
    yield f"{len(taught.learned)} clips learned from, {len(verdict.examples)} held out; the best epoch was chosen on these"
    yield f"the head alone, over folds of groups of the clips learned from: macro-F1 {taught.folds:.3f}"
    few = [
        f"{name} ({there})"
        for name, (*_, there) in zip(verdict.classes, verdict.per_class, strict=True)
        if there < SMALL
    ]
    if few:
        yield f"few clips held out, so these figures say little: {', '.join(few)}"
    yield from (f"skipped: {text}" for text in taught.skipped)
    yield f"checkpoint: {taught.checkpoint.name}; camreel {version}"


def _classes(verdict: ClassificationReport) -> str:
    rows = zip(verdict.classes, verdict.per_class, strict=True)
    cells = (
        f"<tr><td>{escape(name)}</td><td>{precision:.3f}</td><td>{recall:.3f}</td><td>{f1:.3f}</td><td>{there}</td></tr>"
        for name, (precision, recall, f1, there) in rows
    )
    head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>clips</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(cells)}</tbody></table></div>'


def _confusions(verdict: ClassificationReport) -> str:
    """Rows: what clips show; columns: what was said."""
    confusion = verdict.confusion
    head = "<th></th>" + "".join(f"<th>{escape(name)}</th>" for name in verdict.classes)
    rows = []
    for name, counts in zip(verdict.classes, confusion.tolist(), strict=True):
        shares = [count / max(1, sum(counts)) for count in counts]
        cells = "".join(
            f'<td style="--share:{share:.2f}">{count}</td>' for count, share in zip(counts, shares, strict=True)
        )
        rows.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    table = f'<table class="confusion"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="scroll">{table}</div><p class="faint">Rows: what the clips show. Columns: what was said.</p>'


def _confused(taught: TrainingResult, check: Check) -> Iterator[str]:
    verdict = taught.verdict
    wrong = verdict.most_confused(SHOWN)
    if not wrong:
        yield "<p>None: every clip held out was told right.</p>"
        return
    config = Config().with_model(str(taught.checkpoint))
    recognizer = load_recognizer(config)
    for i in wrong:
        example, said = verdict.examples[i], verdict.classes[int(verdict.said[i])]
        strips = _strips(example, said, config, recognizer, check)
        where = example.path.name if example.start is None else f"{example.path.name} from {example.start:g} s"
        what = f"{example.label}, taken for {said} {verdict.scores[i].max():.2f}"
        yield f"<h3>{escape(where)} <small>{escape(what)}</small></h3>"
        for label, strip in strips.items():
            picture = base64.b64encode(strip).decode()
            yield f'<img alt="where {escape(example.path.name)} looks like {escape(label)}" src="data:image/jpeg;base64,{picture}">'
    yield "<p class='faint'>Above, the evidence for what was said; below, for what the clip shows.</p>"


def _strips(example: Example, said: str, config: Config, recognizer: Recognizer, check: Check) -> dict[str, bytes]:
    """Class -> some frames with the evidence for it, as a JPEG."""
    both = [str(recognizer.classes.index(name)) for name in (said, example.label)]
    mine = changed(config, "localize", classes=both, top_k=2, min_score=0.0)
    mine = mine.model_copy(update={"start": example.start, "end": example.end})
    moments = _moments(example)
    tiles: dict[str, list[U8]] = {said: [], example.label: []}
    for localization in localize(str(example.path), config=mine, recognizer=recognizer):
        check()
        done = len(tiles[said])
        if done < len(moments) and localization.frame.time >= moments[done]:
            for label, strip in tiles.items():
                strip.append(_tile(localization, label))
    return {label: pack(strip) for label, strip in tiles.items() if strip}


def _moments(example: Example) -> list[float]:
    """Seconds of the frames to show, evenly over the example."""
    with open_source(str(example.path), audio=False) as source:
        end = example.end or source.info.duration or 0.0
    start = example.start or 0.0
    return [start + (end - start) * (i + 0.5) / FRAMES for i in range(FRAMES)]


def _tile(localization: Localization, label: str) -> U8:
    tile = tile_of(localization.frame.picture)
    for action in localization.actions:
        if action.label == label:
            draw_heat(tile, action)
            write(tile, f"{label} {action.score:.2f}", 0)
    return tile
