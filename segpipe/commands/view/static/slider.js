// How many classes: cuts the class tree; colors change at once, nothing is computed and nothing written until "Keep".
import { button, byId, el, say } from "./dom.js";

export class Slider {
  constructor(store) {
    this.store = store;
    this.box = byId("slider");
    this.range = el("input", { type: "range", step: 1, "aria-label": "Number of classes, a preview", oninput: () => this.preview() });
    this.value = el("output", { class: "k" });
    this.keep = button("Keep", "Write this number to the settings", () => this.write());
    this.back = button("Back", "End the preview", () => store.set({ preview: null }));
    this.text = el("p", { class: "hint", role: "status" });
    this.box.append(el("h2", {}, "Number of classes"), el("div", { class: "row" }, this.range, this.value, this.keep, this.back), this.text);
    this.note = byId("map-note");
    store.on("run", () => this.load());
    store.on("state", () => this.show());
    store.on("view", (keys) => (keys.has("preview") || keys.has("heat")) && this.show());
  }

  load() {
    const { tree } = this.store.a.run;
    this.box.hidden = !tree;
    if (!tree) return;
    Object.assign(this.range, { min: tree.least, max: tree.most });
    this.range.value = tree.k;
    this.show();
  }

  preview() {
    this.willRun = null;
    this.store.set({ preview: Number(this.range.value), heat: null });
  }

  show() {
    const { tree } = this.store.a.run;
    const { preview, heat } = this.store.view;
    if (tree) {
      const k = preview ?? tree.k;
      if (preview === null) this.range.value = tree.k;
      say(this.value, String(k));
      this.range.setAttribute("aria-valuetext", `${k} classes`);
      this.keep.disabled = preview === null || preview === tree.k;
      this.back.disabled = preview === null;
      say(this.text, this.sentence(tree, preview, k));
    }
    const note = preview === null ? "" : `preview of ${preview} classes, patch by patch, before borders are refined`;
    say(this.note, heat ? "the warmer, the more alike (Esc: back to the classes)" : note);
    this.note.hidden = !this.note.textContent;
  }

  sentence(tree, preview, k) {
    if (this.willRun) return this.willRun;
    const agreement = tree.agreement?.[String(k)];
    const agrees = agreement === undefined || agreement === null ? "" : ` Patches that look alike agree: ${agreement.toFixed(2)} (0 by chance, 1 always).`;
    return preview === null ? `The run has ${tree.k} clusters. Move to see fewer or more.${agrees}` : `Nothing is written yet.${agrees}`;
  }

  async write() {
    const k = this.store.view.preview;
    const answer = await this.store.act({ action: "keep_k", k });
    if (!answer) return;
    this.willRun = `cluster.k = ${k} is written. The masks change when the run goes on: ${this.store.a.state.refresh ?? answer.command}`;
    this.show();
  }
}
