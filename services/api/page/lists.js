// @ts-check
/** The lists of plates beside the hits, and the entries of one list. */
import { effect, ending, h, signal, untracked } from "./view.js";
import { Problem, get, returns, send } from "./api.js";
import { attempt, confirmed, dialog, form, saveCsv } from "./dialog.js";
import { link, route } from "./route.js";
import { hasLists, zone, zoneName } from "./session.js";
import { exactText, fieldMoment, fieldText } from "./time.js";
import { counted, t, word } from "./texts.js";
import { asking, table } from "./pieces.js";
import { Pages, rowHeight, rows, standing } from "./virtual.js";
import { openHits } from "./hits.js";

/** @typedef {import("./api_types.js").PlateList} PlateList */
/** @typedef {import("./api_types.js").ListEntry} ListEntry */

const PAGE = 50;
const DIGITS = /** @type {[string, number][]} */ ([["0", 0], ["0.1", 0.1], ["0.2", 0.2], ["0.5", 0.5], ["1", 1]]);

export function listsView() {
  const name = untracked(() => route.value.args[0]);
  return name ? oneList(name) : h("div", { class: "two" }, openHits(), () => (hasLists.value ? untracked(allLists) : null));
}

/* ---- lists ---- */

function allLists() {
  const lists = asking(async () => /** @type {PlateList[]} */ ((await get("lists")).items));
  return h(
    "section",
    { class: "column", "aria-label": t("lists") },
    h("div", { class: "filters bar" }, h("h2", null, t("lists")), h("button", { type: "button", class: "main", onclick: () => newList(lists.again) }, t("list.new")), h("button", { type: "button", onclick: () => preview("", 0) }, t("preview"))),
    lists.shown((found) =>
      found.length
        ? table(t("list"), [t("list"), t("kind"), t("entries"), ""], found.map((each) => listRow(each, lists.again)))
        : h("p", { class: "standing" }, t("lists.none")),
    ),
  );
}

/** @param {PlateList} list @param {() => void} again */
function listRow(list, again) {
  return h(
    "tr",
    null,
    h("td", null, h("a", { href: link("lists", [list.name]) }, list.name), list.quiet_hours ? h("small", null, ` ${t("quiet.hours")} ${list.quiet_hours}`) : null),
    h("td", null, word("kind", list.kind)),
    h("td", { class: "number" }, list.entries),
    h("td", null, h("button", { type: "button", onclick: () => settingsOf(list, again) }, t("settings"))),
  );
}

const LIST_FIELDS = (/** @type {Partial<PlateList>} */ list) => [
  { name: "quiet_hours", label: t("quiet.hours"), hint: t("hours.hint"), value: list.quiet_hours },
  { name: "time_zone", label: t("time.zone"), value: list.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC" },
  { name: "cool_down_seconds", label: t("cool.down"), type: "number", value: list.cool_down_seconds ?? 0, attributes: { min: 0, step: "any" } },
  { name: "hit_days", label: t("hit.days"), type: "number", hint: t("hit.days_hint"), value: list.hit_days, attributes: { min: 0, step: "any" } },
  { name: "cameras", label: t("cameras"), hint: t("cameras.hint"), value: list.cameras?.join(", ") },
];
const listed = (/** @type {string | null} */ text) => (text ? text.split(/[\s,]+/).filter(Boolean) : null);

/** @param {() => void} again */
function newList(again) {
  return dialog(t("list.new"), (close) =>
    form(
      [
        { name: "name", label: t("name"), required: true, attributes: { maxlength: 64 } },
        { name: "kind", label: t("kind"), value: "watch", options: ["watch", "known", "ignore"].map((value) => ({ value, label: word("kind", value) })) },
        ...LIST_FIELDS({}),
      ],
      t("list.new"),
      async (given) => {
        await send("POST", "lists", { ...given, cool_down_seconds: given.cool_down_seconds ?? 0, cameras: listed(given.cameras) });
        again();
        close();
      },
    ),
  );
}

/** @param {PlateList} list @param {() => void} again */
function settingsOf(list, again) {
  return dialog(list.name, (close) => [
    form(LIST_FIELDS(list), t("save"), async (given) => {
      await send("PATCH", `lists/${encodeURIComponent(list.name)}`, { ...given, cool_down_seconds: given.cool_down_seconds ?? 0, cameras: listed(given.cameras) });
      again();
      close();
    }),
    h("button", { type: "button", class: "danger", onclick: async () => {
      close();
      if (!(await confirmed(t("list.delete_sure", { name: list.name, n: list.entries }), t("delete")))) return;
      await attempt(send("DELETE", `lists/${encodeURIComponent(list.name)}`));
      again();
    } }, t("list.delete")),
  ]);
}

/* ---- one list ---- */

/** @param {string} name */
function oneList(name) {
  const path = `lists/${encodeURIComponent(name)}`;
  const wanted = signal("");
  const pages = new Pages(
    (cursor, stop) => get(`${path}/entries`, { plate: wanted.peek(), limit: PAGE, cursor }, stop),
    (/** @type {ListEntry} */ each) => each.id,
  );
  effect(() => {
    void wanted.value;
    void returns.value;
    untracked(() => void pages.begin());
  });
  const again = () => void pages.begin();
  const { box } = rows(pages, rowHeight(46, 76), (item) => entryRow(item, path, again), t("entries"));
  /** @type {ReturnType<typeof setTimeout>} */
  let typed;
  ending(() => clearTimeout(typed));
  return h(
    "section",
    { class: "column", "aria-label": name },
    h(
      "div",
      { class: "filters bar" },
      h("a", { class: "button", href: link("lists") }, `‹ ${t("lists")}`),
      h("h1", null, name),
      h("input", { type: "search", class: "search", placeholder: t("plate.search"), "aria-label": t("plate.search"), maxlength: 64, oninput: (/** @type {any} */ e) => { clearTimeout(typed); typed = setTimeout(() => (wanted.value = e.target.value.trim()), 200); } }),
      h("span", { class: "count", role: "status" }, () => counted("count.entries", pages.total.value)),
      h("button", { type: "button", class: "main", onclick: () => newEntry(path, again) }, t("entry.add")),
      h("button", { type: "button", onclick: () => importFile(path, again) }, t("import")),
      h("button", { type: "button", onclick: () => saveCsv(`${path}/export`, {}, `${name}.csv`) }, t("csv")),
    ),
    standing(pages, t("entries.none")),
    box,
  );
}

/** @param {import("./view.js").Signal<ListEntry>} item @param {string} path @param {() => void} again */
function entryRow(item, path, again) {
  return h(
    "div",
    { class: "row entry" },
    h("button", { type: "button", class: "plate", onclick: () => entryOf(item.peek(), path, again) }, () => item.value.plate),
    h("span", { class: "camera" }, () => [item.value.name, item.value.reason].filter(Boolean).join(" · ")),
    h("span", { class: "camera" }, () => (item.value.tolerance ? t("tolerance.of", { n: item.value.tolerance }) : "")),
    h("span", { class: "camera" }, () => (item.value.valid_until ? t("until.of", { at: exactText(Date.parse(item.value.valid_until), zone.value) }) : (item.value.hours ?? ""))),
  );
}

const ENTRY_FIELDS = (/** @type {Partial<ListEntry>} */ entry) => [
  { name: "tolerance", label: t("tolerance"), hint: t("tolerance.hint"), value: String(entry.tolerance ?? 0), options: [...DIGITS, ...(entry.tolerance && !DIGITS.some((each) => each[1] === entry.tolerance) ? [[String(entry.tolerance), entry.tolerance]] : [])].map(([value]) => ({ value: String(value), label: String(value) })) },
  { name: "name", label: t("name"), value: entry.name, attributes: { maxlength: 200 } },
  { name: "reason", label: t("reason"), value: entry.reason, attributes: { maxlength: 200 } },
  { name: "priority", label: t("priority"), type: "number", value: entry.priority, attributes: { min: 1, max: 5 } },
  { name: "instructions", label: t("instructions"), type: "textarea", value: entry.instructions, attributes: { maxlength: 2000 } },
  { name: "valid_until", label: t("valid.until"), type: "datetime-local", hint: zoneName(), value: entry.valid_until ? fieldText(Date.parse(entry.valid_until), zone.peek()) : "" },
  { name: "hours", label: t("hours"), hint: t("hours.hint"), value: entry.hours },
  { name: "cameras", label: t("cameras"), hint: t("cameras.hint"), value: entry.cameras?.join(", ") },
];
const entryBody = (/** @type {any} */ given) => ({ ...given, tolerance: Number(given.tolerance), cameras: listed(given.cameras), valid_until: fieldMoment(given.valid_until, zone.peek()) });

/** @param {string} path @param {() => void} again */
function newEntry(path, again) {
  return dialog(t("entry.add"), (close) =>
    form([{ name: "plate", label: t("plate"), hint: t("plate.search"), required: true, attributes: { maxlength: 64 } }, ...ENTRY_FIELDS({})], t("entry.add"), async (given) => {
      await send("POST", `${path}/entries`, entryBody(given));
      again();
      close();
    }),
  );
}

/** @param {ListEntry} entry @param {string} path @param {() => void} again */
function entryOf(entry, path, again) {
  return dialog(entry.plate, (close) => [
    h("div", { class: "actions" }, h("button", { type: "button", onclick: () => preview(entry.plate, entry.tolerance) }, t("preview"))),
    form(ENTRY_FIELDS(entry), t("save"), async (given) => {
      await send("PATCH", `${path}/entries/${entry.id}`, entryBody(given));
      again();
      close();
    }),
    h("button", { type: "button", class: "danger", onclick: async () => {
      close();
      if (!(await confirmed(t("entry.delete_sure", { plate: entry.plate }), t("delete")))) return;
      await attempt(send("DELETE", `${path}/entries/${entry.id}`));
      again();
    } }, t("entry.delete")),
  ]);
}

/** What an entry would accept, and would have accepted. @param {string} plate @param {number} tolerance */
function preview(plate, tolerance) {
  const found = signal(/** @type {any} */ (null));
  return dialog(t("preview"), (close) => [
    form(
      [
        { name: "plate", label: t("plate"), value: plate, required: true, attributes: { maxlength: 64 } },
        { name: "tolerance", label: t("tolerance"), hint: t("tolerance.hint"), type: "number", value: tolerance, attributes: { min: 0, max: 1, step: 0.1 } },
        { name: "days", label: t("days.back"), type: "number", value: 30, attributes: { min: 1, max: 366 } },
      ],
      t("preview"),
      async (given) => {
        found.value = await send("POST", "list-preview", { plate: given.plate, tolerance: given.tolerance ?? 0, days: given.days ?? 30 });
      },
    ),
    () => {
      const now = found.value;
      if (!now) return null;
      return [
        h("h3", null, t("preview.accepted")),
        h("p", { class: "accepted" }, now.accepted.map((/** @type {any} */ each) => h("span", { class: "plate" }, [...each.plate].map((letter, at) => (each.differs.includes(at) ? h("mark", null, letter) : letter))))),
        now.lists.length ? h("p", null, t("preview.lists", { lists: now.lists.map((/** @type {any} */ each) => each.name).join(", ") })) : null,
        h("h3", null, t("preview.seen", { n: now.total })),
        h("ul", { class: "plain" }, now.items.map((/** @type {any} */ each) => h("li", null, h("a", { href: link("passes", [], { pass: each.pass_id, all: 1 }), onclick: close }, h("b", { class: "plate" }, each.plate)), ` ${each.camera_id} · `, exactText(Date.parse(each.first_at), zone.peek()), each.distance ? ` · ${t("distance", { n: each.distance })}` : ""))),
      ];
    },
  ]);
}

/** @param {string} path @param {() => void} again */
function importFile(path, again) {
  const report = signal(/** @type {any} */ (null));
  return dialog(t("import"), () => [
    h("p", null, t("import.told")),
    form(
      [
        { name: "file", label: t("file"), type: "file", required: true, attributes: { accept: ".csv,text/csv" } },
        { name: "dry_run", label: t("import.dry"), type: "checkbox", value: true },
        { name: "partial", label: t("import.partial"), type: "checkbox" },
      ],
      t("import"),
      async ({ file, dry_run, partial }) => {
        report.value = null;
        try {
          report.value = await send("POST", `${path}/import`, file, { dry_run, partial });
          if (!dry_run) again();
        } catch (error) {
          if (!(error instanceof Problem) || error.status !== 422) throw error;
          // what is refused is told line by line by a look at the same file
          report.value = { ...(await send("POST", `${path}/import`, file, { dry_run: true })), refused: true };
        }
      },
    ),
    () => (report.value ? reportOf(report.value) : null),
  ]);
}

/** @param {any} report */
function reportOf(report) {
  return h(
    "div",
    { role: "status" },
    report.refused ? h("p", { class: "wrong" }, t("import.refused")) : h("p", null, t(report.dry_run ? "import.would" : "import.did", report)),
    report.problems.length ? h("ul", { class: "plain short" }, report.problems.map((/** @type {any} */ each) => h("li", { class: "wrong" }, `${t("line")} ${each.line}: ${each.message}`))) : null,
    report.overlaps?.length ? h("p", null, t("preview.lists", { lists: report.overlaps.map((/** @type {any} */ each) => `${each.name} (${each.entries})`).join(", ") })) : null,
  );
}
