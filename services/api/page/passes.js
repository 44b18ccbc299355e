// @ts-check
/** The passes: who came by. Filters stand in the address, and what is new comes by itself. */
import { computed, effect, ending, h, signal, untracked } from "./view.js";
import { followSoon, get, media, returns } from "./api.js";
import { marked } from "./alike.js";
import { go, keys, link, refine, route } from "./route.js";
import { hasLists, needsPurpose, zone, zoneName } from "./session.js";
import { clockText, parseMoment, spanText } from "./time.js";
import { counted, t, word } from "./texts.js";
import { Pages, rowHeight, rows, standing } from "./virtual.js";
import { passPanel } from "./pass_panel.js";
import { askPurpose, purposeAsked } from "./login.js";
import { namesOf, picture, when } from "./pieces.js";
import { saveCsv, spoken } from "./dialog.js";

/** @typedef {import("./api_types.js").ListedPass} Pass */

const PAGE = 50;
const TYPED_MS = 200;
const HEARD_MS = 150;
const FILTERS = [
  "plate", "fuzzy", "camera", "from", "to", "day_from", "day_to", "list", "attribute", "recorded", "hit", "review",
  "min_dwell",
];

const NOTHING_ASKED = JSON.stringify(asked(new URLSearchParams()));

/** What the API is asked for the filters of an address. @param {URLSearchParams} query
 * @returns {import("./api.js").Query} */
function asked(query) {
  const plate = query.get("plate")?.trim();
  const [name, ...value] = (query.get("attribute") ?? "").split("=");
  /** @param {string} key */
  const moment = (key) => {
    const typed = query.get(key);
    const ms = typed ? parseMoment(typed, Date.now(), Date.now(), zone.value) : null;
    return ms === null ? null : new Date(ms).toISOString();
  };
  return {
    plate: plate || (query.get("all") ? null : "*"),
    fuzzy: plate && query.get("fuzzy") ? true : null,
    camera_id: query.get("camera"),
    from: moment("from"),
    to: moment("to"),
    day_from: query.get("day_from"),
    day_to: query.get("day_to"),
    tz: query.get("day_from") || query.get("day_to") ? zoneName() : null,
    list: query.get("list"),
    recorded: query.get("recorded"),
    hit: query.get("hit") ? true : null,
    review: query.get("review"),
    min_dwell: query.get("min_dwell"),
    ...(name && value.length ? { [`attribute.${name.trim()}`]: value.join("=").trim() } : {}),
  };
}

export function passesView() {
  const question = computed(() => JSON.stringify(asked(route.value.query)));
  const chosen = computed(() => route.value.query.get("pass"));
  const blocked = computed(() => needsPurpose.value);
  const began = untracked(() => returns.value);
  const pages = new Pages(
    (cursor, stop) => get("passes", { ...JSON.parse(question.peek()), limit: PAGE, cursor }, stop),
    (/** @type {Pass} */ each) => each.id,
  );
  const { box, show } = rows(pages, rowHeight(72, 92), (item, place) => row(item, place, chosen), t("passes"));
  effect(() => {
    void question.value;
    box.scrollTop = 0;
    if (blocked.value) return;
    // told once a search, not with each vehicle that comes by
    untracked(() => void pages.begin().then(() => pages.busy.peek() || (spoken.value = untracked(() => countOf(pages)))));
  });
  effect(() => {
    // who reads further down stays there
    if (returns.value !== began) untracked(() => void (blocked.peek() || (pages.items.peek().length && !pages.problem.peek() ? pages.renew() : pages.begin())));
  });
  followSoon(["plate.read", "plate.hit", "pass.closed"], () => pages.renew(), HEARD_MS);

  const placeOf = () => pages.items.peek().findIndex((each) => each.id === chosen.peek());
  const step = (/** @type {number} */ by) => {
    const items = pages.items.peek();
    if (!items.length) return;
    const place = Math.min(items.length - 1, Math.max(0, placeOf() + by));
    const { id, plate, camera_id, first_at } = items[place];
    refine({ pass: id });
    show(place);
    spoken.value = [plate ?? t("no.plate"), camera_id, clockText(Date.parse(first_at), zone.peek())].join(", ");
  };
  keys(t("passes"), [
    { key: "j", told: t("key.next"), work: () => step(1) },
    { key: "k", told: t("key.previous"), work: () => step(-1) },
    { key: "Enter", told: t("key.open"), work: () => chosen.peek() && go(link("pass", [String(chosen.peek())])) },
    { key: "/", told: t("key.search"), work: () => document.getElementById("plate")?.focus() },
    { key: "Escape", told: t("key.close"), work: () => refine({ pass: null }) },
  ]);

  return h(
    "div",
    { class: () => (chosen.value ? "split chosen" : "split") },
    h("h1", { class: "unseen" }, t("passes")),
    h(
      "section",
      { class: "column", "aria-label": t("passes") },
      filters(pages),
      () =>
        blocked.value
          ? purposeAsked()
          : standing(pages, t(question.value === NOTHING_ASKED ? "passes.none" : "passes.none_found"))(),
      box,
    ),
    () => {
      const id = chosen.value;
      return id
        ? passPanel(id, {
            changed: (found) => pages.change(found),
            next: (after) => after === chosen.peek() && step(1), // somebody may have gone on meanwhile
            close: () => refine({ pass: null }),
          })
        : null;
    },
  );
}

/** @param {Pages<any>} pages */
const countOf = (pages) => counted("count.passes", pages.total.value, pages.more.value);

/** @param {import("./view.js").Signal<Pass>} item @param {() => number} place
 * @param {import("./view.js").Signal<string | null>} chosen */
function row(item, place, chosen) {
  return h(
    "div",
    {
      class: () => `row pass${item.value.hit ? " hit" : ""}${chosen.value === item.value.id ? " chosen" : ""}`,
      onclick: (/** @type {MouseEvent} */ event) => {
        if (!(event.target instanceof Element && event.target.closest("a, button"))) refine({ pass: item.peek().id });
      },
    },
    h("a", { class: "crop", href: () => link("pass", [item.value.id]), "aria-label": () => `${t("open.clip")}: ${item.value.plate ?? t("no.plate")}` }, () => crop(item.value)),
    h(
      "button",
      {
        type: "button",
        class: "plate",
        "aria-pressed": () => String(chosen.value === item.value.id),
        onclick: () => refine({ pass: item.peek().id }),
      },
      () => plateText(item.value.plate, route.value.query.get("fuzzy") ? route.value.query.get("plate") : null),
    ),
    h("span", { class: "camera" }, () => item.value.camera_id),
    when(() => item.value.first_at),
    h("span", { class: "dwell", title: t("dwell") }, () =>
      item.value.ended_at ? spanText(item.value.dwell_seconds * 1000) : t("here.now"),
    ),
    h("span", { class: "badges" }, () => badges(item.value)),
  );
}

/** @param {Pass} pass */
function crop(pass) {
  if (!pass.plate) return h("span", { class: "nopicture" }, "–");
  const made = picture(
    {
      src: media(`passes/${pass.id}/plate.jpg`, { v: pass.best_detection_id.slice(0, 16) }),
      alt: "",
      loading: "lazy",
      decoding: "async",
    },
    () => made.replaceWith(h("span", { class: "nopicture" }, "–")),
  );
  return made;
}

/** A plate with the characters marked that differ from the wanted one.
 * @param {string | null} plate @param {string | null} wanted */
function plateText(plate, wanted) {
  if (!plate) return h("i", null, t("no.plate"));
  if (!wanted) return plate;
  return marked(plate, wanted).map((each) =>
    each.differs ? h("mark", { title: t("differs") }, each.text) : each.text,
  );
}

/** @param {Pass & {lists?: string[] | null}} pass */
export function badges(pass) {
  return [
    ...(pass.lists ?? []).map((name) => h("span", { class: pass.hit ? "badge bad" : "badge" }, name)),
    pass.hit && !pass.lists?.length ? h("span", { class: "badge bad" }, t("hit")) : null,
    pass.recorded ? null : h("span", { class: "badge" }, t("not.recorded")),
    pass.quiet_since ? h("span", { class: "badge" }, t("quiet")) : null,
    pass.review ? h("span", { class: "badge good" }, word("review", pass.review)) : null,
    h("span", { class: "reads" }, t(pass.reads === 1 ? "read.one" : "reads", { n: pass.reads })),
  ];
}

/** @param {Pages<Pass>} pages */
function filters(pages) {
  const query = computed(() => route.value.query);
  const cameras = namesOf("cameras", "camera_id");
  const lists = namesOf("lists", "name", () => hasLists.value);
  const open = signal(FILTERS.some((name) => !["plate", "fuzzy", "camera"].includes(name) && query.peek().get(name)));
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  const typed = new Map();
  ending(() => typed.forEach((each) => clearTimeout(each))); // else it would refine another view
  const later = (/** @type {string} */ name) => (/** @type {Event} */ event) => {
    const value = /** @type {HTMLInputElement} */ (event.target).value;
    clearTimeout(typed.get(name));
    typed.set(name, setTimeout(() => refine({ [name]: value, pass: null }), TYPED_MS));
  };
  const now = (/** @type {string} */ name) => (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    refine({ [name]: input.type === "checkbox" ? input.checked : input.value, pass: null });
  };
  const wrongMoment = (/** @type {string} */ name) => {
    const text = query.value.get(name);
    return text && parseMoment(text, Date.now(), Date.now(), zone.value) === null ? "true" : null;
  };
  const select = (/** @type {string} */ name, /** @type {string} */ label, /** @type {() => [string, string][]} */ options) =>
    h(
      "label",
      null,
      label,
      h("select", { onchange: now(name), value: () => query.value.get(name) ?? "" }, h("option", { value: "" }, t("any")), () =>
        options().map(([value, text]) => h("option", { value, selected: query.value.get(name) === value }, text)),
      ),
    );
  const text = (/** @type {string} */ name, /** @type {string} */ label, /** @type {any} */ more) =>
    h("label", null, label, h("input", { oninput: later(name), value: () => query.value.get(name) ?? "", ...more }));
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    h(
      "div",
      { class: "bar" },
      h("input", {
        id: "plate", type: "search", class: "search", placeholder: t("plate.search"), "aria-label": t("plate.search"),
        autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: 64,
        oninput: later("plate"), value: () => query.value.get("plate") ?? "",
      }),
      h("label", { class: "check" }, h("input", { type: "checkbox", onchange: now("fuzzy"), checked: () => Boolean(query.value.get("fuzzy")) }), t("look.alikes")),
      h("label", { class: "check" }, h("input", { type: "checkbox", onchange: now("all"), checked: () => Boolean(query.value.get("all")) }), t("without.plate")),
      h("label", { class: "check" }, h("input", { type: "checkbox", onchange: now("hit"), checked: () => Boolean(query.value.get("hit")) }), t("only.hits")),
      select("camera", t("camera"), () => cameras.value.map((each) => [each, each])),
      h("button", { type: "button", "aria-expanded": () => String(open.value), onclick: () => (open.value = !open.peek()) }, t("more.filters")),
      h("span", { class: "count" }, () => (pages.busy.value && !pages.items.value.length ? "" : countOf(pages))),
      h("button", { type: "button", onclick: () => saveCsv("passes", asked(query.peek()), "passes.csv") }, t("csv")),
      h("button", { type: "button", class: "quiet", onclick: askPurpose }, t("purpose")),
    ),
    () =>
      open.value
        ? h(
            "div",
            { class: "bar more" },
            text("from", t("from"), { placeholder: t("moment.hint"), "aria-invalid": () => wrongMoment("from") }),
            text("to", t("to"), { placeholder: t("moment.hint"), "aria-invalid": () => wrongMoment("to") }),
            text("day_from", t("day.from"), { type: "time" }),
            text("day_to", t("day.to"), { type: "time" }),
            text("min_dwell", t("min.dwell"), { type: "number", min: 0, step: 1 }),
            hasLists.value ? select("list", t("list"), () => lists.value.map((each) => [each, each])) : null,
            text("attribute", t("attribute"), { placeholder: "color=red" }),
            select("recorded", t("outcome"), () => [["true", t("recorded")], ["false", t("not.recorded")]]),
            select("review", t("review"), () => ["confirmed", "corrected", "rejected"].map((each) => [each, word("review", each)])),
            h("button", { type: "button", onclick: () => go(link("passes")) }, t("clear")),
          )
        : null,
  );
}

