// The controls: class, minimum score, opacity, recording.

const $ = (id) => document.getElementById(id);
const ALL_CLASSES = "All classes";
const ECHO_TIME = 700; // milliseconds after a change in which values from camreel are ignored: they echo earlier changes

export class Controls {
  constructor(send) {
    this.send = send;
    this.classes = [];
    this.view = { class_id: null, least_score: 0, opacity: 0.6 };
    this.changedAt = -Infinity;
    this.recording = false;
    $("least").addEventListener("input", () => this.#change({ least_score: Number($("least").value) }));
    $("opacity").addEventListener("input", () => this.#change({ opacity: Number($("opacity").value) }));
    $("record").addEventListener("click", () => this.send({ type: "record", on: !this.recording }));
    this.#makeClassField($("class"));
  }

  // Takes the content of the page: classes, and whether there is a recording.
  setContent(hello) {
    this.classes = hello.classes;
    $("record").hidden = !hello.record;
    $("classes").replaceChildren(...[ALL_CLASSES, ...hello.classes].map((label) => new Option(label)));
  }

  enable(connected) {
    for (const id of ["class", "least", "opacity", "record"]) $(id).disabled = !connected;
  }

  // Shows the display options from camreel, which this visitor or another one has set.
  show(view) {
    if (performance.now() - this.changedAt < ECHO_TIME) return;
    this.view = view;
    $("least").value = view.least_score;
    $("opacity").value = view.opacity;
    this.#showValues();
  }

  // Shows only one class; an empty label: all classes.
  selectClass(label) {
    const index = this.classes.indexOf(label);
    this.#change({ class_id: index < 0 ? null : index });
  }

  // Label of the selected class; empty: all classes.
  get selectedClass() {
    return this.classes[this.view.class_id] ?? "";
  }

  showRecording(on) {
    this.recording = on;
    $("record").setAttribute("aria-pressed", on);
    $("record").lastElementChild.textContent = on ? "Stop" : "Record";
  }

  #change(values) {
    this.changedAt = performance.now();
    this.view = { ...this.view, ...values };
    this.#showValues();
    this.send({ type: "view", ...this.view });
  }

  #showValues() {
    $("least-value").textContent = `${Math.round(this.view.least_score * 100)} %`;
    $("opacity-value").textContent = `${Math.round(this.view.opacity * 100)} %`;
    if (document.activeElement !== $("class")) $("class").value = this.selectedClass;
  }

  // While the field has the focus it is empty, so that the list offers every class.
  #makeClassField(field) {
    field.addEventListener("focus", () => {
      field.placeholder = this.selectedClass || ALL_CLASSES;
      field.value = "";
    });
    field.addEventListener("blur", () => {
      field.placeholder = ALL_CLASSES;
      $("class-hint").textContent = "";
      this.#showValues();
    });
    field.addEventListener("input", (event) => {
      $("class-hint").textContent = "";
      // Only a choice from the list takes effect at once: typed text may be incomplete, like "run" for "run uphill".
      if (!event.inputType || event.inputType === "insertReplacementText") this.#selectByText(field);
    });
    field.addEventListener("change", () => this.#selectByText(field));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#selectByText(field);
      if (event.key !== "Escape") return;
      field.value = "";
      field.blur();
    });
  }

  #selectByText(field) {
    const text = field.value.trim().toLowerCase();
    const names = [ALL_CLASSES, ...this.classes];
    const find = (test) => names.find((name) => test(name.toLowerCase()));
    const label = find((name) => name === text) ?? find((name) => name.startsWith(text)) ?? find((name) => name.includes(text));
    if (label === undefined) {
      $("class-hint").textContent = "No such class";
      return;
    }
    field.value = "";
    this.selectClass(label);
    field.blur();
  }
}
