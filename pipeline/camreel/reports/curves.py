"""How a training went and how far its scores can be trusted, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from camreel.reports.plot import css_color

WIDTH, HEIGHT, PAD = 1000, 220, 26
SIDE = 260
"""Of the reliability diagram."""
NAMES = {
    "macro_f1": "macro-F1, clips held out",
    "held_out_loss": "loss, clips held out",
    "loss": "loss, clips learned from",
}


def curves(history: Sequence[Mapping[str, float]]) -> str:
    """Macro-F1 and losses over epochs, all on one scale from 0; the best epoch is marked.

    Args:
        history: entries with epoch, macro_f1, held_out_loss and, but for the first, loss.
    """
    if len(history) < 2:
        return "<p>The backbone stayed as it is, and the head was found in closed form: there are no epochs.</p>"
    last = history[-1]["epoch"]
    top = max(1.0, *(entry[name] for entry in history for name in NAMES if name in entry))
    best = max(history, key=lambda entry: (entry["macro_f1"], -entry["held_out_loss"]))

    def at(epoch: float, value: float) -> str:
        return f"{PAD + (WIDTH - 2 * PAD) * epoch / max(last, 1e-9):.1f},{PAD + (HEIGHT - 2 * PAD) * (1 - value / top):.1f}"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="macro-F1 and losses over epochs">']
    for level in (0.0, 0.5, 1.0):
        (x, y), right = at(0, level).split(","), at(last, level).split(",")[0]
        parts.append(
            f'<line x1="{x}" x2="{right}" y1="{y}" y2="{y}" class="grid"/><text x="2" y="{y}" class="mark">{level:g}</text>'
        )
    for row, name in enumerate(NAMES):
        points = " ".join(at(entry["epoch"], entry[name]) for entry in history if name in entry)
        parts.append(f'<polyline points="{points}" stroke="{css_color(row)}" class="curve"/>')
    x, y = at(best["epoch"], best["macro_f1"]).split(",")
    parts.append(f'<circle cx="{x}" cy="{y}" r="6" fill="{css_color(0)}"/>')
    step = max(1, round(last / 16))
    marks = range(0, int(last) + 1, step)
    parts += [
        f'<text x="{at(m, 0).split(",")[0]}" y="{HEIGHT - 6}" class="mark" text-anchor="middle">{m}</text>'
        for m in marks
    ]
    key = "".join(
        f'<span><i style="background:{css_color(row)}"></i>{text}</span>' for row, text in enumerate(NAMES.values())
    )
    told = f"Over epochs; 0 is the head alone. Kept: epoch {best['epoch']:g}, macro-F1 {best['macro_f1']:.3f}."
    return "".join(parts) + f'</svg><p class="key">{key}</p><p class="faint">{told}</p>'


def reliability(bins: Sequence[tuple[float, float, int]], clips: int) -> str:
    """Accuracy over confidence: on the diagonal where scores mean what they say; larger dots are more clips.

    Args:
        bins: mean confidence, accuracy and number of clips of each.
        clips: in all.
    """
    inner = SIDE - 2 * PAD
    parts = [
        f'<svg viewBox="0 0 {SIDE} {SIDE}" class="square" role="img" aria-label="accuracy over confidence">',
        f'<line x1="{PAD}" y1="{SIDE - PAD}" x2="{SIDE - PAD}" y2="{PAD}" class="level"/>',
    ]
    for sure, right, count in bins:
        x, y, radius = PAD + inner * sure, PAD + inner * (1 - right), 3 + 14 * (count / clips) ** 0.5
        told = f"<title>{count} clips with score {sure:.2f}: {right:.2f} right</title>"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{css_color(0)}" fill-opacity=".7">{told}</circle>'
        )
    middle = SIDE / 2
    words = (("score of what was said, 0 to 1", middle, SIDE - 6, 0), ("share that is right", 12, middle, -90))
    for text, x, y, angle in words:
        turned = f'transform="rotate({angle} {x:g} {y:g})"'
        parts.append(f'<text x="{x:g}" y="{y:g}" class="mark" text-anchor="middle" {turned}>{text}</text>')
    return "".join(parts) + "</svg>"
