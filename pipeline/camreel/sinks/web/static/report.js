// What camreel tells beside the picture: scores, numbers, messages.

import { Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const PACE = 125; // milliseconds between updates: faster cannot be read
const ROWS = 5;
const ROUNDS = 60; // round trips that the median is of

export class Report {
  constructor(controls) {
    this.controls = controls;
    this.classes = new Map();
    this.colors = ["#888888"];
    this.status = {};
    this.rounds = [];
    this.timeline = new Timeline($("timeline"), (label) => this.#colorOf(label));
    setInterval(() => this.#update(), PACE);
  }

  offer(hello) {
    this.classes = new Map(hello.classes.map((label, index) => [label, index]));
    this.colors = hello.colors;
    $("own").hidden = !hello.camera;
  }

  take(status) {
    Object.assign(this.status, status);
    if (status.scores) this.timeline.add(performance.now(), status.scores);
    this.fresh = true;
  }

  round(delay) {
    this.rounds = [...this.rounds.slice(1 - ROUNDS), delay];
  }

  #colorOf(label) {
    return this.colors[(this.classes.get(label) ?? 0) % this.colors.length];
  }

  #update() {
    if (document.hidden) return;
    this.timeline.draw(performance.now(), this.controls.view.least_score);
    if (!this.fresh) return;
    this.fresh = false;
    this.#numbers(this.status);
    this.#scores(Object.entries(this.status.scores ?? {}).slice(0, ROWS));
    this.#messages(this.status.notes ?? []);
    this.#cameras(this.status.cameras ?? []);
    this.controls.showRecording(this.status.recording === true);
    $("paused").hidden = !this.status.paused;
  }

  #numbers({ delay, rates, dropped, age }) {
    const numbers = {
      p50: milliseconds(delay?.p50),
      p95: milliseconds(delay?.p95),
      age: milliseconds(age),
      dropped: dropped?.toLocaleString("en") ?? "",
      in: perSecond(rates?.in),
      inferred: perSecond(rates?.inferred),
      shown: perSecond(rates?.shown),
      round: milliseconds([...this.rounds].sort((a, b) => a - b)[this.rounds.length >> 1]),
    };
    for (const [id, words] of Object.entries(numbers)) write($(id), words);
  }

  #scores(rows) {
    const list = $("scores");
    if (!rows.length) {
      if (!list.querySelector(".none")) list.replaceChildren(item("Nothing is recognised", "none"));
      return;
    }
    list.querySelector(".none")?.remove();
    while (list.children.length > rows.length) list.lastElementChild.remove();
    while (list.children.length < rows.length) list.append(this.#row());
    rows.forEach(([label, score], index) => this.#fill(list.children[index].firstElementChild, label, score));
  }

  #row() {
    const row = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const bar = document.createElement("div");
    bar.append(document.createElement("i"));
    button.append(document.createElement("span"), document.createElement("b"), bar);
    button.addEventListener("click", () => this.controls.pick(button.ariaPressed === "true" ? "" : button.dataset.label));
    row.append(button);
    return row;
  }

  #fill(button, label, score) {
    const [name, percent, bar] = button.children;
    write(name, label);
    write(percent, `${Math.round(score * 100)} %`);
    button.dataset.label = label;
    button.title = `Show only ${label}`;
    button.ariaPressed = String(this.controls.picked === label);
    bar.firstElementChild.style.width = `${score * 100}%`;
    bar.firstElementChild.style.background = this.#colorOf(label);
  }

  #messages(notes) {
    $("messages").hidden = !notes.length;
    if (notes.join("\n") !== [...$("notes").children].map((note) => note.textContent).join("\n")) $("notes").replaceChildren(...notes.map((note) => item(note)));
  }

  #cameras(cameras) {
    $("cameras").hidden = cameras.length < 2;
    $("cameras").replaceChildren(...cameras.map(({ name, connected }) => item(name, connected ? "good" : "bad")));
    const lost = cameras.filter(({ connected }) => !connected);
    $("banner").hidden = !lost.length;
    write($("banner"), lost.length ? (this.status.notes?.at(-1) ?? `No connection to ${lost.map(({ name }) => name).join(", ")}`) : "");
  }
}

function item(words, kind = "") {
  return Object.assign(document.createElement("li"), { textContent: words, className: kind });
}

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function milliseconds(value) {
  if (typeof value !== "number") return "";
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function perSecond(value) {
  return typeof value === "number" ? `${value.toFixed(1)} /s` : "";
}
