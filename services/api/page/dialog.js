// @ts-check
/** Dialogs, forms, what is said in between, and files that somebody takes along. */
import { effect, h, listen, mount, signal } from "./view.js";
import { Problem, file, isAway, media } from "./api.js";
import { session } from "./session.js";
import { t } from "./texts.js";

/** What a screen reader says next. */
export const spoken = signal("");

/** @typedef {{text: string, bad: boolean, id: number}} Note */
export const notes = signal(/** @type {Note[]} */ ([]));
const NOTE_MS = 6000;
let count = 0;

/** Says something for a few seconds. @param {string} text @param {boolean} [bad] */
export function tell(text, bad = false) {
  const note = { text, bad, id: (count += 1) };
  notes.value = [...notes.peek(), note];
  setTimeout(() => {
    notes.value = notes.peek().filter((each) => each.id !== note.id);
  }, NOTE_MS);
}

/** @param {unknown} error @returns {string} what went wrong, as a person is told */
export function told(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return t("error.unexpected");
  }
  if (error.status === 0) return t("error.away");
  if (error.status === 403) return `${t("error.right")} ${error.message}`;
  return error.message || t("error.unexpected");
}

/** Tells what went wrong with something that was asked for. @template T @param {Promise<T>} work
 * @returns {Promise<T | undefined>} */
export async function attempt(work) {
  try {
    return await work;
  } catch (error) {
    tell(told(error), true);
    return undefined;
  }
}

/** As `attempt`, for what the page asks by itself: where the API is away it asks again. @template T @param {Promise<T>} work
 * @returns {Promise<T | undefined>} */
export const quietly = (work) =>
  attempt(work.catch((error) => (isAway(error) ? undefined : Promise.reject(error))));

/**
 * Opens a dialog. The focus goes into it, and back where it was when it closes. It belongs to the view that is
 * shown: it closes when somebody goes back, and when their session ends.
 * @param {string} title @param {(close: () => void) => import("./view.js").Child} content
 * @param {{wide?: boolean}} [how] @returns {Promise<void>} when it is closed
 */
export function dialog(title, content, how = {}) {
  return new Promise((done) => {
    const before = document.activeElement;
    const close = () => made.close();
    const name = `dialog${(count += 1)}`;
    const made = h("dialog", { "aria-labelledby": name, class: how.wide ? "wide" : "" });
    document.body.append(made);
    const end = mount(made, () => {
      listen(window, "hashchange", close);
      effect(() => {
        if (session.value === null) close();
      });
      return [
        h(
          "header",
          null,
          h("h2", { id: name }, title),
          h("button", { type: "button", class: "quiet", onclick: close, "aria-label": t("close") }, "✕"),
        ),
        h("div", { class: "content" }, content(close)),
      ];
    });
    made.addEventListener("close", () => {
      end();
      made.remove();
      const back = before instanceof HTMLElement && before.isConnected ? before : document.getElementById("content");
      back?.focus();
      done();
    });
    made.showModal();
    const first = /** @type {HTMLElement | null} */ (
      made.querySelector("[autofocus], .content input, .content select, .content textarea, .content button")
    );
    first?.focus();
  });
}

/** Asks whether to go on. @param {string} question @param {string} yes @returns {Promise<boolean>} */
export async function confirmed(question, yes) {
  let answer = false;
  await dialog(t("sure"), (close) => [
    h("p", null, question),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", onclick: close }, t("cancel")),
      h(
        "button",
        {
          type: "button",
          class: "danger",
          onclick: () => {
            answer = true;
            close();
          },
        },
        yes,
      ),
    ),
  ]);
  return answer;
}

/** @typedef {{name: string, label: string, type?: string, value?: any, required?: boolean, hint?: string,
 *   options?: {value: string, label: string}[], attributes?: {[name: string]: any}}} Field */

/**
 * A form whose errors stand at their fields. `work` gets the values; a text that is empty is null.
 * @param {Field[]} fields @param {string} label of the button that sends it
 * @param {(values: {[name: string]: any}) => Promise<void>} work
 */
export function form(fields, label, work) {
  const busy = signal(false);
  const problem = signal("");
  const wrong = signal(/** @type {{[name: string]: string}} */ ({}));
  const unique = (count += 1);
  /** @param {Field} field */
  const control = (field) => {
    const id = `f${unique}-${field.name}`;
    const common = {
      id,
      name: field.name,
      required: field.required,
      "aria-describedby": () => (wrong.value[field.name] ? `${id}-wrong` : field.hint ? `${id}-hint` : null),
      "aria-invalid": () => (wrong.value[field.name] ? "true" : null),
      ...field.attributes,
    };
    if (field.options) {
      return h(
        "select",
        common,
        field.options.map((each) =>
          h("option", { value: each.value, selected: each.value === String(field.value ?? "") }, each.label),
        ),
      );
    }
    if (field.type === "textarea") return h("textarea", { ...common, rows: 3 }, field.value ?? "");
    if (field.type === "checkbox") return h("input", { ...common, type: "checkbox", checked: Boolean(field.value) });
    return h("input", { ...common, type: field.type ?? "text", value: field.value ?? "" });
  };
  const row = (/** @type {Field} */ field) => {
    const id = `f${unique}-${field.name}`;
    return h(
      "div",
      { class: field.type === "checkbox" ? "field check" : "field" },
      h("label", { for: id }, field.label, field.required ? " *" : ""),
      control(field),
      field.hint ? h("small", { id: `${id}-hint` }, field.hint) : null,
      () => (wrong.value[field.name] ? h("p", { id: `${id}-wrong`, class: "wrong" }, wrong.value[field.name]) : null),
    );
  };
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const given = /** @type {HTMLFormElement} */ (event.target);
    /** @type {{[name: string]: any}} */
    const values = {};
    for (const field of fields) {
      const input = /** @type {HTMLInputElement} */ (given.elements.namedItem(field.name));
      if (field.type === "checkbox") values[field.name] = input.checked;
      else if (field.type === "file") values[field.name] = input.files?.[0] ?? null;
      else if (field.type === "number") values[field.name] = input.value === "" ? null : Number(input.value);
      else values[field.name] = input.value.trim() || null;
    }
    busy.value = true;
    problem.value = "";
    wrong.value = {};
    try {
      await work(values);
    } catch (error) {
      const errors = error instanceof Problem ? error.errors : [];
      const known = errors.filter((each) => fields.some((field) => field.name === each.field));
      wrong.value = Object.fromEntries(known.map((each) => [each.field, each.message]));
      if (known.length < errors.length || !errors.length) problem.value = told(error);
      const first = known[0] && given.elements.namedItem(known[0].field);
      if (first instanceof HTMLElement) first.focus();
    } finally {
      busy.value = false;
    }
  };
  return h(
    "form",
    { onsubmit: submit, class: "form" },
    fields.map(row),
    () => (problem.value ? h("p", { class: "wrong", role: "alert" }, problem.value) : null),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "main", disabled: () => busy.value }, label)),
  );
}

/* ---- files ---- */

/** @param {string} path @param {import("./api.js").Query} query @param {string} name @param {string} [accept] */
export async function saveCsv(path, query, name, accept = "text/csv") {
  tell(t("file.comes"));
  const found = await attempt(file(path, query, accept));
  if (!found) return;
  const href = URL.createObjectURL(found);
  click(href, name);
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** Lets the browser fetch a file by itself: films are too large to hold them here.
 * @param {string} path @param {import("./api.js").Query} [query] */
export function saveFile(path, query) {
  click(media(path, query), "");
}

/** @param {string} href @param {string} name */
function click(href, name) {
  const made = h("a", { href, download: name, hidden: true });
  document.body.append(made);
  made.click();
  made.remove();
}
