// Look-up tables: the number in a tile to a color. All recoloring is a new table; nothing is fetched.

export const NO_DATA = 65535;

const GOLDEN_ANGLE = 137.508;

/** `#rrggbb` and an opacity of 0 to 255 as one number in the byte order of canvas pixels (little-endian RGBA). */
export function packed(hex, alpha = 255) {
  const value = Number.parseInt(hex.slice(1), 16);
  return ((alpha << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** A color for the class with this number where the run has none: hues as far apart as can be. */
export function spare(number) {
  const hue = (number * GOLDEN_ANGLE) % 360;
  const [s, l] = [0.55, number % 2 ? 0.42 : 0.62];
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return `#${[channel(0), channel(8), channel(4)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function isSeen(root, view) {
  return root !== null && !view.hidden.has(root) && (view.alone === null || view.alone === root);
}

/** {colors, groups} of index tiles: the color of each cluster's class, 0 where it is left out, hidden or not alone. */
export function classTable(source, view) {
  const count = source.state.classes.length;
  const colors = new Uint32Array(count);
  const groups = new Int32Array(count);
  for (let cluster = 0; cluster < count; cluster++) {
    const root = source.rootOf(cluster);
    groups[cluster] = root ?? -1;
    colors[cluster] = isSeen(root, view) ? packed(source.colorOf(cluster)) : 0;
  }
  return { colors, groups };
}

/** The color of a class of a cut: that of the cluster with its number, else one of its own. */
export function cutColor(source, number) {
  const isOld = number < source.state.classes.length && source.rootOf(number) === number;
  return isOld ? source.colorOf(number) : spare(number);
}

/** {colors, groups} of leaf tiles for a cut of the tree into k classes. */
export function cutTable(source, k) {
  const cut = source.run.tree.cuts[String(k)];
  return { colors: Uint32Array.from(cut, (number) => packed(cutColor(source, number))), groups: Int32Array.from(cut) };
}

/** {colors, groups} of heat tiles: the more alike the warmer and the less see-through. */
export function heatTable() {
  const stops = [[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]];
  const colors = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const at = (value / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    const mixed = stops[low].map((start, i) => Math.round(start + (at - low) * (stops[low + 1][i] - start)));
    const alpha = Math.round(255 * Math.min(1, Math.max(0, (value / 255 - 0.15) / 0.45)));
    colors[value] = ((alpha << 24) | (mixed[2] << 16) | (mixed[1] << 8) | mixed[0]) >>> 0;
  }
  return { colors, groups: new Int32Array(256) };
}

/** Colors a tile. `values` are its numbers, `sure` its margins (0 to 255), `out` its pixels;
 *  `reach`: an outline has this many pixels on either side. */
export function paint({ values, sure, width, height }, { colors, groups, outlines, fade }, reach, out) {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    let color = value < colors.length ? colors[value] : 0;
    if (color && fade) {
      const alpha = Math.round((color >>> 24) * (0.1 + 0.9 * Math.sqrt(sure[i] / 255)));
      color = ((color & 0xffffff) | (alpha << 24)) >>> 0;
    }
    out[i] = color;
  }
  if (outlines) keepEdges(values, groups, [width, height, reach], out);
}

function keepEdges(values, groups, [width, height, reach], out) {
  const group = (i) => (values[i] < groups.length ? groups[values[i]] : -2);
  for (let row = 0, i = 0; row < height; row++)
    for (let col = 0; col < width; col++, i++) {
      const own = group(i);
      let isEdge = false;
      for (let far = 1; far <= reach && !isEdge; far++)
        isEdge = (col >= far && group(i - far) !== own) || (col < width - far && group(i + far) !== own)
          || (row >= far && group(i - far * width) !== own) || (row < height - far && group(i + far * width) !== own);
      if (!isEdge) out[i] = 0;
    }
}
