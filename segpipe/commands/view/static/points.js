// Labelled points: put by a click, or on places that are suggested because a label helps most there.
import { button, byId, el, say } from "./dom.js";
import { colorOfLabel } from "./stage.js";

const SUGGESTED = 20;
const SHOWN = 200;
const KEYED = 9;

export class Points {
  constructor(store) {
    this.store = store;
    this.places = [];
    this.at = 0;
    this.labels = el("div", { class: "labels", role: "group", "aria-label": "Label of the next point" });
    this.other = el("input", { type: "text", maxlength: 200, placeholder: "another label", "aria-label": "Another label", autocomplete: "off",
      onchange: () => this.choose(this.other.value.trim()) });
    this.ask = button("Suggest places", "Suggest places where a label helps most", () => this.suggest());
    this.skip = button("Skip", "Skip this place", () => this.next());
    this.end = button("End", "End the suggestions", () => this.finish());
    this.why = el("p", { class: "hint", role: "status" });
    this.steps = el("div", { class: "row" }, this.ask, this.skip, this.end);
    this.heading = el("h2", {});
    this.list = el("ul", { class: "points", "aria-label": "Points, newest first" });
    byId("points").append(el("div", { class: "box" }, el("h2", {}, "Label"), this.labels, this.other, this.steps, this.why), this.heading, this.list);
    store.on("run", () => this.finish());
    store.on("state", () => this.show());
    store.on("place", (place) => store.view.mode === "point" && this.put(place));
    store.on("view", (keys) => (keys.has("label") || keys.has("mode")) && this.show());
  }

  get suggested() { return this.places[this.at] ?? null; }

  /** Labels to choose from: names of classes, then labels that points have. */
  names() {
    const { a } = this.store;
    const named = a.classes().map((entry) => entry.name).filter(Boolean);
    return [...new Set([...named, ...a.state.points.map((point) => point.label), this.store.view.label].filter(Boolean))];
  }

  /** A label was clicked or its key pressed: it goes on the suggested place, else on what is clicked next. */
  choose(label) {
    if (!label) return;
    this.store.set({ label });
    if (this.suggested) this.put(this.suggested);
    else this.store.set({ mode: "point" });
  }

  chooseNth(number) {
    const label = this.names()[number - 1];
    if (label) this.choose(label);
  }

  async put({ image, row, col }) {
    const { label } = this.store.view;
    if (!label) {
      this.store.emit("tab", "points");
      this.store.notice("Choose a label first.");
      return;
    }
    const isSuggested = this.suggested?.image === image && this.suggested.row === row && this.suggested.col === col;
    if (isSuggested && this.putting) return;
    this.putting = isSuggested;
    const answer = await this.store.act({ action: "point", image, row, col, label });
    this.putting = false;
    if (answer && isSuggested) this.next();
  }

  async suggest() {
    say(this.why, "looking …");
    try {
      const { places } = await this.store.a.api.suggest(SUGGESTED);
      [this.places, this.at] = [places, -1];
      if (places.length) this.store.set({ shown: false }); // what is seen shall decide, not what the map says
      if (!places.length) say(this.why, "No place to suggest.");
      else this.next();
    } catch (error) {
      say(this.why, error.message);
    }
  }

  next() {
    this.at += 1;
    const place = this.suggested;
    if (!place) {
      this.finish();
      say(this.why, "All suggested places were seen. Suggest again for more.");
      return;
    }
    this.store.set({ mode: "point" });
    this.store.goTo(place.image, { row: place.row, col: place.col });
    this.show();
  }

  finish() {
    if (this.places.length) this.store.set({ shown: true });
    [this.places, this.at] = [[], 0];
    say(this.why, "");
    this.store.set({ target: null });
    if (this.store.a.run) this.show();
  }

  show() {
    const { a, view } = this.store;
    const names = this.names();
    const key = JSON.stringify([names, view.label, a.classes().map((entry) => entry.color)]);
    if (key !== this.key) this.showLabels(names);
    this.key = key;
    const place = this.suggested;
    for (const node of [this.skip, this.end]) node.hidden = !place;
    this.ask.hidden = Boolean(place);
    const how = names.length ? "Click its label or press its number" : "Type its label above, then Enter";
    if (place) say(this.why, `Place ${this.at + 1} of ${this.places.length}: ${place.why}. What is in the ring? ${how} (c shows the classes).`);
    else if (!names.length) say(this.why, "Name a class first, or type a label.");
    this.showList();
  }

  showLabels(names) {
    const { a, view } = this.store;
    this.labels.replaceChildren(...names.map((name, i) => button("", "", () => this.choose(name),
      { class: "label", "aria-pressed": String(name === view.label), "aria-label": null, title: null, data: { key: name } })));
    names.forEach((name, i) => this.labels.children[i].append(
      el("i", { class: "dot", style: `background:${colorOfLabel(a, name)}`, "aria-hidden": "true" }), i < KEYED ? el("kbd", {}, String(i + 1)) : "", name));
  }

  showList() {
    const { a } = this.store;
    const { points } = a.state;
    const key = JSON.stringify(points) + this.key;
    if (key === this.listKey) return;
    this.listKey = key;
    say(this.heading, points.length ? `${points.length} ${points.length === 1 ? "point" : "points"} in points.csv` : "No points yet");
    this.list.replaceChildren(...points.slice(-SHOWN).reverse().map((point) => this.row(point)));
    if (points.length > SHOWN) this.list.append(el("li", { class: "hint" }, `and ${points.length - SHOWN} older ones`));
  }

  row(point) {
    const { store } = this;
    const isHere = point.image !== null; // a table may name images that the run does not have
    const path = isHere ? store.a.image(point.image).path : "an image that is not in the run";
    const where = `row ${Math.round(point.row)}, column ${Math.round(point.col)} of ${path}`;
    return el("li", {},
      el("button", { type: "button", class: "go", title: `Go to ${where}`, disabled: !isHere, onclick: () => store.goTo(point.image, { row: point.row, col: point.col }) },
        el("i", { class: "dot", style: `background:${colorOfLabel(store.a, point.label)}`, "aria-hidden": "true" }), el("b", {}, point.label), el("small", {}, path.split("/").pop())),
      button("×", `Remove the point ${point.label} at ${where}`, () => store.act({ action: "unpoint", id: point.id })));
  }
}
