// @ts-check
/** Who looks at the page, how it is shown to them, and why they look. */
import { computed, signal } from "./view.js";

/** @typedef {import("./api_types.js").Session} Session */

/** @template T @param {string} name @param {T} first @param {Storage} store */
function kept(name, first, store) {
  const key = `platereel.${name}`;
  let known = first;
  try {
    known = JSON.parse(store.getItem(key) ?? "null") ?? first;
  } catch {
    // what an older page left is no reason to show nothing
  }
  const made = signal(known);
  return {
    get value() {
      return made.value;
    },
    set value(next) {
      made.value = next;
      store.setItem(key, JSON.stringify(next));
    },
    peek: made.peek,
  };
}

const own = navigator.language.toLowerCase().startsWith("de") ? "de" : "en";

export const language = kept("language", /** @type {"en" | "de"} */ (own), localStorage);
export const zone = kept("zone", /** @type {import("./time.js").Zone} */ ("local"), localStorage);
export const theme = kept("theme", /** @type {"auto" | "light" | "dark"} */ ("auto"), localStorage);
export const sound = kept("sound", false, localStorage);

/** Why this person looks; sent with each request where it is stated. */
export const purpose = kept("purpose", { purpose: "", case: "" }, sessionStorage);

/** undefined: not known yet; null: nobody is let in. */
export const session = signal(/** @type {Session | null | undefined} */ (undefined));

const ROLES = ["viewer", "operator", "admin"];
const atLeast = (/** @type {string} */ role) =>
  computed(() => ROLES.indexOf(session.value?.role ?? "") >= ROLES.indexOf(role));

export const isOperator = atLeast("operator");
export const isAdmin = atLeast("admin");
/** An admin whose key is for all cameras: what concerns all of them is for nobody else. */
export const isOwner = computed(() => isAdmin.value && session.value?.cameras === null);
export const hasLists = computed(() => Boolean(session.value?.lists && session.value.cameras === null));
export const needsPurpose = computed(
  () => session.value?.purpose_rule === "required" && !purpose.value.purpose,
);

/** The name of the zone for requests that take one. */
export const zoneName = () =>
  zone.value === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
