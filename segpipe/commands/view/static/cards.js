// The list of classes: a card each, largest first.
import { Card } from "./card.js";
import { Detail } from "./detail.js";
import { button, byId, el } from "./dom.js";

export class Cards {
  constructor(store) {
    this.store = store;
    this.host = byId("cards");
    this.leftOut = byId("left-out");
    this.cards = new Map();
    this.detail = new Detail(store, this);
    this.byKeyboard = false;
    this.last = store.ready; // one request at a time: the first of them takes the server seconds
    this.seen = new IntersectionObserver((entries) => entries.filter((one) => one.isIntersecting).forEach((one) => this.loadBest(one.target)));
    document.addEventListener("keydown", () => { this.byKeyboard = true; }, true);
    document.addEventListener("pointerdown", () => { this.byKeyboard = false; }, true);
    store.on("run", () => this.clear());
    store.on("state", () => this.show());
    store.on("view", (keys) => {
      if (!["selected", "hidden", "alone"].some((key) => keys.has(key))) return;
      this.keepInPlace(() => this.show());
      if (keys.has("selected")) this.reveal();
    });
  }

  clear() {
    this.seen.disconnect();
    this.cards.clear();
    this.host.replaceChildren();
  }

  show() {
    const { store } = this;
    const classes = store.a.classes();
    const wanted = new Set(classes.map((entry) => entry.cluster));
    const focused = document.activeElement?.closest?.(".card");
    const place = focused ? [...this.host.children].indexOf(focused) : -1;
    for (const [cluster, card] of this.cards)
      if (!wanted.has(cluster)) {
        this.seen.unobserve(card.node);
        card.node.remove();
        this.cards.delete(cluster);
      }
    classes.forEach((entry, i) => {
      let card = this.cards.get(entry.cluster);
      if (!card) {
        card = new Card(this, entry.cluster);
        this.cards.set(entry.cluster, card);
        this.seen.observe(card.node);
      }
      if (this.host.children[i] !== card.node && !card.node.contains(document.activeElement)) this.host.insertBefore(card.node, this.host.children[i] ?? null);
      card.update(entry, store.view.selected === entry.cluster);
    });
    this.showLeftOut();
    if (focused && !focused.isConnected) this.refocus(Number(focused.dataset.cluster), place);
  }

  /** The card that had the focus is gone: the class that took it in gets it, or the card that is in its place now. */
  refocus(cluster, place) {
    const near = this.host.children[Math.min(place, this.host.children.length - 1)];
    const card = this.cards.get(this.store.a.rootOf(cluster)) ?? this.cards.get(Number(near?.dataset.cluster));
    card?.name.focus();
    if (card) this.store.select(card.cluster);
  }

  showLeftOut() {
    const { store } = this;
    const entries = store.a.leftOut();
    const key = JSON.stringify(entries.map((entry) => [entry.cluster, entry.name]));
    if (key === this.leftOutKey) return;
    this.leftOutKey = key;
    const row = ({ cluster, name }) => el("div", { class: "row" }, el("span", {}, name || `cluster ${cluster}`),
      button("Bring back", `Bring ${name || `cluster ${cluster}`} back`, () => store.act({ action: "ignore", cluster, ignore: false })));
    this.leftOut.replaceChildren(...(entries.length ? [el("h2", {}, "Left out"), ...entries.map(row)] : []));
  }

  loadBest(node) {
    this.seen.unobserve(node);
    const card = this.cards.get(Number(node.dataset.cluster));
    if (card) this.last = this.last.then(() => this.showBest(card));
  }

  async showBest(card) {
    if (!card.node.isConnected) return;
    try {
      card.showBest(await this.store.a.api.best(card.cluster));
    } catch {
      card.showBest({ patches: [], images: [] }); // a run without features still has its classes
    }
  }

  /** The next or previous card's name field. */
  step(cluster, by) {
    const order = [...this.host.children].map((node) => this.cards.get(Number(node.dataset.cluster)));
    const at = order.findIndex((card) => card.cluster === cluster);
    const next = order[Math.min(order.length - 1, Math.max(0, at + by))];
    this.byKeyboard = true;
    next.name.focus();
    next.name.select();
    this.store.select(next.cluster);
  }

  /** Focuses the selected card, or the first. */
  focus() {
    const card = this.cards.get(this.store.view.selected) ?? this.cards.get(Number(this.host.firstElementChild?.dataset.cluster));
    this.byKeyboard = true;
    card?.name.focus();
  }

  async merge(cluster, into) {
    const name = this.store.a.nameOf(into);
    if (await this.store.act({ action: "merge", cluster, into })) {
      this.store.select(this.store.a.rootOf(into));
      this.store.notice(`Class ${cluster} is part of ${name} now.`);
    }
  }

  toggleHidden(cluster) {
    const hidden = new Set(this.store.view.hidden);
    if (!hidden.delete(cluster)) hidden.add(cluster);
    this.store.set({ hidden });
  }

  /** A card above that folds must not move the one that was clicked. */
  keepInPlace(change) {
    const node = this.cards.get(this.store.view.selected)?.node;
    const before = node?.getBoundingClientRect().top;
    change();
    const scroller = this.host.parentElement;
    if (node) scroller.scrollTop += node.getBoundingClientRect().top - before;
  }

  reveal() { this.cards.get(this.store.view.selected)?.node.scrollIntoView({ block: "nearest" }); }
}
