// The page of `segpipe view`: makes the parts, joins them, loads the run.
import { Banners, Log } from "./banners.js";
import { Beside } from "./beside.js";
import { Cards } from "./cards.js";
import { byId, say } from "./dom.js";
import { listenKeys } from "./keys.js";
import { Points } from "./points.js";
import { Similar } from "./similar.js";
import { Slider } from "./slider.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { Strip } from "./strip.js";
import { Tabs } from "./tabs.js";

const store = new Store();
store.view.image = Number.parseInt(location.hash.slice(1), 10) || 0;
const stage = new Stage(store);
const tabs = new Tabs(store);
const strip = new Strip(store);
const cards = new Cards(store);
const points = new Points(store);
new Banners(store);
new Log(store);
new Slider(store);
new Similar(store);
new Beside(store, stage);

const check = (id, key, on = true, off = false) => {
  const box = byId(id);
  box.addEventListener("change", () => store.set({ [key]: box.checked ? on : off }));
  store.on("view", (keys) => { if (keys.has(key)) box.checked = store.view[key] !== off; });
  return () => box.click();
};
const toggles = {
  c: check("shown", "shown"), l: check("outlines", "outlines"), f: check("fade", "fade"), b: check("beside", "beside"), s: check("swipe", "swipe", 50, null),
};
byId("opacity").addEventListener("input", ({ target }) => store.set({ opacity: Number(target.value) / 100, shown: true }));
byId("zoom-in").addEventListener("click", () => stage.map.zoomBy(1.5));
byId("zoom-out").addEventListener("click", () => stage.map.zoomBy(1 / 1.5));
byId("zoom-home").addEventListener("click", () => stage.map.home());
byId("undo").addEventListener("click", () => store.undo());
byId("redo").addEventListener("click", () => store.redo());

const modes = [...document.querySelectorAll("input[name=mode]")];
for (const radio of modes) radio.addEventListener("change", () => radio.checked && setMode(radio.value));

function setMode(mode) {
  store.set({ mode });
  if (mode !== "look") tabs.show(mode === "alike" ? "alike" : "points");
}

store.on("view", (keys) => {
  if (!keys.has("mode")) return;
  for (const radio of modes) radio.checked = radio.value === store.view.mode;
  document.body.dataset.mode = store.view.mode;
});
store.on("place", (place) => {
  const found = store.view.mode === "look" ? stage.under(place) : null;
  if (found?.root === null || !found) return;
  tabs.show("classes");
  store.select(found.root);
});
store.on("state", () => {
  const { undo, redo } = store.a.state;
  for (const [id, what, key] of [["undo", undo, "u"], ["redo", redo, "Ctrl+Y"]]) {
    byId(id).disabled = !what;
    byId(id).title = what ? `${id === "undo" ? "Undo" : "Do again"}: ${what} (${key})` : `Nothing to ${id}`;
  }
});
store.on("run", () => {
  say(byId("run-name"), store.a.run.name);
  document.title = `${store.a.run.name} – segpipe view`;
});

const selected = (change) => () => store.view.selected !== null && change(store.view.selected);
listenKeys(store, {
  ...toggles,
  g: () => { tabs.show("classes"); cards.focus(); },
  i: () => { tabs.show("images"); byId("strip").focus(); },
  m: () => stage.map.canvas.focus({ focusVisible: true }),
  n: () => strip.step(1), p: () => strip.step(-1),
  "/": () => { tabs.show("images"); byId("search").focus(); },
  q: () => setMode("look"), a: () => setMode("alike"), x: () => setMode("point"),
  o: selected((cluster) => store.set({ alone: store.view.alone === cluster ? null : cluster })),
  h: selected((cluster) => cards.toggleHidden(cluster)),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => [String(number), () => points.chooseNth(number)])),
});

await store.begin();
