// The page of `camreel live`: shows what comes over the socket, and sends back what the visitor does.

import { Camera } from "./camera.js";
import { Controls } from "./controls.js";
import { Link } from "./link.js";
import { Picture } from "./picture.js";
import { Report } from "./report.js";

history.replaceState(null, "", location.pathname); // the token is in a cookie now, and should not be in anybody's bookmarks

const $ = (id) => document.getElementById(id);
const cover = { connection: "Connecting to camreel…", camera: "", picture: "Waiting for the first picture…" };

let camera = null;
const link = new Link(heard, changed);
const picture = new Picture($("picture"), (number, shown) => link.send({ type: "drawn", number, shown }));
const controls = new Controls((message) => link.send(message));
const report = new Report(controls);

function heard(header, body) {
  if (header.hello) greet(header.hello);
  if (header.view) controls.show(header.view);
  if ("camera" in header) camera?.answered(header.camera);
  if ("taken" in header) camera?.taken();
  if (header.number === undefined) return;
  report.take(header.status);
  if (!body.length) return link.send({ type: "drawn", number: header.number, shown: false });
  picture.draw(header.number, body, () => {
    explain({ picture: "" });
    $("snapshot").disabled = false;
    if (typeof header.stamp === "number") report.round(performance.now() - header.stamp);
  });
}

function greet(hello) {
  document.title = `${hello.title} - camreel`;
  $("title").textContent = hello.title;
  controls.offer(hello);
  report.offer(hello);
  if (document.hidden) link.send({ type: "watch", on: false });
  if (!hello.camera) return;
  camera ??= new Camera(link, (message) => explain({ camera: message }), () => ($("turn").hidden = false));
  camera.claim();
}

function changed(state) {
  const words = { live: "Live", lost: "Connection lost", refused: "Locked" };
  $("link").textContent = words[state];
  $("link").className = `chip ${state === "live" ? "good" : "bad"}`;
  explain({
    connection: {
      live: "",
      lost: "The connection to camreel is lost. Trying again…",
      refused: "camreel was started anew. Open the address that it printed.",
    }[state],
  });
  controls.enable(state === "live");
  picture.forget();
}

function explain(what) {
  Object.assign(cover, what);
  const message = cover.connection || cover.camera || cover.picture;
  if ($("cover").textContent !== message) $("cover").replaceChildren(Object.assign(document.createElement("span"), { textContent: message }));
  $("cover").hidden = !message;
}

// A page that nobody sees needs no pictures, and its clock would not tell the truth.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) picture.flush();
  link.send({ type: "watch", on: !document.hidden });
});

$("turn").addEventListener("click", () => camera?.turn());
$("snapshot").addEventListener("click", () => picture.save());
$("full").addEventListener("click", () => {
  const stage = $("stage");
  if (document.fullscreenElement) document.exitFullscreen();
  else if (stage.requestFullscreen) stage.requestFullscreen();
  else showWhole(stage.classList.toggle("whole")); // iPhone: no full screen but for films
});
document.addEventListener("fullscreenchange", () => showWhole(document.fullscreenElement !== null));

function showWhole(whole) {
  $("full").setAttribute("aria-pressed", whole);
  $("full").textContent = whole ? "Leave full screen" : "Full screen";
}
