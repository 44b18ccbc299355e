// @ts-check
/** Keys and roles, the effective configuration, the signing key, and the access log. */
import { effect, h, signal, untracked } from "./view.js";
import { get, returns, send } from "./api.js";
import { attempt, confirmed, dialog, form, saveCsv } from "./dialog.js";
import { link, refine, route } from "./route.js";
import { zone, zoneName } from "./session.js";
import { exactText, fieldMoment } from "./time.js";
import { t, word } from "./texts.js";
import { Pages, rowHeight, rows, standing } from "./virtual.js";
import { shownOnce } from "./login.js";
import { asking, facts, table } from "./pieces.js";

/** @typedef {import("./api_types.js").Key} Key */

const PAGE = 100;
const TABS = /** @type {{[name: string]: () => import("./view.js").Child}} */ ({ keys: keysOf, configuration, signing, access: accessLog });

export function settingsView() {
  const tab = () => (route.value.query.get("tab") ?? "") in TABS ? String(route.value.query.get("tab")) : "keys";
  return h(
    "div",
    { class: "column settings" },
    h("div", { class: "filters bar" }, h("h1", null, t("settings")), h("nav", { class: "tabs", "aria-label": t("settings") }, Object.keys(TABS).map((name) => h("a", { class: "button", href: link("settings", [], { tab: name }), "aria-current": () => (tab() === name ? "page" : null), onclick: (/** @type {Event} */ e) => { e.preventDefault(); refine({ tab: name }); } }, t(`tab.${name}`))))),
    () => {
      const name = tab();
      return untracked(() => TABS[name]());
    },
  );
}

/* ---- keys ---- */

function keysOf() {
  const keys = asking(async () => /** @type {Key[]} */ ((await get("keys")).items));
  const at = (/** @type {string | null} */ moment) => (moment ? () => exactText(Date.parse(moment), zone.value) : "–");
  return h(
    "section",
    { class: "scroll page" },
    h("button", { type: "button", class: "main", onclick: () => newKey(keys.again) }, t("key.new")),
    keys.shown((items) =>
      items.length
        ? table(t("tab.keys"), [...["name", "role", "cameras", "made", "expires", "last.used"].map((each) => t(each)), ""], items.map((each) =>
            h("tr", { class: each.revoked_at ? "past" : "" }, h("td", null, each.name), h("td", null, word("role", each.role), each.lists ? ` + ${t("lists")}` : ""), h("td", null, each.cameras?.join(", ") ?? t("all")), h("td", null, at(each.created_at), h("small", null, ` ${each.created_by}`)), h("td", null, each.revoked_at ? t("revoked") : at(each.expires_at)), h("td", null, at(each.last_used_at)), h("td", null, each.revoked_at ? null : h("button", { type: "button", class: "danger", onclick: () => revoke(each, keys.again) }, t("revoke")))),
          ))
        : h("p", { class: "standing" }, t("keys.none")),
    ),
  );
}

/** @param {Key} key @param {() => void} again */
async function revoke(key, again) {
  if (!(await confirmed(t("revoke.sure", { name: key.name }), t("revoke")))) return;
  await attempt(send("DELETE", `keys/${encodeURIComponent(key.name)}`));
  again();
}

/** @param {() => void} again */
function newKey(again) {
  const made = signal(/** @type {any} */ (null));
  return dialog(t("key.new"), (close) => () =>
    made.value
      ? [
          h("p", null, t("welcome.made", { name: made.value.name })),
          shownOnce(made.value.secret, h("button", { type: "button", class: "main", onclick: close }, t("close"))),
        ]
      : form(
          [
            { name: "name", label: t("name"), required: true, attributes: { maxlength: 64 } },
            { name: "role", label: t("role"), options: ["viewer", "operator", "admin"].map((value) => ({ value, label: word("role", value) })) },
            { name: "lists", label: t("lists.right"), type: "checkbox" },
            { name: "cameras", label: t("cameras"), hint: t("cameras.hint") },
            { name: "expires_at", label: t("expires"), type: "datetime-local", hint: zoneName() },
          ],
          t("key.new"),
          async (given) => {
            made.value = await send("POST", "keys", { ...given, cameras: given.cameras?.split(/[\s,]+/).filter(Boolean) ?? null, expires_at: fieldMoment(given.expires_at, zone.peek()) });
            again();
          },
        ),
  );
}

/* ---- configuration ---- */

function configuration() {
  const found = asking(() => /** @type {Promise<import("./api_types.js").Configuration>} */ (get("configuration")));
  const wanted = signal("");
  return h(
    "section",
    { class: "scroll page" },
    h("input", { type: "search", class: "search", placeholder: t("search"), "aria-label": t("search"), oninput: (/** @type {any} */ e) => (wanted.value = e.target.value.toLowerCase()) }),
    found.shown((all) => [
      h("p", null, t("configuration.told")),
      table(t("tab.configuration"), [t("setting"), t("value"), t("origin")], () =>
        all.items.filter((each) => each.name.toLowerCase().includes(wanted.value)).map((each) => h("tr", { class: each.origin === "default" ? "" : "own" }, h("td", null, h("code", null, each.name)), h("td", null, h("code", null, typeof each.value === "string" ? each.value : JSON.stringify(each.value))), h("td", null, word("origin", each.origin)))),
      ),
    ]),
  );
}

function signing() {
  const found = asking(() => get("signing-key"));
  return h("section", { class: "scroll page" }, found.shown((key) => [h("p", null, t("signing.told")), facts([[t("fingerprint"), h("code", { class: "big" }, key.fingerprint)], [t("algorithm"), key.algorithm], [t("public.key"), h("code", null, key.public_key)]])]));
}

/* ---- the access log ---- */

function accessLog() {
  const asked = signal(/** @type {import("./api.js").Query} */ ({}));
  const pages = new Pages(
    async (cursor, stop) => {
      const found = await get("access-log", { ...asked.peek(), limit: PAGE, before: cursor }, stop);
      return { items: found.items, next_cursor: found.next_before === null ? null : String(found.next_before), total: found.items.length, more_than_total: found.next_before !== null };
    },
    (/** @type {any} */ each) => String(each.id),
  );
  effect(() => {
    void asked.value;
    void returns.value;
    untracked(() => void pages.begin());
  });
  const { box } = rows(pages, rowHeight(44, 96), (item) => logRow(item), t("tab.access"));
  const field = (/** @type {string} */ name) => h("label", null, t(`log.${name}`), h("input", { name, maxlength: 64, size: 12, onchange: (/** @type {any} */ e) => (asked.value = { ...asked.peek(), [name]: e.target.value.trim() || null }) }));
  return h(
    "section",
    { class: "column whole", "aria-label": t("tab.access") },
    h("div", { class: "filters bar" }, ["who", "action", "purpose", "case", "plate"].map(field), h("button", { type: "button", onclick: () => saveCsv("access-log", asked.peek(), "access-log.csv") }, t("csv.signed"))),
    standing(pages, t("log.none")),
    box,
  );
}

/** @param {import("./view.js").Signal<any>} item */
function logRow(item) {
  const line = item.value;
  const details = Object.entries(line.details).map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");
  return h(
    "div",
    { class: "row logrow" },
    h("time", { datetime: line.at }, () => exactText(Date.parse(line.at), zone.value)),
    h("b", null, line.who),
    h("span", null, line.action),
    h("span", { class: "camera" }, [line.purpose, line.case].filter(Boolean).join(" · ")),
    h("span", { class: "camera", title: details }, line.segment_id ? h("a", { href: link("clip", [line.segment_id]) }, t("film")) : null, " ", details),
  );
}
