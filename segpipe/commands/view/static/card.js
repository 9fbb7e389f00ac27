// One class: color, name, share, best patches; and, where it is the selected one, all that can be done with it.
import { button, el, percent, say } from "./dom.js";

const FEW = 6;

function interval({ low, high }) {
  return low === null || high === null || low === undefined ? "" : ` (${percent(low)}–${percent(high)})`;
}

export class Card {
  constructor(cards, cluster) {
    this.cards = cards;
    this.store = cards.store;
    this.cluster = cluster;
    this.sent = null; // a name under way to the server: no older state may put the old one back
    this.swatch = button("", "", () => this.choose(true), { class: "swatch" });
    this.name = el("input", { class: "name", type: "text", maxlength: 200, autocomplete: "off", spellcheck: "false",
      "aria-label": `Name of cluster ${cluster}`, placeholder: `cluster ${cluster}: name?`,
      onkeydown: (event) => this.key(event), onchange: () => this.rename() });
    this.share = el("span", { class: "share" });
    this.patches = el("div", { class: "patches" }, Array.from({ length: FEW }, () => el("i", { class: "blank" })));
    this.members = el("div", { class: "members" });
    this.more = el("div", { class: "more", hidden: true });
    this.node = el("li", { class: "card", data: { cluster }, draggable: "true", onclick: () => this.choose(false) },
      el("div", { class: "head" }, this.swatch, this.name, this.share), this.patches, this.members, this.more);
    this.name.addEventListener("focus", () => {
      this.node.draggable = false; // else text cannot be selected by the mouse
      if (this.name.matches(":focus-visible") && this.cards.byKeyboard) this.choose(false);
    });
    this.name.addEventListener("blur", () => { this.node.draggable = true; });
    this.listenDrag();
  }

  choose(isColor) {
    this.store.select(this.cluster);
    if (isColor) this.more.querySelector(".dot[aria-pressed=true], input[type=color]")?.focus({ preventScroll: true });
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Enter: 1 }[event.key];
    if (event.key === "Escape") {
      this.name.value = this.entry.name ?? "";
      this.name.select();
    } else if (event.key === "Enter" || step) {
      event.preventDefault();
      this.rename();
      this.cards.step(this.cluster, step);
    }
  }

  async rename() {
    const [name, { cluster }] = [this.name.value.trim(), this];
    if (name === (this.entry.name ?? "") || this.sent === name) return;
    this.sent = name;
    const answer = await this.store.act({ action: "name", cluster, name });
    this.sent = null;
    this.update(this.entry, this.store.view.selected === cluster);
    if (answer && this.store.a.rootOf(cluster) !== cluster)
      this.store.notice(`Another class is called ${name} too: the two are one class now. Undo takes it back.`);
  }

  listenDrag() {
    const { node } = this;
    node.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("application/x-cluster", String(this.cluster));
      event.dataTransfer.effectAllowed = "move";
      node.classList.add("dragged");
    });
    node.addEventListener("dragend", () => node.classList.remove("dragged"));
    node.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("application/x-cluster")) return;
      event.preventDefault();
      node.classList.add("over");
    });
    node.addEventListener("dragleave", () => node.classList.remove("over"));
    node.addEventListener("drop", (event) => {
      event.preventDefault();
      node.classList.remove("over");
      const cluster = Number(event.dataTransfer.getData("application/x-cluster"));
      if (cluster !== this.cluster) this.cards.merge(cluster, this.cluster);
    });
  }

  /** Shows an entry of `Source.classes()`. */
  update(entry, isSelected) {
    const { view } = this.store;
    this.entry = entry;
    const title = entry.name || `cluster ${entry.cluster}`;
    const { name } = this;
    if (this.sent === null && (document.activeElement !== name || name.value === name.dataset.stored)) name.value = entry.name ?? "";
    name.dataset.stored = entry.name ?? "";
    this.swatch.style.background = entry.color;
    this.swatch.setAttribute("aria-label", `${title}, color ${entry.color}: select and choose another`);
    this.swatch.title = "Select; choose another color";
    const images = entry.images === undefined || entry.images === null ? "" : `, in ${entry.images} images`;
    this.share.title = `share of the pixels${entry.low === null ? "" : ", with its 95% interval"}${images}`;
    say(this.share, percent(entry.share) + interval(entry));
    this.node.classList.toggle("selected", isSelected);
    this.node.classList.toggle("unseen", view.hidden.has(entry.cluster) || (view.alone !== null && view.alone !== entry.cluster));
    this.showMembers(entry);
    this.more.hidden = !isSelected;
    if (isSelected) this.cards.detail.show(this, entry);
    for (const patch of this.patches.children) patch.tabIndex = isSelected ? 0 : -1;
  }

  showMembers(entry) {
    const key = JSON.stringify(entry.members);
    if (key === this.membersKey) return;
    this.membersKey = key;
    this.members.replaceChildren(...entry.members.map((cluster) =>
      button(`cluster ${cluster} ×`, `Take cluster ${cluster} out of this class again`,
        () => this.store.act({ action: "unmerge", cluster }), { class: "chip" })));
  }

  /** Patches and images that show the class best, once the card is seen. */
  showBest({ patches, images }) {
    this.best = { patches, images };
    this.patches.replaceChildren(...patches.slice(0, FEW).map((patch) => this.patchButton(patch)));
    if (!patches.length) this.patches.append(el("span", { class: "hint" }, "no patches"));
    if (!this.more.hidden) this.cards.detail.show(this, this.entry, true);
    for (const patch of this.patches.children) patch.tabIndex = this.more.hidden ? -1 : 0;
  }

  patchButton(patch) {
    const { a } = this.store;
    const middle = { row: Math.round(patch.top + patch.height / 2), col: Math.round(patch.left + patch.width / 2) };
    const { path } = a.image(patch.image);
    return el("button", { type: "button", class: "patch", title: path, "aria-label": `Go to this patch in ${path}, row ${middle.row}, column ${middle.col}`,
      onclick: (event) => {
        event.stopPropagation();
        this.store.select(this.cluster);
        this.store.goTo(patch.image, middle);
      } }, el("img", { src: a.api.patch(patch), alt: "", loading: "lazy", fetchpriority: "low", draggable: "false" }));
  }
}
