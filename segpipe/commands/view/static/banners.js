// What the user must know: a command at work, a job with its progress, what is out of date, notes, short messages.
import { button, byId, el, say } from "./dom.js";

const TOAST_MS = 6000;
const MOST_TOASTS = 2;

export class Banners {
  constructor(store) {
    this.store = store;
    this.host = byId("banners");
    this.toasts = byId("toasts");
    // at the bottom: nothing moves under the pointer when they come and go
    this.working = byId("working");
    this.staleness = byId("stale");
    this.dismissed = new Set();
    store.on("run", () => this.show());
    store.on("state", () => this.show());
    store.on("notice", (notice) => this.toast(notice));
  }

  show() {
    const { run, state } = this.store.a;
    const key = JSON.stringify([run.notes, state.busy, state.job, state.stale, state.refresh, state.error, state.drawing, [...this.dismissed]]);
    if (key === this.key) return;
    this.key = key;
    const parts = [];
    if (state.busy) parts.push(el("p", { class: "banner warn", role: "status" }, state.busy));
    if (state.error) parts.push(el("p", { class: "banner error", role: "alert" }, state.error));
    if (state.job?.failed) parts.push(el("p", { class: "banner error", role: "alert" }, `${state.job.what}: ${state.job.failed}`));
    const notes = run.notes.filter((note) => !this.dismissed.has(note));
    if (notes.length) parts.push(this.notes(notes));
    this.host.replaceChildren(...parts);
    this.working.replaceChildren(...(state.drawing ? this.drawing(state.drawing) : []), ...(state.job && !state.job.failed ? this.job(state.job) : []));
    this.staleness.replaceChildren(...(state.stale.length && state.refresh ? this.stale(state) : []));
  }

  job({ what, done, of, line }) {
    const text = `${what}: ${line}`;
    return [el("span", { title: text }, text), el("progress", { max: of || 1, ".value": of ? done : null, "aria-label": `Progress of ${what}` })];
  }

  drawing({ image, share }) {
    const text = `A smaller copy of ${this.store.a.image(image).path} is being made; the photograph is coarse until then.`;
    return [el("span", { title: text }, text), el("progress", { max: 1, ".value": share, "aria-label": "Progress of the copy" })];
  }

  stale({ stale, refresh }) {
    return [el("span", { title: refresh }, `Out of date: ${stale.join(", ")}`),
      button("Copy the command", `Copy the command that makes them anew: ${refresh}`, () => copyText(this.store, refresh))];
  }

  notes(notes) {
    return el("details", { class: "banner" }, el("summary", {}, `${notes.length} ${notes.length === 1 ? "note" : "notes"} on this run`),
      el("ul", {}, notes.map((note) => el("li", {}, note))),
      button("Dismiss", "Dismiss the notes", () => {
        notes.forEach((note) => this.dismissed.add(note));
        this.show();
      }));
  }

  toast({ text, kind }) {
    const node = el("p", { class: `toast ${kind}`, role: kind === "error" ? "alert" : null }, text);
    const end = () => node.remove();
    node.append(button("×", "Close this message", end));
    this.toasts.append(node);
    while (this.toasts.children.length > MOST_TOASTS) this.toasts.firstElementChild.remove();
    if (kind !== "error") setTimeout(end, TOAST_MS);
  }
}

/** Puts text into the clipboard and says so. */
export async function copyText(store, text) {
  try {
    await navigator.clipboard.writeText(text);
    store.notice("Copied.");
  } catch {
    store.notice("The browser does not let this page copy; select the text instead.", "error");
  }
}

/** The command lines that do what was done here. */
export class Log {
  constructor(store) {
    this.lines = [];
    const last = byId("last");
    store.on("command", (line) => {
      this.lines.push(line);
      say(last, line);
      byId("lines").append(el("li", {}, el("code", {}, line)));
    });
    byId("copy").addEventListener("click", () => copyText(store, this.lines.join("\n")));
  }
}
