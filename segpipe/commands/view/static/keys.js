// Keys that work everywhere, and the dialog that lists them.
import { byId, el, isTyping } from "./dom.js";

const LISTED = [
  ["?", "these keys"], ["u or Ctrl+Z", "undo"], ["Ctrl+Y", "redo"], ["g", "to the classes: ↑ ↓, type a name, Enter"],
  ["i", "to the images: ↑ ↓ Home End"], ["n  p", "next, previous image"], ["/", "search images"],
  ["m", "to the map: arrows pan, + − 0 zoom, Enter takes the place at the cross"], ["q  a  x", "a click looks, finds alike, puts a point"],
  ["1 … 9", "label of the next point, or of the place suggested"], ["c", "classes on or off"], ["l", "outlines"], ["s", "swipe"], ["f", "fade what is unsure"],
  ["b", "two images side by side"], ["o", "selected class alone"], ["h", "hide the selected class"], ["Esc", "end heat, preview, class alone"],
];

/** `does`: {key: function}; `store` for undo, redo and Escape. */
export function listenKeys(store, does) {
  const dialog = byId("keys");
  byId("key-list").append(...LISTED.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]));
  const help = () => dialog.showModal();
  byId("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (dialog.open || event.defaultPrevented) return;
    const isControl = (event.ctrlKey || event.metaKey) && !event.altKey;
    const key = event.key.toLowerCase();
    const isTyped = isTyping(event.target) && isChanged(event.target);
    if (isControl && !isTyped && (key === "z" || key === "y")) {
      event.preventDefault();
      if (key === "y" || event.shiftKey) store.redo();
      else store.undo();
    }
    if (isControl || event.altKey || isTyping(event.target)) return;
    if (event.key === "Escape") store.set({ heat: null, preview: null, alone: null });
    if (!byId("single").checked) return;
    const act = event.key === "?" ? help : key === "u" ? () => store.undo() : does[key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** A field whose text differs from what is stored undoes its own typing. */
function isChanged(field) {
  return field instanceof HTMLInputElement && field.value !== (field.dataset.stored ?? "");
}
