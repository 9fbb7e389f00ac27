// What can be done with the selected class: color, alone, hide, leave out, split, merge; its images and more patches.
import { button, el } from "./dom.js";

const FEW = 6;
const MOST_IMAGES = 8;
const COLORS = 24;

export class Detail {
  constructor(store, cards) {
    this.store = store;
    this.cards = cards;
  }

  /** Fills the lower part of a card. It is made again only where something in it differs: focus stays. */
  show(card, entry, isFresh = false) {
    const { view, a } = this.store;
    const others = a.classes().filter((other) => other.cluster !== entry.cluster);
    const busy = Boolean(a.state.job && !a.state.job.failed);
    const key = JSON.stringify([entry.color, entry.name, view.alone, view.hidden.has(entry.cluster), others.map((one) => [one.cluster, one.name]), busy]);
    if (!isFresh && card.detailKey === key) return;
    card.detailKey = key;
    const focused = card.more.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    card.more.replaceChildren(this.actions(entry, busy), this.merging(card, entry, others), this.colors(entry), ...this.best(card));
    if (focused) [...card.more.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused)?.focus();
  }

  actions({ cluster }, busy) {
    const { store } = this;
    const { view } = store;
    const toggle = (text, label, isOn, onclick) => button(text, label, onclick, { "aria-pressed": String(isOn), data: { key: text } });
    return el("div", { class: "row" },
      toggle("Alone", "Show this class alone on the map (o)", view.alone === cluster, () => store.set({ alone: view.alone === cluster ? null : cluster })),
      toggle("Hide", "Hide this class on the map; nothing is written (h)", view.hidden.has(cluster), () => this.cards.toggleHidden(cluster)),
      button("Leave out", "Leave this class out of map and shares", () => store.act({ action: "ignore", cluster, ignore: true }), { data: { key: "out" } }),
      button("Split in two", "Split this cluster in two; takes a while", () => store.act({ action: "split", cluster, into: 2 }), { disabled: busy, data: { key: "split" } }));
  }

  merging(card, { cluster }, others) {
    const choice = el("select", { "aria-label": `Class that takes cluster ${cluster} in`, data: { key: "into" } },
      others.map((other) => el("option", { value: other.cluster }, other.name || `cluster ${other.cluster}`)));
    return el("div", { class: "row" }, el("span", { class: "hint" }, "merge into"), choice,
      button("Merge", "Merge into the class chosen", () => this.cards.merge(cluster, Number(choice.value)), { disabled: !others.length, data: { key: "merge" } }));
  }

  colors({ cluster, color }) {
    const { store } = this;
    const paint = (value) => store.act({ action: "color", cluster, color: value });
    return el("div", { class: "row colors", role: "group", "aria-label": "Color" },
      store.a.run.palette.slice(0, COLORS).map((value) => button("", `Color ${value}`, () => paint(value),
        { class: "dot", style: `background:${value}`, "aria-pressed": String(value.toLowerCase() === color.toLowerCase()), data: { key: value } })),
      el("input", { type: "color", ".value": color, "aria-label": "Any other color", title: "Any other color", onchange: (event) => paint(event.target.value), data: { key: "any" } }));
  }

  best(card) {
    if (!card.best) return [];
    const { a } = this.store;
    const images = card.best.images.slice(0, MOST_IMAGES).map(([image, share]) => {
      const { path } = a.image(image);
      const text = `${path}: ${Math.round(100 * share)}% of it`;
      return el("button", { type: "button", class: "thumb", title: text, "aria-label": `Show ${text}`,
        onclick: (event) => {
          event.stopPropagation();
          this.store.goTo(image);
        } }, el("img", { src: a.api.thumb(image), alt: "", loading: "lazy", fetchpriority: "low", draggable: "false" }));
    });
    const rest = card.best.patches.slice(FEW).map((patch) => card.patchButton(patch));
    return [
      rest.length ? el("div", { class: "patches" }, rest) : null,
      images.length ? el("p", { class: "hint" }, "images that show most of it") : null,
      images.length ? el("div", { class: "thumbs" }, images) : null,
    ].filter(Boolean);
  }
}
