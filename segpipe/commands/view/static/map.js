// One image to pan and zoom: the photograph by OpenSeadragon, over it a canvas of classes and one of marks.
import { el } from "./dom.js";
import { TILE, TileLayer, levelsOf } from "./tiles.js";

const { OpenSeadragon } = window;
// a tile that comes after its image was left is no fault
OpenSeadragon.console = { ...console, warn: (...words) => String(words[0]).startsWith("Ignoring tile") || console.warn(...words) };
const CLOSE_UP = 420; // pixels of the image across, when a place is gone to
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

export class MapView extends EventTarget {
  /** Events: `place` {image, row, col}, `hover` {image, row, col} or null, `view` (panned or zoomed). */
  constructor(host, label) {
    super();
    this.overlay = el("canvas", { class: "overlay", "aria-hidden": "true" });
    this.marks = el("canvas", { class: "marks", "aria-hidden": "true" });
    this.viewer = OpenSeadragon({
      element: host, drawer: "canvas", showNavigationControl: false, animationTime: calm.matches ? 0 : 0.25, visibilityRatio: 0.4,
      minZoomImageRatio: 0.7, maxZoomPixelRatio: 8, springStiffness: 9, zoomPerScroll: 1.25, preserveImageSizeOnResize: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false }, gestureSettingsTouch: { dblTapToZoom: false },
      gestureSettingsPen: { clickToZoom: false, dblClickToZoom: false },
    });
    this.viewer.canvas.append(this.overlay, this.marks);
    this.canvas = this.viewer.canvas;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", label);
    const redraw = () => this.redraw();
    this.classes = new TileLayer(redraw);
    this.leaves = new TileLayer(redraw);
    this.heat = new TileLayer(redraw, true);
    this.active = this.classes;
    this.drawMarks = () => undefined;
    this.image = null;
    this.listen();
  }

  listen() {
    const { viewer } = this;
    viewer.addHandler("update-viewport", () => this.draw());
    viewer.addHandler("resize", () => this.redraw());
    viewer.addHandler("viewport-change", () => this.dispatchEvent(new Event("view")));
    viewer.addHandler("canvas-click", (event) => {
      if (event.quick) this.tell("place", this.placeAt(event.position));
    });
    viewer.addHandler("canvas-key", (event) => {
      const { key, code } = event.originalEvent;
      event.preventDefaultAction = !(key.startsWith("Arrow") || ["+", "-", "=", "0"].includes(key) || code.startsWith("Numpad"));
      if (key === "Enter" || key === " ") {
        event.originalEvent.preventDefault();
        this.tell("place", this.middle());
      }
    });
    new OpenSeadragon.MouseTracker({
      element: this.canvas.parentElement, startDisabled: false,
      moveHandler: (event) => this.tell("hover", this.placeAt(event.position)),
      leaveHandler: () => this.tell("hover", null),
    });
    for (const name of ["focus", "blur"]) this.canvas.addEventListener(name, () => this.redraw());
  }

  tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  /** Opens an image of a source; resolves when the first picture of it is there. */
  open(source, index) {
    const image = source.image(index);
    this.image = image;
    const { api } = source;
    this.classes.reset(source.hasMask(index) ? image : null, (level, col, row) => api.indexTile(index, level, col, row));
    this.leaves.reset(source.run.tree ? image : null, (level, col, row) => api.leafTile(index, level, col, row));
    this.heat.reset(null, null);
    const tileSource = {
      width: image.width, height: image.height, tileSize: TILE, tileOverlap: 0, minLevel: 0,
      maxLevel: levelsOf(image.height, image.width) - 1, getTileUrl: (level, col, row) => api.photoTile(index, level, col, row),
    };
    return new Promise((resolve) => {
      this.viewer.addOnceHandler("open", () => resolve(this.image === image));
      this.viewer.addOnceHandler("open-failed", () => resolve(false));
      this.viewer.open({ tileSource });
    });
  }

  /** Loads the photograph again: a better copy of it is there. */
  reload() { this.viewer.world.getItemAt(0)?.reset(); }

  setHeat(source, at) {
    const { index } = this.image;
    if (at) this.heat.reset(this.image, (level, col, row) => source.api.heatTile(index, level, col, row, at));
    else this.heat.reset(null, null);
  }

  /** Where the image lies in pixels of the screen: corner x, y and screen pixels per pixel of the image. */
  frame() {
    const item = this.viewer.world.getItemAt(0);
    if (!item || !this.image) return null;
    const point = (x, y) => this.viewer.viewport.pixelFromPoint(item.imageToViewportCoordinates(x, y, true), true);
    const [corner, side] = [point(0, 0), point(this.image.width, 0)];
    return { x: corner.x, y: corner.y, scale: (side.x - corner.x) / this.image.width };
  }

  placeAt(position) {
    const frame = this.frame();
    if (!frame) return null;
    const [col, row] = [(position.x - frame.x) / frame.scale, (position.y - frame.y) / frame.scale];
    const isInside = row >= 0 && col >= 0 && row < this.image.height && col < this.image.width;
    return isInside ? { image: this.image.index, row: Math.floor(row), col: Math.floor(col) } : null;
  }

  middle() { return this.placeAt({ x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 }); }

  zoomBy(factor) {
    this.viewer.viewport.zoomBy(factor);
    this.viewer.viewport.applyConstraints();
  }

  home() { this.viewer.viewport.goHome(); }

  /** Brings a place to the middle, near enough to see it. */
  goTo({ row, col }) {
    const { viewport } = this.viewer;
    const item = this.viewer.world.getItemAt(0);
    if (!item) return;
    const across = Math.min(this.image.width, Math.max(CLOSE_UP, this.image.width / 3));
    const down = (across * this.canvas.clientHeight) / this.canvas.clientWidth;
    const inside = (at, half, whole) => (2 * half > whole ? whole / 2 : Math.min(whole - half, Math.max(half, at)));
    const [x, y] = [inside(col, across / 2, this.image.width), inside(row, down / 2, this.image.height)]; // no empty ground
    viewport.zoomTo(Math.max(viewport.getHomeZoom(), this.image.width / across), null, true);
    viewport.panTo(item.imageToViewportCoordinates(x, y), true);
  }

  redraw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  draw() {
    const frame = this.frame();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    for (const canvas of [this.overlay, this.marks]) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext("2d").clearRect(0, 0, width, height);
    }
    if (!frame) return;
    const view = { x: frame.x * ratio, y: frame.y * ratio, scale: frame.scale * ratio, width, height };
    this.active?.draw(this.overlay.getContext("2d"), view);
    const context = this.marks.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawMarks(context, frame);
    if (this.canvas.matches(":focus-visible")) cross(context, width / ratio / 2, height / ratio / 2);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
}

/** A line seen on any ground: dark below, light above. */
export function twice(context, path) {
  for (const [color, width] of [["rgba(0,0,0,.75)", 4], ["#fff", 1.75]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    path();
    context.stroke();
  }
}

function cross(context, x, y) {
  twice(context, () => {
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * dx, y + 4 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
  });
}
