// The WebSocket to camreel: reconnects by itself, also after silence.

const SILENCE_TIMEOUT = 4_000; // milliseconds; camreel sends something every second
const RETRY_DELAYS = [500, 1_000, 2_000, 4_000]; // milliseconds, by the number of failures in a row
const decoder = new TextDecoder();

export class Link {
  // onMessage(header, body) is called with every message, onState(state) with "live", "lost" and "refused".
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.failures = 0;
    this.#open();
  }

  get connected() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(message, body) {
    if (!this.connected) return;
    this.socket.send(body ? pack(message, body) : JSON.stringify(message));
  }

  #open() {
    const socket = new WebSocket(new URL("live", location.href.replace(/^http/, "ws")));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.failures = 0;
      this.onState("live");
    };
    socket.onmessage = (event) => {
      this.#restartWatchdog(socket);
      this.onMessage(...unpack(event.data));
    };
    socket.onclose = () => this.#reconnect(socket);
    this.#restartWatchdog(socket);
  }

  #restartWatchdog(socket) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      socket.close();
      this.#reconnect(socket); // on a dead network `close` itself would hang
    }, SILENCE_TIMEOUT);
  }

  async #reconnect(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.watchdog);
    const refused = await fetch("page.js", { method: "HEAD", cache: "no-store" }).then((answer) => answer.status === 403, () => false);
    this.onState(refused ? "refused" : "lost");
    setTimeout(() => this.#open(), RETRY_DELAYS[Math.min(this.failures++, RETRY_DELAYS.length - 1)]);
  }
}

function unpack(message) {
  const length = new DataView(message).getUint32(0);
  return [JSON.parse(decoder.decode(new Uint8Array(message, 4, length))), new Uint8Array(message, 4 + length)];
}

function pack(header, body) {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length);
  return new Blob([length, json, body]);
}
