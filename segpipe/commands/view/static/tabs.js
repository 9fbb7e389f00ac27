// Tabs of the panel; where the page is narrow, the images are one of them.
import { byId } from "./dom.js";

const NARROW = window.matchMedia("(max-width: 860px)");

export class Tabs {
  constructor(store) {
    this.tabs = [...document.querySelectorAll("[role=tab]")];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.show(tab.dataset.tab));
      tab.addEventListener("keydown", (event) => this.key(event));
    }
    NARROW.addEventListener("change", () => this.show(document.body.dataset.tab));
    store.on("tab", (name) => this.show(name));
    this.show("classes");
  }

  /** Shows a tab. Where images have a place of their own they need none: what is shown stays. */
  show(name) {
    if (name === "images" && !NARROW.matches) {
      if (document.body.dataset.tab !== "images") return;
      name = "classes";
    }
    document.body.dataset.tab = name;
    for (const tab of this.tabs) {
      const isShown = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      if (tab.dataset.tab !== "images") byId(tab.dataset.tab).hidden = !isShown;
    }
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const shown = this.tabs.filter((tab) => tab.offsetParent !== null);
    const next = shown[(shown.indexOf(event.currentTarget) + step + shown.length) % shown.length];
    this.show(next.dataset.tab);
    next.focus();
  }
}
