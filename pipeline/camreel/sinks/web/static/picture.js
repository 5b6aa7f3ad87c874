// The live picture: decoded aside, drawn in order, acknowledged once it is on the screen.

export class Picture {
  // drawn(number, shown) is called once for each picture: shown is false where it never was on the screen.
  constructor(canvas, drawn) {
    this.canvas = canvas;
    this.drawn = drawn;
    this.pen = canvas.getContext("2d", { alpha: false });
    this.pending = new Set();
    this.newest = -1;
    this.jpeg = null;
  }

  async draw(number, body, after) {
    const { canvas, pen } = this;
    const jpeg = new Blob([body], { type: "image/jpeg" });
    this.pending.add(number);
    const bitmap = await createImageBitmap(jpeg).catch(() => null);
    if (!bitmap || number < this.newest) return this.#done(number, false);
    this.newest = number;
    this.jpeg = jpeg;
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    pen.drawImage(bitmap, 0, 0);
    bitmap.close();
    requestAnimationFrame(() => {
      this.#done(number, true);
      after();
    });
  }

  // Gives up the pictures that wait for the screen.
  flush() {
    for (const number of [...this.pending]) this.#done(number, false);
  }

  // After the connection was lost: numbers begin anew.
  forget() {
    this.pending.clear();
    this.newest = -1;
  }

  save() {
    const url = URL.createObjectURL(this.jpeg);
    const time = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/[:]/g, "");
    Object.assign(document.createElement("a"), { href: url, download: `camreel-${time}.jpg` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  #done(number, shown) {
    if (this.pending.delete(number)) this.drawn(number, shown);
  }
}
