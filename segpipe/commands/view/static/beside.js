// A second map at the side: the other run, or another image of this one; both pan and zoom together.
import { byId, say } from "./dom.js";
import { MapView } from "./map.js";
import { NO_DATA, classTable } from "./palette.js";

const PLAIN = { hidden: new Set(), alone: null };

export class Beside {
  constructor(store, stage) {
    this.store = store;
    this.stage = stage;
    this.pane = byId("second");
    this.title = byId("second-title");
    this.pin = byId("pin");
    this.map = null;
    this.pinned = null;
    this.pin.addEventListener("click", () => {
      this.pinned = store.view.image;
      this.open();
    });
    store.on("run", () => this.show());
    store.on("state", () => this.recolor());
    store.on("view", (keys) => {
      if (keys.has("beside")) this.show();
      else if (keys.has("image") && store.b) this.open();
      if (["outlines", "fade", "opacity", "shown", "hidden", "alone"].some((key) => keys.has(key))) this.recolor();
    });
  }

  show() {
    const { beside } = this.store.view;
    this.pane.hidden = !beside;
    this.pin.hidden = Boolean(this.store.b);
    document.body.classList.toggle("two", beside);
    if (!beside) return;
    if (!this.map) this.make();
    this.pinned ??= this.store.view.image;
    this.open();
  }

  make() {
    this.map = new MapView(byId("map-b"), "Second map, linked to the first");
    this.map.addEventListener("view", () => this.follow(this.map, this.stage.map));
    this.stage.map.addEventListener("view", () => this.follow(this.stage.map, this.map));
    this.map.addEventListener("hover", ({ detail }) => this.hover(detail));
  }

  /** The run and the image on the right: the same path of the other run, else the pinned one of this. */
  shown() {
    const { a, b, view } = this.store;
    if (!b) return [a, this.pinned];
    const index = b.indexOfPath(a.image(view.image).path);
    return [b, index >= 0 ? index : a.count === b.count ? view.image : -1];
  }

  async open() {
    if (!this.store.view.beside) return;
    const [source, index] = this.shown();
    this.source = source;
    if (index < 0) {
      say(this.title, `${source.run.name}: has no image of this path`);
      this.map.viewer.close();
      return;
    }
    say(this.title, `${source.run.name}: ${source.image(index).path}`);
    await Promise.all([this.map.open(source, index), this.stage.opened]);
    this.recolor();
    this.follow(this.stage.map, this.map);
  }

  recolor() {
    const { map, source } = this;
    if (!this.store.view.beside || !map?.image || !source) return;
    const { view, a } = this.store;
    const seen = source === a ? view : PLAIN;
    map.classes.recolor({ ...classTable(source, seen), outlines: view.outlines, fade: view.fade });
    map.overlay.style.opacity = view.shown ? String(view.outlines ? 1 : view.opacity) : "0";
    map.redraw();
  }

  hover(place) {
    if (!place) return say(byId("readout"), "");
    const found = this.map.classes.at(place.row, place.col);
    const name = !found || found.value === NO_DATA ? "no data" : this.source.nameOf(found.value);
    return say(byId("readout"), `${this.source.run.name}: ${name} · row ${place.row}, column ${place.col}`);
  }

  /** Copies what one map shows to the other: center and zoom are in widths of the image, so sizes may differ. */
  follow(leader, other) {
    if (this.following || !this.store.view.beside || !leader.frame() || !other.frame()) return;
    this.following = true;
    const [from, to] = [leader.viewer.viewport, other.viewer.viewport];
    to.zoomTo(from.getZoom(true), null, true);
    to.panTo(from.getCenter(true), true);
    this.following = false;
  }
}
