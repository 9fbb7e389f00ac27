// Click a place: the places of the whole corpus that are most like it, as a sheet of patches and as heat on the map.
import { button, byId, el, say } from "./dom.js";

const HOW_MANY = 60;

export class Similar {
  constructor(store) {
    this.store = store;
    this.host = byId("alike");
    this.query = null;
    this.text = el("p", { class: "hint", role: "status" }, "");
    this.heat = el("input", { type: "checkbox", id: "heat", onchange: () => this.showHeat() });
    this.heatLabel = el("label", {}, this.heat, el("span", {}, "Heat on the map"));
    this.back = button("Back to the place", "Go back to the place that was asked about", () => store.goTo(this.query.image, this.query));
    this.tools = el("div", { class: "row", hidden: true }, this.heatLabel, this.back);
    this.sheet = el("div", { class: "sheet", role: "group", "aria-label": "Places alike, best first" });
    this.host.append(this.text, this.tools, this.sheet);
    this.hint();
    store.on("run", () => this.clear());
    store.on("place", (place) => store.view.mode === "alike" && this.find(place));
    store.on("view", (keys) => {
      if (keys.has("mode")) this.hint();
      if (keys.has("heat")) this.heat.checked = store.view.heat !== null;
    });
  }

  hint() {
    if (this.query) return;
    say(this.text, this.store.view.mode === "alike"
      ? "Click a place on the map (or Enter at the cross): what is most like it in all images comes here."
      : "Choose “Alike” above the map, then click a place.");
  }

  clear() {
    this.query = null;
    this.tools.hidden = true;
    this.sheet.replaceChildren();
    this.hint();
  }

  async find(place) {
    const { store } = this;
    this.query = place;
    store.emit("tab", "alike");
    store.set({ target: place });
    say(this.text, "looking …");
    this.host.setAttribute("aria-busy", "true");
    try {
      const { places } = await store.a.api.similar(place, HOW_MANY);
      if (this.query !== place) return;
      const images = new Set(places.map(({ image }) => image)).size;
      say(this.text, places.length ? `${places.length} places in ${images} images, best first. The number is the cosine.` : "Nothing is like it.");
      this.sheet.replaceChildren(...places.map((found) => this.patch(found)));
      this.tools.hidden = false;
      if (this.heat.checked) this.showHeat();
    } catch (error) {
      say(this.text, error.message);
      this.sheet.replaceChildren();
    } finally {
      this.host.removeAttribute("aria-busy");
    }
  }

  showHeat() {
    const { image, row, col } = this.query;
    this.store.set({ heat: this.heat.checked ? { image, row, col } : null, preview: null });
  }

  patch(found) {
    const { a } = this.store;
    const { path } = a.image(found.image);
    const cosine = found.cosine.toFixed(2);
    return el("button", { type: "button", class: "patch", title: `${path}, cosine ${cosine}`,
      "aria-label": `Cosine ${cosine}: go to row ${Math.round(found.row)}, column ${Math.round(found.col)} of ${path}`,
      onclick: () => this.store.goTo(found.image, { row: found.row, col: found.col }) },
    el("img", { src: a.api.patch(found), alt: "", loading: "lazy", fetchpriority: "low" }), el("small", {}, cosine));
  }
}
