// Elements made from data. Text goes in as text nodes alone: a name with markup in it is shown, never parsed.

/** An element by its id; a page without it is broken, so it says which. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** A new element: `on…` are listeners, `.x` properties, `data` its data-*, everything else attributes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key.startsWith(".")) node[key.slice(1)] = value;
    else if (key === "data") Object.assign(node.dataset, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A button that cannot submit anything. */
export function button(text, label, onclick, props = {}) {
  return el("button", { type: "button", "aria-label": label === text ? null : label, title: label, onclick, ...props }, text);
}

/** Writes text where it differs: a screen reader hears changes alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Whether keys go into a field that takes text. */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["range", "checkbox", "radio", "button", "color"].includes(target.type);
}

/** `0.123` as `12.3%`; `null` as a dash. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = 100 * share;
  return `${value >= 9.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)}%`;
}
