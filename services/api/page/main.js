// @ts-check
/** Starts the page: who is here, which view, and what stands around it. */
import { computed, each, effect, ending, h, mount, signal, untracked } from "./view.js";
import { away, listenToEvents, returns, retry, stopEvents, whoAmI } from "./api.js";
import { dialog, notes, spoken, told } from "./dialog.js";
import { askPurpose, loginView, logout, sharedView, welcomeView } from "./login.js";
import { go, keys, known, link, route } from "./route.js";
import { isOwner, language, purpose, session, theme, zone } from "./session.js";
import { t } from "./texts.js";
import { spanText } from "./time.js";
import { passesView } from "./passes.js";
import { clipView } from "./clip.js";
import { timelineView } from "./timeline.js";
import { liveView } from "./live.js";
import { soundHits } from "./hits.js";
import { listsView } from "./lists.js";
import { incidentView } from "./incident.js";
import { healthView } from "./health.js";
import { settingsView } from "./settings.js";

/** @typedef {{view: () => import("./view.js").Child, title: string, key?: string, allowed?: () => boolean}} Place */

/** @type {{[name: string]: Place}} */
const PLACES = {
  live: { view: liveView, title: "live", key: "1" },
  passes: { view: passesView, title: "passes", key: "2" },
  lists: { view: listsView, title: "hits", key: "3" },
  timeline: { view: timelineView, title: "timeline", key: "4" },
  health: { view: healthView, title: "health", key: "5" },
  settings: { view: settingsView, title: "settings", key: "6", allowed: () => isOwner.value },
  clip: { view: clipView, title: "film" },
  pass: { view: clipView, title: "film" },
  incident: { view: incidentView, title: "incident" },
};

const failed = signal("");

function menu() {
  const items = Object.entries(PLACES).filter(([, place]) => place.key);
  return h(
    "nav",
    { "aria-label": t("views") },
    items.map(([name, place]) =>
      h(
        "a",
        {
          href: link(name),
          hidden: () => Boolean(place.allowed && !place.allowed()),
          "aria-current": () => (route.value.name === name ? "page" : null),
        },
        t(place.title),
      ),
    ),
  );
}

function tools() {
  return h(
    "div",
    { class: "tools" },
    h(
      "button",
      { type: "button", class: "quiet", onclick: () => (zone.value = zone.peek() === "utc" ? "local" : "utc"), "aria-label": () => t("zone.switch", { zone: zone.value === "utc" ? "UTC" : t("zone.local") }) },
      () => (zone.value === "utc" ? "UTC" : t("zone.local")),
    ),
    h("button", { type: "button", class: "quiet", onclick: help, "aria-label": t("keys") }, "?"),
    h("button", { type: "button", class: "quiet", onclick: about }, () => session.value?.name ?? ""),
  );
}

function about() {
  return dialog(t("you"), (close) => [
    h("p", null, () => t("you.are", { name: session.value?.name ?? "", role: session.value?.role ?? "" })),
    h("p", null, () => (session.value?.cameras ? t("you.see", { cameras: session.value.cameras.join(", ") }) : t("you.see.all"))),
    h("label", { class: "field" }, t("language"), h("select", { onchange: (/** @type {any} */ e) => { close(); language.value = e.target.value; } }, [["en", "English"], ["de", "Deutsch"]].map(([value, text]) => h("option", { value, selected: language.peek() === value }, text)))),
    h("label", { class: "field" }, t("theme"), h("select", { onchange: (/** @type {any} */ e) => (theme.value = e.target.value) }, ["auto", "light", "dark"].map((value) => h("option", { value, selected: theme.peek() === value }, t(`theme.${value}`))))),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", onclick: () => { close(); void askPurpose(); } }, t("purpose")),
      session.peek()?.csrf_token ? h("button", { type: "button", onclick: () => { close(); void logout(); } }, t("logout")) : null,
      h("a", { class: "button", href: "/docs" }, t("api.docs")),
    ),
  ]);
}

function help() {
  return dialog(
    t("keys"),
    () =>
      known().map((group) => [
        h("h3", null, group.title),
        h("dl", { class: "keys" }, group.keys.map((key) => [h("dt", null, h("kbd", null, key.shown ?? (key.key === " " ? t("key.space") : key.key))), h("dd", null, key.told)])),
      ]),
    { wide: true },
  );
}

function banner() {
  const now = signal(Date.now());
  effect(() => {
    if (away.value === null) return;
    const timer = setInterval(() => (now.value = Date.now()), 1000);
    ending(() => clearInterval(timer));
  });
  return () =>
    away.value === null
      ? null
      : h("div", { class: "banner" }, h("span", { role: "alert" }, t("api.away")), " ", h("span", null, () => spanText(now.value - (away.value ?? now.value))), " ", h("button", { type: "button", onclick: () => retry() }, t("again")));
}

function shell() {
  soundHits();
  keys(t("everywhere"), [
    { key: "?", told: t("keys"), work: () => void help() },
    ...Object.entries(PLACES)
      .filter(([, place]) => place.key)
      .map(([name, place]) => ({ key: String(place.key), told: t(place.title), work: () => (!place.allowed || place.allowed()) && go(link(name)) })),
    { key: "z", told: t("zone.key"), work: () => (zone.value = zone.peek() === "utc" ? "local" : "utc") },
  ]);
  const place = computed(() => {
    const found = PLACES[route.value.name];
    return found && (!found.allowed || found.allowed()) ? route.value.name : "";
  });
  const where = computed(() => link(route.value.name, route.value.args, PLACES[route.value.name]?.key ? {} : { at: route.value.query.get("at") }));
  let began = false;
  const main = h("main", { id: "content", tabindex: "-1" }, () => {
    const name = place.value;
    void where.value; // another clip is another view; another filter of a list is not
    // what had the focus may have gone with the last view
    if (began) queueMicrotask(() => document.activeElement === document.body && main.focus({ preventScroll: true }));
    began = true;
    document.title = name ? `${t(PLACES[name].title)} · Platereel` : "Platereel";
    return name ? untracked(PLACES[name].view) : h("p", { class: "standing" }, t(route.value.name in PLACES ? "no.right" : "no.view"));
  });
  return [
    h("a", { class: "skip", href: "#content", onclick: (/** @type {Event} */ e) => { e.preventDefault(); main.focus(); } }, t("skip")),
    h("header", { class: "top" }, h("a", { href: link("passes"), class: "home" }, "Platereel"), menu(), tools()),
    banner(),
    main,
  ];
}

function app() {
  // what a link opens that somebody without a key may have
  const opened = computed(() => {
    const { name, args } = route.value;
    return ["welcome", "shared"].includes(name) && args[0] ? `${name}/${args[0]}` : "";
  });
  return [
    () => {
      void language.value;
      if (failed.value) return h("main", { class: "narrow" }, h("p", { role: "alert" }, failed.value), h("button", { type: "button", onclick: start }, t("again")));
      if (session.value === undefined) return h("p", { class: "standing" }, t("loading"));
      const [name, token] = opened.value.split("/");
      if (token) return untracked(() => (name === "welcome" ? welcomeView(token) : sharedView(token)));
      return untracked(() => (session.value ? shell() : loginView()));
    },
    h("div", { class: "notes", role: "status" }, each(() => notes.value, (note) => note.id, (note) => h("p", { class: () => (note.value.bad ? "note bad" : "note") }, () => note.value.text))),
    h("div", { class: "unseen", "aria-live": "polite" }, () => spoken.value),
  ];
}

async function start() {
  failed.value = "";
  try {
    await whoAmI();
  } catch (error) {
    failed.value = told(error);
  }
}

effect(() => {
  document.documentElement.lang = language.value;
  document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  if (session.value) listenToEvents();
  else stopEvents();
});
effect(() => {
  void returns.value;
  void purpose.value;
  if (session.peek() === undefined) void start();
});
mount(/** @type {Element} */ (document.getElementById("app")), app);
