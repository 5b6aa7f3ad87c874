// The socket to camreel: reconnects by itself, and tells silence from a lost connection.

const SILENCE = 4_000; // milliseconds; camreel sends something every second
const WAITS = [500, 1_000, 2_000, 4_000];
const text = new TextDecoder();

export class Link {
  // heard(header, body) gets every message; changed(state) is told of "live", "lost" and "refused".
  constructor(heard, changed) {
    this.heard = heard;
    this.changed = changed;
    this.failures = 0;
    this.#open();
  }

  get live() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(message, body) {
    if (!this.live) return;
    this.socket.send(body ? pack(message, body) : JSON.stringify(message));
  }

  #open() {
    const socket = new WebSocket(new URL("live", location.href.replace(/^http/, "ws")));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.failures = 0;
      this.changed("live");
    };
    socket.onmessage = (event) => {
      this.#watch(socket);
      this.heard(...unpack(event.data));
    };
    socket.onclose = () => this.#lost(socket);
    this.#watch(socket);
  }

  #watch(socket) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      socket.close();
      this.#lost(socket); // a dead network would let the close hang
    }, SILENCE);
  }

  async #lost(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.watchdog);
    const refused = await fetch("page.js", { method: "HEAD", cache: "no-store" }).then((answer) => answer.status === 403, () => false);
    this.changed(refused ? "refused" : "lost");
    setTimeout(() => this.#open(), WAITS[Math.min(this.failures++, WAITS.length - 1)]);
  }
}

function unpack(message) {
  const length = new DataView(message).getUint32(0);
  return [JSON.parse(text.decode(new Uint8Array(message, 4, length))), new Uint8Array(message, 4 + length)];
}

function pack(header, body) {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length);
  return new Blob([length, json, body]);
}
