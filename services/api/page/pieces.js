// @ts-check
/** What views show things with: answers and what goes wrong with them, tables, facts, moments. */
import { effect, ending, h, signal, untracked } from "./view.js";
import { Problem, get, isAway, returns } from "./api.js";
import { dialog, form, quietly, told } from "./dialog.js";
import { needsPurpose, zone } from "./session.js";
import { t } from "./texts.js";
import { clockText, dateText, parseMoment } from "./time.js";

/** @typedef {import("./view.js").Child} Child */

/** What went wrong, and a way out. @param {string} text @param {() => void} again */
export const problemBox = (text, again) =>
  h("div", { class: "standing", role: "alert" }, h("p", null, text), h("button", { type: "button", onclick: again }, t("again")));

/**
 * What a view asks for once, and again when the API is back. An answer that a later one has overtaken is thrown away.
 * @template T @param {() => Promise<T>} ask @param {{purpose?: boolean}} [how] purpose: not before one is stated,
 *   where the deployment asks for it
 */
export function asking(ask, how = {}) {
  const found = signal(/** @type {T | null} */ (null));
  const problem = signal("");
  let latest = 0;
  const again = async () => {
    if (how.purpose && needsPurpose.peek()) return;
    const mine = (latest += 1);
    try {
      const answer = await ask();
      if (mine === latest) set(answer);
    } catch (error) {
      // what is shown stays while the API is away
      if (mine === latest && !(isAway(error) && found.peek() !== null)) problem.value = told(error);
    }
  };
  /** Takes what is newer than any answer that is on its way. @param {T} answer */
  const set = (answer) => {
    latest += 1;
    found.value = answer;
    problem.value = "";
  };
  effect(() => {
    void returns.value;
    if (how.purpose) void needsPurpose.value;
    untracked(() => void again());
  });
  /** @type {HTMLElement | undefined} */
  let box;
  return {
    found,
    problem,
    again,
    set,
    /** Shows it; before that, that it comes; and what went wrong. @param {(found: T) => Child} render */
    shown: (render) => () => {
      if (problem.value) return problemBox(problem.value, again);
      if (found.value === null) return h("p", { class: "standing" }, t("loading"));
      // who stands on a button stays there, or on the one that took the place of a row that is gone
      const at = box ? reachable(box).indexOf(/** @type {HTMLElement} */ (document.activeElement)) : -1;
      const made = h("div", null, render(found.value));
      box = made;
      if (at >= 0) queueMicrotask(() => reachable(made)[Math.min(at, reachable(made).length - 1)]?.focus({ preventScroll: true }));
      return made;
    },
  };
}

/** @param {HTMLElement} box @returns {HTMLElement[]} what the keyboard reaches in it, in order */
export const reachable = (box) => [...box.querySelectorAll(/** @type {"button"} */ ("a[href], button, input, select, summary, [tabindex='0']"))];

/** Asks for a moment, as somebody writes it. @param {number} seenMs of the day that is looked at @param {(ms: number) => void} work */
export const askMoment = (seenMs, work) =>
  dialog(t("go.to.time"), (close) =>
    form([{ name: "moment", label: t("time"), hint: t("moment.help"), required: true }], t("go.to"), async ({ moment }) => {
      const ms = parseMoment(moment, Date.now(), seenMs, zone.peek());
      if (ms === null) throw new Problem(422, "", [{ field: "moment", message: t("moment.wrong") }]);
      close();
      work(ms);
    }),
  );

/** Names with their values; a line without a value is left out. @param {([string, Child] | null)[]} lines */
export const facts = (lines) =>
  h("dl", null, lines.map((line) => (line === null || line[1] === null || line[1] === undefined ? null : [h("dt", null, line[0]), h("dd", null, line[1])])));

/** A table that scrolls where it is too wide. The last column needs no head. @param {string} label
 * @param {string[]} heads @param {Child} body rows */
export const table = (label, heads, body) =>
  h(
    "div",
    { class: "tablebox", tabindex: 0, role: "region", "aria-label": label },
    h("table", null, h("thead", null, h("tr", null, heads.map((each) => (each ? h("th", { scope: "col" }, each) : h("td", null))))), h("tbody", null, body)),
  );

const AGAIN_MS = 2000;
/** A picture that is asked for once more where it did not come: a server may have been busy.
 * @param {Record<string, any>} props of the `img` @param {() => void} lost where there is none */
export function picture(props, lost) {
  const made = h("img", props);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const again = () => {
    made.addEventListener("error", lost, { once: true });
    made.src = props.src;
  };
  made.addEventListener("error", () => (timer = setTimeout(again, AGAIN_MS)), { once: true });
  ending(() => clearTimeout(timer));
  return made;
}

/** Names of the cameras or lists that there are, as soon as the API tells. @param {"cameras" | "lists"} path
 * @param {string} name of the field @param {() => boolean} [allowed] @returns {import("./view.js").Signal<string[]>} */
export function namesOf(path, name, allowed = () => true) {
  const found = signal(/** @type {string[]} */ ([]));
  effect(() => {
    void returns.value;
    if (!allowed()) return;
    void quietly(get(path)).then((all) => {
      const names = all?.items.map((/** @type {any} */ each) => each[name]);
      if (names && String(names) !== String(found.peek())) found.value = names; // a choice that is open stays
    });
  });
  return found;
}

/** Clock and day of a moment, in a row. @param {() => string} moment as the API writes it */
export const when = (moment) =>
  h("time", { class: "when", datetime: moment }, h("b", null, () => clockText(Date.parse(moment()), zone.value)), h("span", null, () => dateText(Date.parse(moment()), zone.value)));
