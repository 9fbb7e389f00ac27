// All images, filtered and sorted; only the rows that are seen exist, so that 5,000 are no more work than 50.
import { byId, el, say } from "./dom.js";

const ROW = 58;
const SPARE = 6;
const TAIL = 12; // letters at the end of a file name that are always seen: that is where names of a dive differ

export class Strip {
  constructor(store) {
    this.store = store;
    this.box = byId("strip");
    this.rows = byId("rows");
    this.fields = { search: byId("search"), byClass: byId("by-class"), bySite: byId("by-site"), order: byId("order") };
    this.found = [];
    this.made = new Map();
    for (const field of Object.values(this.fields)) field.addEventListener("input", () => this.filter());
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
    store.on("run", () => this.fill());
    store.on("state", () => this.refresh());
    store.on("view", (keys) => keys.has("image") && this.reveal());
  }

  /** A run was loaded: its sites, its paths. */
  fill() {
    const { run } = this.store.a;
    this.lower = run.images.path.map((path) => path.toLowerCase());
    const sites = [...new Set((run.images.site ?? []).filter((site) => site !== null))].sort();
    this.fields.bySite.replaceChildren(el("option", { value: "" }, "All sites"), ...sites.map((site) => el("option", { value: `=${site}` }, String(site))));
    this.fields.bySite.hidden = sites.length < 2;
    const hasDoubt = (run.images.doubt ?? []).some((value) => value !== null);
    this.fields.order.querySelector('[value="doubt"]').disabled = !hasDoubt;
    this.made.clear();
    this.rows.replaceChildren();
  }

  /** Classes have changed: the choice of classes, the bars, and what a filter by class finds. */
  refresh() {
    const classes = this.store.a.classes();
    const key = JSON.stringify(classes.map((entry) => [entry.cluster, entry.name, entry.color, entry.members]));
    if (key === this.key_ && this.made.size) return;
    this.key_ = key;
    const { byClass } = this.fields;
    const { value } = byClass;
    byClass.replaceChildren(el("option", { value: "" }, "All classes"),
      ...classes.map((entry) => el("option", { value: entry.cluster }, entry.name || `cluster ${entry.cluster}`)));
    byClass.value = classes.some((entry) => String(entry.cluster) === value) ? value : "";
    this.made.clear();
    this.rows.replaceChildren();
    this.filter();
  }

  filter() {
    const { a } = this.store;
    const { search, byClass, bySite, order } = this.fields;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { site, doubt } = a.run.images;
    const root = byClass.value === "" ? null : Number(byClass.value);
    const pixels = (index) => a.pixelsOf(index).find(([cluster]) => cluster === root)?.[1] ?? 0;
    const amount = new Map();
    this.found = [...a.run.images.id.keys()].filter((index) => {
      if (!words.every((word) => this.lower[index].includes(word))) return false;
      if (bySite.value !== "" && `=${site[index]}` !== bySite.value) return false;
      if (root === null) return true;
      amount.set(index, pixels(index) / (a.run.images.height[index] * a.run.images.width[index]));
      return amount.get(index) > 0;
    });
    order.querySelector('[value="class"]').disabled = root === null;
    if (root === null && order.value === "class") order.value = "path";
    if (order.value === "doubt") this.found.sort((one, other) => (doubt[other] ?? -1) - (doubt[one] ?? -1) || one - other);
    if (order.value === "class") this.found.sort((one, other) => amount.get(other) - amount.get(one) || one - other);
    say(byId("counted"), this.found.length === a.count ? `${a.count} images` : `${this.found.length} of ${a.count} images`);
    this.rows.style.height = `${this.found.length * ROW}px`;
    this.made.clear();
    this.rows.replaceChildren();
    this.reveal();
  }

  draw() {
    if (!this.box.clientHeight || !this.store.a.run) return;
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - SPARE);
    const last = Math.min(this.found.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + SPARE);
    for (const [at, row] of this.made)
      if (at < first || at >= last) {
        row.remove();
        this.made.delete(at);
      }
    for (let at = first; at < last; at++)
      if (!this.made.has(at)) {
        const row = this.row(at);
        this.made.set(at, row);
        this.rows.append(row);
      }
    for (const [at, row] of this.made) row.setAttribute("aria-selected", String(this.found[at] === this.store.view.image));
    const current = this.made.get(this.found.indexOf(this.store.view.image));
    if (current) this.box.setAttribute("aria-activedescendant", current.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(at) {
    const { a } = this.store;
    const index = this.found[at];
    const { path, site, mosaic, doubt } = a.image(index);
    const pixels = a.pixelsOf(index);
    const whole = pixels.reduce((sum, [, count]) => sum + count, 0) || 1;
    const bar = el("span", { class: "shares", "aria-hidden": "true" },
      pixels.map(([root, count]) => el("i", { style: `flex:${(count / whole).toFixed(4)};background:${a.colorOf(root)}` })));
    const slash = path.lastIndexOf("/");
    const facts = [site, mosaic ? "mosaic" : null, doubt === null ? null : `unsure ${Math.round(100 * doubt)}%`].filter((fact) => fact !== null);
    const thumb = el("img", { alt: "", loading: "lazy", fetchpriority: "low", width: 64, height: 48 });
    this.store.ready.then(() => { thumb.src = a.api.thumb(index); });
    return el("div", { role: "option", class: "image", id: `image-${index}`, title: path, "aria-setsize": this.found.length, "aria-posinset": at + 1,
      style: `top:${at * ROW}px`, onclick: () => this.store.goTo(index) },
    thumb, el("span", { class: "facts" }, el("b", {}, ...inTwo(path.slice(slash + 1))), el("small", {}, facts.join(" · ")), bar));
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.step(step);
  }

  /** The next or previous of the images found. */
  step(by) {
    if (!this.found.length) return;
    const at = this.found.indexOf(this.store.view.image);
    const next = at < 0 ? 0 : Math.min(this.found.length - 1, Math.max(0, at + by));
    this.store.goTo(this.found[next]);
  }

  reveal() {
    const at = this.found.indexOf(this.store.view.image);
    if (at >= 0) {
      const { scrollTop, clientHeight } = this.box;
      if (at * ROW < scrollTop) this.box.scrollTop = at * ROW;
      else if ((at + 1) * ROW > scrollTop + clientHeight) this.box.scrollTop = (at + 1) * ROW - clientHeight;
    }
    this.draw();
  }
}

function inTwo(name) {
  const cut = Math.max(0, name.length - TAIL);
  return [el("span", {}, name.slice(0, cut)), el("span", {}, name.slice(cut))];
}
