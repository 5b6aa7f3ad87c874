// The visitor's own camera: sends JPEG pictures to camreel.

const MAX_WIDTH = 640; // pixels
const JPEG_QUALITY = 0.8;
const MAX_IN_FLIGHT = 2; // pictures on their way; more would only wait in a queue
const CLAIM_INTERVAL = 2_000; // milliseconds between attempts while another visitor's camera is shown
const FALLBACK_INTERVAL = 40; // milliseconds between pictures in browsers without requestVideoFrameCallback

export class Camera {
  // onProblem(message) is called with the reason why there is no picture, or "" if there is one.
  // onSeveral() is called if the device has more than one camera.
  constructor(link, onProblem, onSeveral) {
    this.link = link;
    this.onProblem = onProblem;
    this.onSeveral = onSeveral;
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, autoplay: true });
    this.canvas = document.createElement("canvas");
    this.inFlight = 0;
    this.granted = false;
    this.facing = "user";
    this.start();
  }

  async start() {
    const reason = reasonForbidden();
    if (reason) return this.onProblem(reason);
    try {
      const wanted = { facingMode: this.facing, width: { ideal: MAX_WIDTH }, frameRate: { ideal: 30 } };
      this.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      await this.video.play();
    } catch (error) {
      return this.onProblem(describe(error));
    }
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (devices.filter((device) => device.kind === "videoinput").length > 1) this.onSeveral();
    this.claim();
    this.#waitForFrame();
  }

  async switchCamera() {
    this.facing = this.facing === "user" ? "environment" : "user";
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    await this.start();
  }

  // Asks to be the visitor whose camera is shown; call it after every connection.
  claim() {
    this.inFlight = 0;
    this.granted = false;
    if (this.video.srcObject) this.link.send({ type: "camera" });
  }

  onClaimAnswer(granted) {
    this.granted = granted;
    this.onProblem(granted ? "" : "Another visitor's camera is being shown. Yours begins as soon as that one leaves.");
    if (!granted) setTimeout(() => this.claim(), CLAIM_INTERVAL);
  }

  // camreel has taken a picture, so another one may be sent.
  onTaken() {
    this.inFlight = Math.max(0, this.inFlight - 1);
  }

  #waitForFrame() {
    clearTimeout(this.timer);
    const { video } = this;
    const stream = video.srcObject;
    const onFrame = (now, metadata) => {
      if (video.srcObject !== stream) return; // the camera was switched meanwhile
      this.#send(metadata?.captureTime ?? now);
      this.#waitForFrame();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onFrame);
    else this.timer = setTimeout(() => onFrame(performance.now()), FALLBACK_INTERVAL);
  }

  #send(stamp) {
    const { video, canvas, link } = this;
    if (!this.granted || !link.connected || this.inFlight >= MAX_IN_FLIGHT || !video.videoWidth) return;
    this.inFlight++;
    const scale = Math.min(1, MAX_WIDTH / video.videoWidth);
    const [width, height] = [video.videoWidth, video.videoHeight].map((side) => 2 * Math.round((side * scale) / 2));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, width, height);
    canvas.toBlob((blob) => (blob ? link.send({ stamp }, blob) : this.onTaken()), "image/jpeg", JPEG_QUALITY);
  }
}

function reasonForbidden() {
  if (navigator.mediaDevices?.getUserMedia) return "";
  const port = location.port || "80";
  return (
    "This browser gives the camera only to pages of this computer and to https. " +
    `Forward the port with “ssh -L ${port}:127.0.0.1:${port} ${location.hostname}” and open http://localhost:${port}, ` +
    "or put an https proxy in front of camreel."
  );
}

function describe(error) {
  if (error.name === "NotAllowedError") return "The camera was not allowed. Allow it in the address bar, then load this page again.";
  if (error.name === "NotFoundError") return "This device has no camera.";
  if (error.name === "NotReadableError") return "The camera is in use by another program. Close that one, then load this page again.";
  return `The camera cannot be opened: ${error.message || error.name}`;
}
