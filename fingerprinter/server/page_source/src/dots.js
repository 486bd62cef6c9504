// The dots of the map as pixels and places: fast enough for 100,000 of them without a graphics card.

/** Red, green and blue 0..255 of a hue in degrees, a saturation and a lightness 0..1. */
export function rgb(hue, saturation, lightness) {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const part = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

/** The opacity 0..1 of each pixel of a disc, with a soft edge: {size, alpha}, a square of size * size. */
function disc(radius) {
  const size = 2 * Math.ceil(radius) + 1;
  const alpha = new Float32Array(size * size);
  const middle = (size - 1) / 2;
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      alpha[y * size + x] = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x - middle, y - middle)));
  return { size, alpha };
}

/** Paints discs into an opaque picture; `colours` has three bytes for each dot. */
function stamp(image, { xs, ys, colours, order }, { k, x: dx, y: dy }, radius, opacity) {
  const { data, width, height } = image;
  const { size, alpha } = disc(radius);
  const half = (size - 1) / 2;
  for (const dot of order) {
    const left = Math.round(xs[dot] * k + dx) - half;
    const top = Math.round(ys[dot] * k + dy) - half;
    if (left < -size || top < -size || left >= width || top >= height) continue;
    const [red, green, blue] = [colours[3 * dot], colours[3 * dot + 1], colours[3 * dot + 2]];
    for (let row = Math.max(0, -top); row < size && top + row < height; row++)
      for (let column = Math.max(0, -left); column < size && left + column < width; column++) {
        const share = alpha[row * size + column] * opacity;
        if (!share) continue;
        const at = 4 * ((top + row) * width + left + column);
        data[at] += (red - data[at]) * share;
        data[at + 1] += (green - data[at + 1]) * share;
        data[at + 2] += (blue - data[at + 2]) * share;
      }
  }
}

/**
 * Draws all dots on a canvas.
 *
 * @param dots    {xs, ys: pixels of the canvas before the zoom, colours, all: every index, lit: the indices that
 *                stand out, or null}
 * @param zoom    {k, x, y} in pixels of the canvas
 * @param ground  [red, green, blue]
 */
export function paint(canvas, dots, zoom, radius, ground) {
  const pen = canvas.getContext("2d", { alpha: false });
  const image = pen.createImageData(canvas.width, canvas.height);
  const [red, green, blue] = ground;
  new Uint32Array(image.data.buffer).fill((255 << 24) | (blue << 16) | (green << 8) | red);
  stamp(image, { ...dots, order: dots.all }, zoom, radius, dots.lit ? 0.14 : 0.85);
  if (dots.lit) stamp(image, { ...dots, order: dots.lit }, zoom, radius + 1, 0.95);
  pen.putImageData(image, 0, 0);
}

/** Finds the dot nearest to a point within a reach, by a grid with cells as large as the greatest reach. */
export class Nearby {
  #xs;
  #ys;
  #cell;
  #columns;
  #starts; // where each cell begins in #dots
  #dots; // indices of the dots, cell by cell

  constructor(xs, ys, width, height, cell) {
    [this.#xs, this.#ys, this.#cell] = [xs, ys, cell];
    this.#columns = Math.max(1, Math.ceil(width / cell));
    const rows = Math.max(1, Math.ceil(height / cell));
    const cells = Uint32Array.from(xs, (x, k) => this.#cellAt(x, ys[k], rows));
    this.#starts = new Uint32Array(this.#columns * rows + 1);
    for (const each of cells) this.#starts[each + 1]++;
    for (let k = 1; k < this.#starts.length; k++) this.#starts[k] += this.#starts[k - 1];
    const next = this.#starts.slice();
    this.#dots = new Uint32Array(xs.length);
    cells.forEach((each, dot) => (this.#dots[next[each]++] = dot));
  }

  #cellAt(x, y, rows) {
    const column = Math.max(0, Math.min(this.#columns - 1, Math.floor(x / this.#cell)));
    return Math.max(0, Math.min(rows - 1, Math.floor(y / this.#cell))) * this.#columns + column;
  }

  /** The index of a dot, or -1. */
  find(x, y, reach) {
    let [best, found] = [reach * reach, -1];
    const [column, row] = [Math.floor(x / this.#cell), Math.floor(y / this.#cell)];
    for (let r = row - 1; r <= row + 1; r++)
      for (let c = column - 1; c <= column + 1; c++) {
        if (r < 0 || c < 0 || c >= this.#columns) continue;
        const cell = r * this.#columns + c;
        for (let k = this.#starts[cell]; k < (this.#starts[cell + 1] ?? 0); k++) {
          const dot = this.#dots[k];
          const distance = (this.#xs[dot] - x) ** 2 + (this.#ys[dot] - y) ** 2;
          if (distance <= best) [best, found] = [distance, dot];
        }
      }
    return found;
  }
}

/** The indices of the dots inside a polygon of [x, y], by the even-odd rule. */
export function within(xs, ys, polygon) {
  const corners = [polygon.at(-1), ...polygon];
  const [px, py] = [0, 1].map((axis) => Float64Array.from(corners, (corner) => corner[axis]));
  const [left, right] = [Math.min(...px), Math.max(...px)];
  const [top, bottom] = [Math.min(...py), Math.max(...py)];
  const found = [];
  for (let dot = 0; dot < xs.length; dot++) {
    const [x, y] = [xs[dot], ys[dot]];
    if (x < left || x > right || y < top || y > bottom) continue;
    let odd = false;
    for (let k = 1; k < px.length; k++)
      if (py[k] > y !== py[k - 1] > y && x < ((px[k - 1] - px[k]) * (y - py[k])) / (py[k - 1] - py[k]) + px[k]) odd = !odd;
    if (odd) found.push(dot);
  }
  return Uint32Array.from(found);
}
