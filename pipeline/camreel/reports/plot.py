"""Scores over time against the truth, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from camreel.evaluate.collector import Scores
from camreel.metrics.segments import spans
from camreel.overlay.color import CLASS_COLORS

WIDTH, HEIGHT = 1000, 120
BAR = 9
MOST = 5
FALSE_PEAK = 0.3
"""Highest score from which a class that nobody performs is worth a curve."""


def plot(said: Scores, classes: Sequence[str], score: float) -> str:
    """Curves of the classes that are performed, and of those that wrongly score high; above them bars where the truth is.

    Args:
        said: what was said of the video, and the truth.
        classes: names.
        score: from which a class is active; a dashed line.
    """
    shown = _shown(said)
    head = BAR * len(shown) + 4
    start = said.times[0]
    scale = WIDTH / max(float(said.times[-1] - start), 1e-9)
    level = head + HEIGHT * (1 - score)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {head + HEIGHT + 2}" role="img" aria-label="scores over time">',
        f'<line x1="0" x2="{WIDTH}" y1="{level:.1f}" y2="{level:.1f}" class="level"/>',
    ]
    for row, c in enumerate(shown):
        color = css_color(row)
        for begin, end in spans(said.times, said.true[:, c]):
            x, width = (begin - start) * scale, (end - begin) * scale
            parts.append(f'<rect x="{x:.1f}" y="{row * BAR}" width="{width:.1f}" height="{BAR - 3}" fill="{color}"/>')
        points = " ".join(
            f"{(t - start) * scale:.0f},{head + HEIGHT * (1 - s):.0f}"
            for t, s in zip(said.times, said.scores[:, c], strict=True)
        )
        parts.append(f'<polyline points="{points}" stroke="{color}" class="curve"/>')
    parts.append("</svg>")
    return "".join(parts) + _key(said, classes, shown)


def _shown(said: Scores) -> list[int]:
    """Classes with a curve: those of the truth first."""
    true: list[bool] = np.asarray(said.true.any(axis=0)).tolist()
    peaks: list[float] = np.asarray(said.scores.max(axis=0)).tolist()
    order = sorted(range(len(true)), key=lambda c: (not true[c], -peaks[c]))
    return [c for c in order if true[c] or peaks[c] >= FALSE_PEAK][:MOST]


def _key(said: Scores, classes: Sequence[str], shown: list[int]) -> str:
    true: list[bool] = np.asarray(said.true.any(axis=0)).tolist()
    names = [
        f'<span><i style="background:{css_color(row)}"></i>{escape(classes[c])}{"" if true[c] else " (nobody does)"}</span>'
        for row, c in enumerate(shown)
    ]
    return f'<p class="key">{"".join(names)}</p>'


def css_color(row: int) -> str:
    """The colour of a row's curve."""
    return "#{:02x}{:02x}{:02x}".format(*CLASS_COLORS[row])
