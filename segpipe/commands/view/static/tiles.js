// A layer of index tiles: fetched once, kept as numbers, colored by a look-up table whenever that changes.
import { NO_DATA, paint } from "./palette.js";

export const TILE = 256;
const LEAST_KEPT = 160;
const AT_ONCE = 3; // of the six connections that a browser makes; the photograph needs some too
const TRIES = 3;
const WAIT_MS = 2000;

/** Levels of an image's pyramid; level 0 is one tile, the last the full resolution. */
export function levelsOf(height, width) {
  return Math.max(1, Math.ceil(Math.log2(Math.max(height, width) / TILE)) + 1);
}

async function numbersOf(address, signal, isGray) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error(`${response.status}`);
  const bitmap = await createImageBitmap(await response.blob(), { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  const [values, sure] = [new Uint16Array(width * height), new Uint8Array(width * height)];
  for (let i = 0, at = 0; i < values.length; i++, at += 4) {
    values[i] = isGray ? pixels[at] : (pixels[at] << 8) | pixels[at + 1];
    sure[i] = isGray ? 255 : pixels[at + 2];
  }
  return { values, sure, width, height };
}

export class TileLayer {
  /** `changed` is called when a tile has come. `isGray`: heat, one byte; else two bytes and the margin. */
  constructor(changed, isGray = false) {
    this.changed = changed;
    this.isGray = isGray;
    this.table = null;
    this.version = 0;
    this.reset(null, null);
  }

  /** Takes another image ({height, width}) or address (level, col, row) => URL; what was under way is given up. */
  reset(image, address) {
    this.stop?.abort();
    this.stop = new AbortController();
    this.image = image;
    this.address = address;
    this.tiles = new Map();
    this.queue = [];
    this.running = 0;
    this.levels = image ? levelsOf(image.height, image.width) : 0;
  }

  recolor(table) {
    this.table = table;
    this.version += 1;
  }

  /** Draws what is seen. `view`: x, y of the image's corner and `scale`, all in pixels of the canvas. */
  draw(context, view) {
    if (!this.image || !this.table) return;
    const top = this.levels - 1;
    const level = Math.min(top, Math.max(0, Math.ceil(top + Math.log2(view.scale) - 0.25)));
    const size = TILE * 2 ** (top - level);
    const first = (at) => Math.max(0, Math.floor(-at / view.scale / size));
    const last = (at, space, whole) => Math.min(Math.ceil(whole / size), Math.ceil((space - at) / view.scale / size)) - 1;
    const cols = [first(view.x), last(view.x, view.width, this.image.width)];
    const rows = [first(view.y), last(view.y, view.height, this.image.height)];
    this.kept = Math.max(LEAST_KEPT, 3 * (cols[1] - cols[0] + 1) * (rows[1] - rows[0] + 1));
    context.imageSmoothingEnabled = false;
    this.queue = [];
    this.want(0, 0, 0);
    for (let row = rows[0]; row <= rows[1]; row++) for (let col = cols[0]; col <= cols[1]; col++) this.place(context, view, level, col, row);
    this.pump();
  }

  /** Draws one tile, or the part of a coarser one that is there. */
  place(context, view, level, col, row) {
    this.want(level, col, row);
    for (let up = 0; up <= level; up++) {
      const tile = this.tiles.get(`${level - up}/${col >> up}/${row >> up}`);
      if (!tile?.values) continue;
      this.color(tile, view.scale * 2 ** (this.levels - 1 - level + up) > 1.5 ? 1 : 2);
      const part = TILE / 2 ** up;
      const [left, above] = [(col - ((col >> up) << up)) * part, (row - ((row >> up) << up)) * part];
      const [w, h] = [Math.min(part, tile.width - left), Math.min(part, tile.height - above)];
      const pixel = view.scale * 2 ** (this.levels - 1 - level + up);
      const x = view.x + ((col >> up) * TILE + left) * pixel;
      const y = view.y + ((row >> up) * TILE + above) * pixel;
      if (w > 0 && h > 0) context.drawImage(tile.canvas, left, above, w, h, x, y, w * pixel, h * pixel);
      return;
    }
  }

  /** Colors a tile anew where the table or the width of outlines is another: thin ones where pixels are large. */
  color(tile, reach) {
    if (tile.version === this.version && tile.reach === reach) return;
    tile.canvas ??= new OffscreenCanvas(tile.width, tile.height);
    const pixels = new ImageData(tile.width, tile.height);
    paint(tile, this.table, reach, new Uint32Array(pixels.data.buffer));
    tile.canvas.getContext("2d").putImageData(pixels, 0, 0);
    Object.assign(tile, { version: this.version, reach });
  }

  want(level, col, row) {
    const key = `${level}/${col}/${row}`;
    const tile = this.tiles.get(key);
    const isDue = tile?.again !== undefined && tile.tries < TRIES && performance.now() >= tile.again;
    if (tile && !isDue) {
      this.tiles.delete(key); // last used, last in the map
      this.tiles.set(key, tile);
    } else this.queue.push([key, level, col, row]);
  }

  pump() {
    while (this.running < AT_ONCE && this.queue.length) this.fetch(...this.queue.shift());
  }

  async fetch(key, level, col, row) {
    const { signal } = this.stop;
    this.running += 1;
    const tries = 1 + (this.tiles.get(key)?.tries ?? 0);
    this.tiles.set(key, { tries });
    try {
      const tile = await numbersOf(this.address(level, col, row), signal, this.isGray);
      if (signal.aborted) return;
      this.tiles.set(key, tile);
      for (const old of this.tiles.keys()) {
        if (this.tiles.size <= this.kept) break;
        if (old !== "0/0/0") this.tiles.delete(old);
      }
    } catch {
      if (signal.aborted) return;
      this.tiles.set(key, { tries, again: performance.now() + WAIT_MS }); // some tries: a damaged mask stays damaged
      if (tries < TRIES) setTimeout(this.changed, WAIT_MS + 1);
    }
    this.running -= 1;
    this.pump();
    this.changed();
  }

  /** {value, sure} of a pixel from the finest tile that is here, or null. */
  at(row, col) {
    if (!this.image || row < 0 || col < 0 || row >= this.image.height || col >= this.image.width) return null;
    for (let level = this.levels - 1; level >= 0; level--) {
      const step = 2 ** (this.levels - 1 - level);
      const [y, x] = [Math.floor(row / step), Math.floor(col / step)];
      const tile = this.tiles.get(`${level}/${Math.floor(x / TILE)}/${Math.floor(y / TILE)}`);
      if (!tile?.values) continue;
      const i = Math.min(y % TILE, tile.height - 1) * tile.width + Math.min(x % TILE, tile.width - 1);
      return { value: tile.values[i], sure: tile.sure[i] };
    }
    return null;
  }
}

export { NO_DATA };
