// The scores of the last minute as curves.

const SPAN = 60_000; // milliseconds that are shown
const STEP = 100; // milliseconds between kept scores
const MAX_GAP = 1_500; // milliseconds without scores after which the curves are interrupted
const MAX_CURVES = 6;

export class Timeline {
  constructor(canvas, colorOf) {
    this.canvas = canvas;
    this.colorOf = colorOf;
    this.history = []; // [milliseconds, {label: score}], oldest first
  }

  add(time, scores) {
    const last = this.history.at(-1);
    if (last && time - last[0] < STEP) last[1] = scores;
    else this.history.push([time, scores]);
    while (this.history.length && this.history[0][0] < time - SPAN - MAX_GAP) this.history.shift();
  }

  draw(now, minScore) {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const position = { x: (time) => width - 6 - ((now - time) / SPAN) * (width - 46), y: (score) => height - 18 - score * (height - 28) };
    this.#drawGrid(context, position, width, height, minScore, now);
    for (const label of this.#mainLabels()) this.#drawCurve(context, position, label);
  }

  #drawGrid(context, position, width, height, minScore, now) {
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = "#262c36";
    context.fillStyle = "#8b94a5";
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const score of [0, 0.5, 1]) {
      line(context, 40, width, position.y(score));
      context.fillText(`${score * 100} %`, 36, position.y(score));
    }
    for (const seconds of [60, 45, 30, 15]) {
      context.textAlign = seconds === 60 ? "left" : "center";
      context.fillText(`−${seconds} s`, position.x(now - seconds * 1000), height - 7);
    }
    context.textAlign = "right";
    context.fillText("now", width - 6, height - 7);
    if (minScore > 0) {
      context.setLineDash([4, 4]);
      context.strokeStyle = "#69738a";
      line(context, 40, width, position.y(minScore));
      context.setLineDash([]);
    }
  }

  // The labels with the highest scores; the best one comes last and is drawn over the others.
  #mainLabels() {
    const sums = new Map();
    for (const [, scores] of this.history) for (const [label, score] of Object.entries(scores)) sums.set(label, (sums.get(label) ?? 0) + score);
    return [...sums].sort((a, b) => b[1] - a[1]).slice(0, MAX_CURVES).map(([label]) => label).reverse();
  }

  #drawCurve(context, position, label) {
    context.strokeStyle = this.colorOf(label);
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    let before = -Infinity;
    for (const [time, scores] of this.history) {
      if (!(label in scores)) continue;
      if (time - before > MAX_GAP) context.moveTo(position.x(time), position.y(scores[label]));
      else context.lineTo(position.x(time), position.y(scores[label]));
      before = time;
    }
    context.stroke();
  }
}

function line(context, left, right, y) {
  context.beginPath();
  context.moveTo(left, Math.round(y) + 0.5);
  context.lineTo(right, Math.round(y) + 0.5);
  context.stroke();
}
