// What is true now: the run, its state on the server, and what the user looks at. Everything else listens to it.
import { Api } from "./api.js";
import { Source } from "./source.js";

const POLL_MS = 2000;
const FIRST_MS = 4000;

/** Events: `run` (everything anew), `state` (classes, points …), `view` (detail: keys that changed), `goto`, `notice`, `command`. */
export class Store extends EventTarget {
  constructor() {
    super();
    this.a = new Source(new Api("/a"));
    this.b = null;
    this.view = {
      image: 0, mode: "look", selected: null, label: "", hidden: new Set(), alone: null, opacity: 0.55, shown: true,
      outlines: false, fade: false, swipe: null, preview: null, heat: null, beside: false, target: null,
    };
    this.working = 0;
    this.sent = 0;
    this.last = Promise.resolve();
    this.timer = null;
    /** Resolves when the first photograph is seen: small pictures wait for it, they would take its turn. */
    this.ready = new Promise((resolve) => { this.isReady = resolve; });
    setTimeout(() => this.isReady(), FIRST_MS);
  }

  async load() {
    await this.a.load();
    if (this.a.run.beside && !this.b) this.b = new Source(new Api("/b"));
    if (this.b) await this.b.load();
    const image = Math.min(this.view.image, Math.max(0, this.a.count - 1));
    const selected = this.a.entry(this.view.selected) ? this.view.selected : null;
    this.view = { ...this.view, image, selected, preview: null, heat: null, alone: null, hidden: new Set() };
    this.emit("run");
    this.emit("state");
  }

  emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  on(type, listener) { this.addEventListener(type, (event) => listener(event.detail)); }

  /** Changes what is looked at; listeners get the set of keys that differ. */
  set(change) {
    const keys = new Set(Object.keys(change).filter((key) => this.view[key] !== change[key]));
    if (!keys.size) return;
    Object.assign(this.view, change);
    this.emit("view", keys);
  }

  select(cluster) { this.set({ selected: cluster }); }

  /** Shows an image and, where given, a place {row, col} of it. */
  goTo(image, place = null) {
    this.set({ image, target: place ? { image, ...place } : null });
    this.emit("goto", place);
  }

  notice(text, kind = "info") { this.emit("notice", { text, kind }); }

  /** Sends an action once those before it are answered; null where it was refused, which is shown in its own words. */
  act(body) {
    this.work(1);
    this.sent += 1;
    this.last = this.last.then(() => this.send(body));
    return this.last;
  }

  async send(body) {
    try {
      const answer = await this.a.api.act(body);
      if (answer.command) this.emit("command", answer.command);
      this.take(answer.state);
      for (const line of answer.will_run ?? []) this.notice(`will run: ${line}`);
      return answer;
    } catch (error) {
      this.notice(error.message, "error");
      return null;
    } finally {
      this.work(-1);
    }
  }

  /** Counts actions without an answer; the page says by `aria-busy` that there are some. */
  work(more) {
    this.working += more;
    document.body.setAttribute("aria-busy", String(this.working > 0));
  }

  /** Takes a state; where masks or clusters are others, everything is loaded anew. */
  take(state) {
    const before = this.a.state;
    if (state.version === before.version && JSON.stringify(state) === JSON.stringify(before)) return;
    this.a.state = state;
    if (state.artefacts !== before.artefacts) {
      this.notice("The masks or clusters of this run have changed: everything was loaded again.");
      this.load().catch((error) => this.notice(error.message, "error"));
    } else this.emit("state");
  }

  /** Loads the run and looks for changes from then on. */
  async begin() {
    try {
      await this.load();
    } catch (error) {
      this.notice(error.message, "error");
      this.lost = true;
    }
    this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  async poll() {
    if (!document.hidden && !this.working) {
      try {
        const { sent } = this;
        if (!this.a.run) await this.load();
        const state = await this.a.api.state();
        if (!this.working && this.sent === sent) this.take(state); // else it may be older than the last action's
        if (this.b) await this.lookBeside();
        if (this.lost) this.notice("The server answers again.");
        this.lost = false;
      } catch (error) {
        if (!this.lost) this.notice(error.message, "error");
        this.lost = true;
      }
    }
    this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  /** Names and colors of the run beside may change too; its masks are read when the page is loaded. */
  async lookBeside() {
    const state = await this.b.api.state();
    if (state.version === this.b.state.version) return;
    this.b.state = state;
    this.emit("state");
  }

  async undo() {
    await this.last;
    if (!this.a.state.undo) return this.notice("There is nothing to undo.");
    const what = this.a.state.undo;
    if (await this.act({ action: "undo" })) this.notice(`Undone: ${what}`);
  }

  async redo() {
    await this.last;
    if (!this.a.state.redo) return this.notice("There is nothing to redo.");
    const what = this.a.state.redo;
    if (await this.act({ action: "redo" })) this.notice(`Done again: ${what}`);
  }
}
