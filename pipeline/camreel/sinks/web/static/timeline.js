// The scores of the last minute as curves.

const SPAN = 60_000; // milliseconds that are shown
const STEP = 100; // between kept scores
const GAP = 1_500; // without news: the curves are broken
const CURVES = 6;

export class Timeline {
  constructor(canvas, colorOf) {
    this.canvas = canvas;
    this.colorOf = colorOf;
    this.past = []; // [time, {label: score}], oldest first
  }

  add(time, scores) {
    const last = this.past.at(-1);
    if (last && time - last[0] < STEP) last[1] = scores;
    else this.past.push([time, scores]);
    while (this.past.length && this.past[0][0] < time - SPAN - GAP) this.past.shift();
  }

  draw(now, least) {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const place = { x: (time) => width - 6 - ((now - time) / SPAN) * (width - 46), y: (score) => height - 18 - score * (height - 28) };
    this.#grid(pen, place, width, height, least, now);
    for (const label of this.#main()) this.#curve(pen, place, label);
  }

  #grid(pen, place, width, height, least, now) {
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.strokeStyle = "#262c36";
    pen.fillStyle = "#8b94a5";
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const score of [0, 0.5, 1]) {
      line(pen, 40, width, place.y(score));
      pen.fillText(`${score * 100} %`, 36, place.y(score));
    }
    for (const seconds of [60, 45, 30, 15]) {
      pen.textAlign = seconds === 60 ? "left" : "center";
      pen.fillText(`−${seconds} s`, place.x(now - seconds * 1000), height - 7);
    }
    pen.textAlign = "right";
    pen.fillText("now", width - 6, height - 7);
    if (least > 0) {
      pen.setLineDash([4, 4]);
      pen.strokeStyle = "#69738a";
      line(pen, 40, width, place.y(least));
      pen.setLineDash([]);
    }
  }

  #main() {
    const sums = new Map();
    for (const [, scores] of this.past) for (const [label, score] of Object.entries(scores)) sums.set(label, (sums.get(label) ?? 0) + score);
    return [...sums].sort((a, b) => b[1] - a[1]).slice(0, CURVES).map(([label]) => label).reverse();
  }

  #curve(pen, place, label) {
    pen.strokeStyle = this.colorOf(label);
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.beginPath();
    let before = -Infinity;
    for (const [time, scores] of this.past) {
      if (!(label in scores)) continue;
      if (time - before > GAP) pen.moveTo(place.x(time), place.y(scores[label]));
      else pen.lineTo(place.x(time), place.y(scores[label]));
      before = time;
    }
    pen.stroke();
  }
}

function line(pen, left, right, y) {
  pen.beginPath();
  pen.moveTo(left, Math.round(y) + 0.5);
  pen.lineTo(right, Math.round(y) + 0.5);
  pen.stroke();
}
