// The page of `camreel live`: shows the messages from the WebSocket, and sends the visitor's commands.

import { Camera } from "./camera.js";
import { Controls } from "./controls.js";
import { Link } from "./link.js";
import { Picture } from "./picture.js";
import { Report } from "./report.js";

history.replaceState(null, "", location.pathname); // the token is in a cookie now, and should not get into bookmarks

const $ = (id) => document.getElementById(id);
// Reasons why there is no picture, most important first; empty: not the reason.
const cover = { connection: "Connecting to camreel…", camera: "", picture: "Waiting for the first picture…" };

let camera = null;
const link = new Link(onMessage, onState);
const picture = new Picture($("picture"), (number, shown) => link.send({ type: "drawn", number, shown }));
const controls = new Controls((message) => link.send(message));
const report = new Report(controls);

function onMessage(header, body) {
  if (header.hello) setContent(header.hello);
  if (header.view) controls.show(header.view);
  if ("camera" in header) camera?.onClaimAnswer(header.camera);
  if ("taken" in header) camera?.onTaken();
  if (header.number === undefined) return;
  report.setStatus(header.status);
  if (!body.length) return link.send({ type: "drawn", number: header.number, shown: false });
  picture.draw(header.number, body, () => {
    setCover({ picture: "" });
    $("snapshot").disabled = false;
    if (typeof header.stamp === "number") report.addRoundTrip(performance.now() - header.stamp);
  });
}

function setContent(hello) {
  document.title = `${hello.title} - camreel`;
  $("title").textContent = hello.title;
  controls.setContent(hello);
  report.setContent(hello);
  if (document.hidden) link.send({ type: "watch", on: false });
  if (!hello.camera) return;
  camera ??= new Camera(link, (message) => setCover({ camera: message }), () => ($("turn").hidden = false));
  camera.claim();
}

function onState(state) {
  const labels = { live: "Live", lost: "Connection lost", refused: "Locked" };
  $("link").textContent = labels[state];
  $("link").className = `chip ${state === "live" ? "good" : "bad"}`;
  setCover({
    connection: {
      live: "",
      lost: "The connection to camreel is lost. Trying again…",
      refused: "camreel was started anew. Open the address that it printed.",
    }[state],
  });
  controls.enable(state === "live");
  picture.reset();
}

function setCover(reasons) {
  Object.assign(cover, reasons);
  const message = cover.connection || cover.camera || cover.picture;
  if ($("cover").textContent !== message) $("cover").replaceChildren(Object.assign(document.createElement("span"), { textContent: message }));
  $("cover").hidden = !message;
}

// A hidden page needs no pictures, and would report delays that are too long: browsers slow its timers down.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) picture.flush();
  link.send({ type: "watch", on: !document.hidden });
});

$("turn").addEventListener("click", () => camera?.switchCamera());
$("snapshot").addEventListener("click", () => picture.save());
$("full").addEventListener("click", () => {
  const stage = $("stage");
  if (document.fullscreenElement) document.exitFullscreen();
  else if (stage.requestFullscreen) stage.requestFullscreen();
  else showFullScreen(stage.classList.toggle("whole")); // iPhones have full screen for videos only
});
document.addEventListener("fullscreenchange", () => showFullScreen(document.fullscreenElement !== null));

function showFullScreen(on) {
  $("full").setAttribute("aria-pressed", on);
  $("full").textContent = on ? "Leave full screen" : "Full screen";
}
