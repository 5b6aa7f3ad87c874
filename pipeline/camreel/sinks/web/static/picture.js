// The live picture: decoded in the background, drawn in order, acknowledged when it is on the screen.

export class Picture {
  // onDone(number, shown) is called once for each picture; shown is false if it never was on the screen.
  constructor(canvas, onDone) {
    this.canvas = canvas;
    this.onDone = onDone;
    this.context = canvas.getContext("2d", { alpha: false });
    this.pending = new Set();
    this.newest = -1;
    this.jpeg = null;
  }

  async draw(number, body, onShown) {
    const { canvas, context } = this;
    const jpeg = new Blob([body], { type: "image/jpeg" });
    this.pending.add(number);
    const bitmap = await createImageBitmap(jpeg).catch(() => null);
    if (!bitmap || number < this.newest) return this.#done(number, false);
    this.newest = number;
    this.jpeg = jpeg;
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    requestAnimationFrame(() => {
      this.#done(number, true);
      onShown();
    });
  }

  // Acknowledges the pictures that wait for the screen as not shown.
  flush() {
    for (const number of [...this.pending]) this.#done(number, false);
  }

  // To be called after a lost connection: picture numbers start again.
  reset() {
    this.pending.clear();
    this.newest = -1;
  }

  // Downloads the picture.
  save() {
    const url = URL.createObjectURL(this.jpeg);
    const time = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/[:]/g, "");
    Object.assign(document.createElement("a"), { href: url, download: `camreel-${time}.jpg` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  #done(number, shown) {
    if (this.pending.delete(number)) this.onDone(number, shown);
  }
}
