// @ts-check
/**
 * Ways through the page: addresses, and keys.
 *
 * Where the page is: `#/name/argument?query`. What stands behind `#` is never sent to a server, so a
 * plate that somebody looks for is in no server's log of addresses.
 */
import { ending, signal } from "./view.js";

/** @typedef {{name: string, args: string[], query: URLSearchParams}} Route */

/** A part of an address; as it stands where somebody cut it in two. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @returns {Route} */
function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name = "", ...args] = path.split("/").map(decoded);
  return { name: name || "passes", args, query: new URLSearchParams(query) };
}

export const route = signal(read());
let place = location.hash;
function follow() {
  if (location.hash === place) return;
  place = location.hash;
  route.value = read();
}
addEventListener("hashchange", follow);

/** @param {string} name @param {string[]} [args]
 * @param {{[name: string]: string | number | boolean | null | undefined} | URLSearchParams} [query] */
export function link(name, args = [], query = {}) {
  const given = query instanceof URLSearchParams ? query : new URLSearchParams();
  if (!(query instanceof URLSearchParams)) {
    for (const [key, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "" && value !== false) given.set(key, String(value));
    }
  }
  const text = given.toString();
  return `#/${[name, ...args].map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** @param {string} where as `link` makes it */
export function go(where) {
  location.hash = where;
  follow(); // the browser tells it later
}

/** Changes the query of the place that is shown. What is typed is no new step for "back".
 * @param {{[name: string]: string | number | boolean | null | undefined}} changes */
export function refine(changes) {
  const here = route.peek();
  const query = new URLSearchParams(here.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "" || value === false) query.delete(key);
    else query.set(key, String(value));
  }
  history.replaceState(history.state, "", link(here.name, here.args, query));
  place = location.hash;
  route.value = { ...here, query };
}

/* ---- keys ---- */

/** @typedef {{key: string, told: string, work: (event: KeyboardEvent) => void, shown?: string}} Key */

/** @type {Set<{title: string, keys: Key[]}>} */
const groups = new Set();

/** Keys that work until the effect or scope around ends. @param {string} title @param {Key[]} keys */
export function keys(title, keys) {
  const group = { title, keys };
  groups.add(group);
  ending(() => groups.delete(group));
}

/** All that work now, for the help. */
export const known = () => [...groups];

/** @param {EventTarget | null} target whether somebody types there; a dialog that has just closed has the focus for a moment */
const types = (target) =>
  target instanceof HTMLElement &&
  !target.closest("dialog:not([open])") &&
  (target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type)));

addEventListener("keydown", (event) => {
  // many keyboards have brackets only with AltGr, which some systems call Ctrl and Alt, or with Option
  const bracket = event.altKey && "[]{}".includes(event.key);
  if (event.metaKey || event.defaultPrevented || ((event.ctrlKey || event.altKey) && !bracket)) return;
  if (types(event.target) || document.querySelector("dialog[open]")) return;
  // Space and Enter belong to what has the focus
  const pressed = event.target instanceof HTMLElement && event.target.closest("button, a, summary, input");
  if (pressed && (event.key === " " || event.key === "Enter")) return;
  for (const group of [...groups].reverse()) {
    const found = group.keys.find((each) => each.key === event.key);
    if (!found) continue;
    event.preventDefault();
    found.work(event);
    return;
  }
});
