// The map in the middle: which layer it shows and how, the swipe, what lies under the pointer, marks of points.
import { byId, say } from "./dom.js";
import { MapView, twice } from "./map.js";
import { NO_DATA, classTable, cutTable, heatTable } from "./palette.js";

const COLORED_BY = ["hidden", "alone", "outlines", "fade", "preview", "heat"];
const ASK_MS = 150;

export class Stage {
  constructor(store) {
    this.store = store;
    this.map = new MapView(byId("map"), "Map of the image. Arrows pan, plus and minus zoom, Enter takes the place at the cross.");
    this.map.drawMarks = (context, frame) => this.marks(context, frame);
    this.readout = byId("readout");
    this.swipe = byId("swipe-bar");
    this.map.addEventListener("hover", ({ detail }) => this.hover(detail));
    this.map.addEventListener("place", ({ detail }) => detail && store.emit("place", detail));
    this.opened = Promise.resolve();
    this.drawing = null;
    store.on("run", () => this.open());
    store.on("state", () => {
      this.recolor();
      const drawn = this.drawing;
      this.drawing = store.a.state.drawing?.image ?? null;
      if (drawn !== null && drawn !== this.drawing && drawn === this.map.image?.index) this.map.reload();
    });
    store.on("goto", (place) => place && this.opened.then(() => this.map.goTo(place)));
    store.on("view", (keys) => {
      if (keys.has("image")) this.open();
      else if (COLORED_BY.some((key) => keys.has(key))) this.recolor();
      if (["opacity", "shown", "swipe", "outlines"].some((key) => keys.has(key))) this.style();
      if (keys.has("target")) this.map.redraw();
    });
    const seen = ({ fullyLoaded }) => fullyLoaded && store.isReady();
    this.map.viewer.addOnceHandler("open", () => this.map.viewer.world.getItemAt(0).addHandler("fully-loaded-change", seen));
    this.listenSwipe();
  }

  open() {
    const { store } = this;
    if (!store.a.count) return say(byId("title"), "no images yet");
    const image = store.a.image(store.view.image);
    say(byId("title"), image.path);
    byId("title").title = `${image.path}, ${image.height} × ${image.width} pixels`;
    this.heatAt = null;
    this.opened = this.map.open(store.a, store.view.image).then(() => this.recolor());
    this.recolor();
    this.style();
    history.replaceState(null, "", `/#${store.view.image}`);
    return this.opened;
  }

  recolor() {
    const { a, view } = this.store;
    const { map } = this;
    if (!map.image) return;
    const how = { outlines: view.outlines, fade: view.fade };
    if (view.heat) {
      const key = JSON.stringify([view.heat, map.image.index]);
      if (this.heatAt !== key) map.setHeat(a, view.heat);
      this.heatAt = key;
      map.active = map.heat;
      map.heat.recolor({ ...heatTable(), outlines: false, fade: false });
    } else if (view.preview !== null && a.run.tree) {
      map.active = map.leaves;
      map.leaves.recolor({ ...cutTable(a, view.preview), ...how, fade: false });
    } else {
      map.active = map.classes;
      map.classes.recolor({ ...classTable(a, view), ...how });
    }
    map.redraw();
  }

  style() {
    const { opacity, shown, swipe, outlines } = this.store.view;
    const { style } = this.map.overlay;
    style.opacity = shown ? String(outlines ? 1 : opacity) : "0"; // lines hide little
    style.clipPath = swipe === null ? "" : `inset(0 0 0 ${swipe}%)`;
    this.swipe.hidden = swipe === null;
    if (swipe !== null) {
      this.swipe.style.left = `${swipe}%`;
      this.swipe.setAttribute("aria-valuenow", String(Math.round(swipe)));
    }
  }

  listenSwipe() {
    const { store, swipe } = this;
    const put = (value) => store.set({ swipe: Math.min(100, Math.max(0, value)) });
    swipe.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      put(store.view.swipe + step);
    });
    swipe.addEventListener("pointerdown", (event) => swipe.setPointerCapture(event.pointerId));
    swipe.addEventListener("pointermove", (event) => {
      if (!swipe.hasPointerCapture(event.pointerId)) return;
      const box = swipe.parentElement.getBoundingClientRect();
      put((100 * (event.clientX - box.left)) / box.width);
    });
  }

  /** The class shown at a place: {root, name, margin}, or null. */
  under(place) {
    const { a, view } = this.store;
    const found = this.map.active.at(place.row, place.col);
    if (!found || found.value === NO_DATA) return null;
    if (view.heat) return { root: null, name: `cosine ${(found.value / 255).toFixed(2)}`, margin: null };
    if (view.preview !== null) return { root: null, name: `preview class ${a.run.tree.cuts[String(view.preview)][found.value]}`, margin: null };
    const root = a.rootOf(found.value);
    return { root, name: root === null ? `${a.nameOf(found.value)} (left out)` : a.nameOf(found.value), margin: null };
  }

  hover(place) {
    clearTimeout(this.timer);
    this.over = place;
    if (!place) return say(this.readout, "");
    const line = [this.under(place)?.name ?? "no data", `row ${place.row}, column ${place.col}`];
    say(this.readout, line.join(" · "));
    this.timer = setTimeout(() => this.ask(place, line), ASK_MS);
    return undefined;
  }

  /** Confidence and coordinates come from the server, once the pointer rests. */
  async ask(place, line) {
    try {
      const { margin, lonlat, world, crs } = await this.store.a.api.at(place);
      if (this.over !== place) return;
      if (margin !== null) line.push(`margin ${margin.toFixed(2)}`);
      if (lonlat) line.push(`${lonlat[1].toFixed(6)}, ${lonlat[0].toFixed(6)}`);
      else if (world) line.push(`${world[0].toFixed(2)}, ${world[1].toFixed(2)} ${crs ?? ""}`);
      say(this.readout, line.join(" · "));
    } catch {
      // what is known without the server stays
    }
  }

  marks(context, { x, y, scale }) {
    const { a, view } = this.store;
    const at = ({ row, col }) => [x + (col + 0.5) * scale, y + (row + 0.5) * scale];
    for (const point of a.state.points.filter((one) => one.image === this.map.image.index)) {
      const [px, py] = at(point);
      context.beginPath();
      context.arc(px, py, 5, 0, 2 * Math.PI);
      context.fillStyle = colorOfLabel(a, point.label);
      context.fill();
      twice(context, () => context.arc(px, py, 6, 0, 2 * Math.PI));
    }
    if (view.target?.image === this.map.image.index) {
      const [px, py] = at(view.target);
      twice(context, () => context.arc(px, py, 15, 0, 2 * Math.PI));
    }
  }
}

/** The color of the class with this name; gray where there is none. */
export function colorOfLabel(source, label) {
  return source.classes().find((entry) => entry.name === label)?.color ?? "#9a9a9a";
}
