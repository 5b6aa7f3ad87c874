// The visitor's own camera, as JPEG pictures to camreel.

const WIDEST = 640;
const QUALITY = 0.8;
const AT_ONCE = 2; // pictures on their way; more would only wait

export class Camera {
  // tell(message) shows what hinders the camera; empty: nothing does. several() is called where there is more than one camera.
  constructor(link, tell, several) {
    this.link = link;
    this.tell = tell;
    this.several = several;
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, autoplay: true });
    this.canvas = document.createElement("canvas");
    this.travelling = 0;
    this.granted = false;
    this.facing = "user";
    this.start();
  }

  async start() {
    const why = forbidden();
    if (why) return this.tell(why);
    try {
      const wish = { facingMode: this.facing, width: { ideal: WIDEST }, frameRate: { ideal: 30 } };
      this.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
      await this.video.play();
    } catch (error) {
      return this.tell(explain(error));
    }
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (devices.filter((device) => device.kind === "videoinput").length > 1) this.several();
    this.claim();
    this.#next();
  }

  async turn() {
    this.facing = this.facing === "user" ? "environment" : "user";
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    await this.start();
  }

  // To be called after every connection.
  claim() {
    this.travelling = 0;
    this.granted = false;
    if (this.video.srcObject) this.link.send({ type: "camera" });
  }

  answered(granted) {
    this.granted = granted;
    this.tell(granted ? "" : "Another visitor's camera is being shown. Yours begins as soon as that one leaves.");
    if (!granted) setTimeout(() => this.claim(), 2_000);
  }

  taken() {
    this.travelling = Math.max(0, this.travelling - 1);
  }

  #next() {
    clearTimeout(this.waiting);
    const { video } = this;
    const stream = video.srcObject;
    const go = (now, metadata) => {
      if (video.srcObject !== stream) return;
      this.#grab(metadata?.captureTime ?? now);
      this.#next();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(go);
    else this.waiting = setTimeout(() => go(performance.now()), 40);
  }

  #grab(stamp) {
    const { video, canvas, link } = this;
    if (!this.granted || !link.live || this.travelling >= AT_ONCE || !video.videoWidth) return;
    this.travelling++;
    const scale = Math.min(1, WIDEST / video.videoWidth);
    const [width, height] = [video.videoWidth, video.videoHeight].map((side) => 2 * Math.round((side * scale) / 2));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, width, height);
    canvas.toBlob((blob) => (blob ? link.send({ stamp }, blob) : this.taken()), "image/jpeg", QUALITY);
  }
}

function forbidden() {
  if (navigator.mediaDevices?.getUserMedia) return "";
  const port = location.port || "80";
  return (
    "This browser gives the camera only to pages of this computer and to https. " +
    `Forward the port with “ssh -L ${port}:127.0.0.1:${port} ${location.hostname}” and open http://localhost:${port}, ` +
    "or put an https proxy in front of camreel."
  );
}

function explain(error) {
  if (error.name === "NotAllowedError") return "The camera was not allowed. Allow it in the address bar, then load this page again.";
  if (error.name === "NotFoundError") return "This device has no camera.";
  if (error.name === "NotReadableError") return "The camera is in use by another program. Close that one, then load this page again.";
  return `The camera cannot be opened: ${error.message || error.name}`;
}
