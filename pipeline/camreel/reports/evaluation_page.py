"""The report as one page that needs nothing else: no network, no scripts, light and dark."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from html import escape
from itertools import groupby

from camreel.evaluate.summary import METRICS
from camreel.reports.evaluation_report import Exhibit, Report
from camreel.reports.plot import plot
from camreel.reports.style import STYLE
from camreel.reports.table import describe, rows


def page(report: Report, command: Sequence[str], version: str) -> str:
    """The report as HTML.

    Args:
        report: what was found.
        command: the command line that made it.
        version: of camreel.
    """
    title = f"camreel evaluate: {report.model} on {report.data}"
    facts = [
        *describe(report),
        f"weights: {report.weights}" + (f", sha256 {report.sha256}" if report.sha256 else ""),
        f"camreel {version}",
    ]
    return "".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
            f"<p><code>{escape(shlex.join(command))}</code></p>",
            "<ul>" + "".join(f"<li>{escape(fact)}</li>" for fact in facts) + "</ul>",
            "<h2>Figures</h2>",
            _table(report),
            "<p class='faint'>Averages over the frames of a video, then over videos. Baselines that are blind to the class get the "
            "true one for free.</p>",
            *(
                _split(split, list(mine), report)
                for split, mine in groupby(report.exhibits, key=lambda exhibit: exhibit.split)
            ),
            "</body></html>\n",
        ]
    )


def _table(report: Report) -> str:
    head = "".join(f"<th>{escape(split)}</th>" for split in report.splits)
    body = "".join(
        f'<tr class="{"beside" if beside else "own"}"><td>{_name(name, beside)}</td>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, beside, cells in rows(report)
    )
    return f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _name(name: str, beside: bool) -> str:
    return escape(name) if beside else f"{escape(name)} <small>{escape(METRICS[name])}</small>"


def _split(split: str, exhibits: Sequence[Exhibit], report: Report) -> str:
    score = report.cuts["model"].score
    parts = [f"<h2>{escape(split)}</h2>"]
    for exhibit in exhibits:
        picture = base64.b64encode(exhibit.strip).decode()
        parts.append(
            f"<h3>{escape(exhibit.rank)}: {escape(exhibit.name)} <small>pointing {exhibit.pointing:.2f}</small></h3>"
            f'<img alt="frames of {escape(exhibit.name)}" src="data:image/jpeg;base64,{picture}">'
        )
        if exhibit.scores is not None:
            parts.append(plot(exhibit.scores, exhibit.classes, score))
    return "".join(parts) + (
        "<p class='faint'>Frames with the maps of what is performed, as strong as their scores; green: who performs it, amber: the "
        "boxes found, cross: the map's peak. Bars: when it is performed, curves: scores, dashed: the score from which a class is "
        "active.</p>"
    )
