// The status beside the picture: scores, numbers, messages, cameras.

import { Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const UPDATE_INTERVAL = 125; // milliseconds; faster cannot be read
const MAX_ROWS = 5;
const MAX_ROUND_TRIPS = 60; // number of round trips in the median

export class Report {
  constructor(controls) {
    this.controls = controls;
    this.classes = new Map();
    this.colors = ["#888888"];
    this.status = {};
    this.roundTrips = [];
    this.timeline = new Timeline($("timeline"), (label) => this.#colorOf(label));
    setInterval(() => this.#update(), UPDATE_INTERVAL);
  }

  // Takes the content of the page: classes, their colors, and whether the visitor's camera is wanted.
  setContent(hello) {
    this.classes = new Map(hello.classes.map((label, index) => [label, index]));
    this.colors = hello.colors;
    $("own").hidden = !hello.camera;
  }

  // Takes a status; missing keys keep their values.
  setStatus(status) {
    Object.assign(this.status, status);
    if (status.scores) this.timeline.add(performance.now(), status.scores);
    this.changed = true;
  }

  // Takes the milliseconds from the visitor's camera to the screen.
  addRoundTrip(delay) {
    this.roundTrips = [...this.roundTrips.slice(1 - MAX_ROUND_TRIPS), delay];
  }

  #colorOf(label) {
    return this.colors[(this.classes.get(label) ?? 0) % this.colors.length];
  }

  #update() {
    if (document.hidden) return;
    this.timeline.draw(performance.now(), this.controls.view.least_score);
    if (!this.changed) return;
    this.changed = false;
    this.#showNumbers(this.status);
    this.#showScores(Object.entries(this.status.scores ?? {}).slice(0, MAX_ROWS));
    this.#showMessages(this.status.notes ?? []);
    this.#showCameras(this.status.cameras ?? []);
    this.controls.showRecording(this.status.recording === true);
    $("paused").hidden = !this.status.paused;
  }

  #showNumbers({ delay, rates, dropped, age }) {
    const numbers = {
      p50: milliseconds(delay?.p50),
      p95: milliseconds(delay?.p95),
      age: milliseconds(age),
      dropped: dropped?.toLocaleString("en") ?? "",
      in: perSecond(rates?.in),
      inferred: perSecond(rates?.inferred),
      shown: perSecond(rates?.shown),
      round: milliseconds([...this.roundTrips].sort((a, b) => a - b)[this.roundTrips.length >> 1]),
    };
    for (const [id, text] of Object.entries(numbers)) setText($(id), text);
  }

  #showScores(rows) {
    const list = $("scores");
    if (!rows.length) {
      if (!list.querySelector(".none")) list.replaceChildren(listItem("Nothing is recognized", "none"));
      return;
    }
    list.querySelector(".none")?.remove();
    while (list.children.length > rows.length) list.lastElementChild.remove();
    while (list.children.length < rows.length) list.append(this.#makeRow());
    rows.forEach(([label, score], index) => this.#fillRow(list.children[index].firstElementChild, label, score));
  }

  #makeRow() {
    const row = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const bar = document.createElement("div");
    bar.append(document.createElement("i"));
    button.append(document.createElement("span"), document.createElement("b"), bar);
    button.addEventListener("click", () => this.controls.selectClass(button.ariaPressed === "true" ? "" : button.dataset.label));
    row.append(button);
    return row;
  }

  #fillRow(button, label, score) {
    const [name, percent, bar] = button.children;
    setText(name, label);
    setText(percent, `${Math.round(score * 100)} %`);
    button.dataset.label = label;
    button.title = `Show only ${label}`;
    button.ariaPressed = String(this.controls.selectedClass === label);
    bar.firstElementChild.style.width = `${score * 100}%`;
    bar.firstElementChild.style.background = this.#colorOf(label);
  }

  #showMessages(notes) {
    $("messages").hidden = !notes.length;
    if (notes.join("\n") !== [...$("notes").children].map((note) => note.textContent).join("\n")) $("notes").replaceChildren(...notes.map((note) => listItem(note)));
  }

  #showCameras(cameras) {
    $("cameras").hidden = cameras.length < 2;
    $("cameras").replaceChildren(...cameras.map(({ name, connected }) => listItem(name, connected ? "good" : "bad")));
    const lost = cameras.filter(({ connected }) => !connected);
    $("banner").hidden = !lost.length;
    setText($("banner"), lost.length ? (this.status.notes?.at(-1) ?? `No connection to ${lost.map(({ name }) => name).join(", ")}`) : "");
  }
}

function listItem(text, className = "") {
  return Object.assign(document.createElement("li"), { textContent: text, className });
}

// Leaves an unchanged text alone, so that it stays selected and is not announced again.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function milliseconds(value) {
  if (typeof value !== "number") return "";
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function perSecond(value) {
  return typeof value === "number" ? `${value.toFixed(1)} /s` : "";
}
