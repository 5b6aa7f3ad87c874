// What the visitor chooses: class, least score, opacity, recording.

const $ = (id) => document.getElementById(id);
const ALL = "All classes";
const SETTLED = 700; // milliseconds after the visitor's last touch, until which echoes of earlier values are not shown

export class Controls {
  constructor(send) {
    this.send = send;
    this.classes = [];
    this.view = { class_id: null, least_score: 0, opacity: 0.6 };
    this.touched = -Infinity;
    this.recording = false;
    $("least").addEventListener("input", () => this.#choose({ least_score: Number($("least").value) }));
    $("opacity").addEventListener("input", () => this.#choose({ opacity: Number($("opacity").value) }));
    $("record").addEventListener("click", () => this.send({ type: "record", on: !this.recording }));
    this.#pickable($("class"));
  }

  offer(hello) {
    this.classes = hello.classes;
    $("record").hidden = !hello.record;
    $("classes").replaceChildren(...[ALL, ...hello.classes].map((label) => new Option(label)));
  }

  enable(live) {
    for (const id of ["class", "least", "opacity", "record"]) $(id).disabled = !live;
  }

  // A view from camreel: this visitor's own, or another's.
  show(view) {
    if (performance.now() - this.touched < SETTLED) return;
    this.view = view;
    $("least").value = view.least_score;
    $("opacity").value = view.opacity;
    this.#label();
  }

  pick(label) {
    const index = this.classes.indexOf(label);
    this.#choose({ class_id: index < 0 ? null : index });
  }

  get picked() {
    return this.classes[this.view.class_id] ?? "";
  }

  showRecording(on) {
    this.recording = on;
    $("record").setAttribute("aria-pressed", on);
    $("record").lastElementChild.textContent = on ? "Stop" : "Record";
  }

  #choose(change) {
    this.touched = performance.now();
    this.view = { ...this.view, ...change };
    this.#label();
    this.send({ type: "view", ...this.view });
  }

  #label() {
    $("least-value").textContent = `${Math.round(this.view.least_score * 100)} %`;
    $("opacity-value").textContent = `${Math.round(this.view.opacity * 100)} %`;
    if (document.activeElement !== $("class")) $("class").value = this.picked;
  }

  // While it has the focus the field is empty, so that the list offers every class.
  #pickable(field) {
    field.addEventListener("focus", () => {
      field.placeholder = this.picked || ALL;
      field.value = "";
    });
    field.addEventListener("blur", () => {
      field.placeholder = ALL;
      $("class-hint").textContent = "";
      this.#label();
    });
    field.addEventListener("input", (event) => {
      $("class-hint").textContent = "";
      // Only what comes from the list is taken at once: whoever types "run" may be on the way to "run uphill".
      if (!event.inputType || event.inputType === "insertReplacementText") this.#find(field);
    });
    field.addEventListener("change", () => this.#find(field));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#find(field);
      if (event.key !== "Escape") return;
      field.value = "";
      field.blur();
    });
  }

  #find(field) {
    const words = field.value.trim().toLowerCase();
    const names = [ALL, ...this.classes];
    const fits = (test) => names.find((name) => test(name.toLowerCase()));
    const label = fits((name) => name === words) ?? fits((name) => name.startsWith(words)) ?? fits((name) => name.includes(words));
    if (label === undefined) {
      $("class-hint").textContent = "No such class";
      return;
    }
    field.value = "";
    this.pick(label);
    field.blur();
  }
}
