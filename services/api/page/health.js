// @ts-check
/** What is wrong now and what to do, and how full the store is. */
import { ending, h, signal } from "./view.js";
import { follow, get, send } from "./api.js";
import { attempt, confirmed, dialog, form, tell } from "./dialog.js";
import { link } from "./route.js";
import { isOwner, zone } from "./session.js";
import { dateText, clockText, spanText } from "./time.js";
import { t, word } from "./texts.js";
import { asking, facts, table } from "./pieces.js";
import { sizeText } from "./clip.js";

const LOOK_MS = 5000;
const DAYS = 30;
const JOB_MS = 500;
const HUES = [210, 28, 140, 280, 350, 60, 180, 320];

export function healthView() {
  const health = asking(() => /** @type {Promise<import("./api_types.js").DeploymentHealth>} */ (get("health")));
  const stats = asking(() => get("stats", { days: DAYS }));
  const timer = setInterval(() => document.visibilityState === "hidden" || void health.again(), LOOK_MS);
  ending(() => clearInterval(timer));
  ending(follow(["camera.down", "camera.up", "camera.changed", "retention.stopped"], () => void health.again()));
  return h(
    "div",
    { class: "page" },
    h("div", { class: "heading" }, h("h1", null, t("health")), () => (isOwner.value ? h("a", { class: "button", href: link("settings", [], { tab: "access" }) }, t("tab.access")) : null)),
    health.shown(state),
    h("h1", { class: "more" }, t("storage")),
    stats.shown((found) => storage(found, stats.again)),
  );
}

/** @param {import("./api_types.js").DeploymentHealth} found */
function state(found) {
  return [
    found.problems.length
      ? h("ul", { class: "plain problems" }, found.problems.map(problem))
      : h("p", { class: "good big" }, `✓ ${t("health.fine")}`),
    h(
      "div",
      { class: "cards" },
      card(t("cameras"), [facts(Object.entries(found.cameras).map(([name, count]) => [word("camera", name), count]))], link("live")),
      card(t("frames.today"), [facts([[t("lost"), found.frames_lost_today ?? "–"]])]),
      tableCard(t("dependencies"), [t("name"), t("state"), t("latency"), t("version")], found.dependencies.map((each) => [each.name, h("span", { class: each.up ? "good" : "bad" }, each.up ? t("up") : t("down")), each.latency_ms === null ? "–" : `${each.latency_ms} ms`, each.version ?? "–"])),
      tableCard(t("queues"), [t("name"), t("length"), t("oldest")], found.queues.map((each) => [each.name, each.length ?? "–", each.oldest_seconds === null ? "–" : spanText(each.oldest_seconds * 1000)])),
    ),
  ];
}

/** @param {import("./api_types.js").HealthProblem} each */
function problem(each) {
  const since = each.since === null ? null : Date.parse(each.since);
  return h(
    "li",
    { class: `problem ${each.severity}` },
    h("b", null, each.what),
    since === null ? null : h("small", null, () => ` ${t("since")} ${dateText(since, zone.value)} ${clockText(since, zone.value)}`),
    h("p", null, each.what_to_do),
    each.camera ? h("a", { href: link("live", [], { camera: each.camera }) }, t("show.camera")) : null,
  );
}

/** @param {string} title @param {import("./view.js").Child[]} inner @param {string} [href] */
const card = (title, inner, href) => h("section", { class: "card" }, h("h2", null, href ? h("a", { href }, title) : title), inner);

/** @param {string} title @param {string[]} heads @param {import("./view.js").Child[][]} lines */
const tableCard = (title, heads, lines) =>
  card(title, [table(title, heads, lines.map((line) => h("tr", null, line.map((each) => h("td", { class: "number" }, each)))))]);

/* ---- storage ---- */

/** @param {any} found @param {() => void} again */
function storage(found, again) {
  const { capacity } = found;
  const share = capacity.limit_bytes ? Math.min(1, (capacity.limit_bytes - capacity.free_bytes) / capacity.limit_bytes) : null;
  return [
    h(
      "div",
      { class: "cards" },
      card(t("room"), [
        share === null ? h("p", null, t("room.unknown")) : [h("meter", { min: 0, max: 1, low: 0.8, high: 0.9, optimum: 0, value: share, "aria-label": t("room") }), h("p", null, t("room.of", { used: sizeText(capacity.limit_bytes - capacity.free_bytes), all: sizeText(capacity.limit_bytes) }))],
        facts([
          [t("clips"), `${found.segments} · ${sizeText(found.bytes)}`],
          [t("protected"), `${found.protected_segments} · ${sizeText(found.protected_bytes)}`],
          [t("bytes.a.day"), capacity.bytes_per_day === null ? t("not.yet") : sizeText(capacity.bytes_per_day)],
          [t("days.left"), capacity.days_left === null ? t("by.age") : t("days.of", { n: Math.floor(capacity.days_left) })],
        ]),
        isOwner.peek() ? h("button", { type: "button", onclick: () => retention(again) }, t("retention.preview")) : null,
      ]),
      tableCard(t("by.camera"), [t("camera"), t("clips"), t("size"), t("duration")], found.cameras.map((/** @type {any} */ each, /** @type {number} */ at) => [[h("span", { class: "swatch", style: { "background-color": colour(at) } }), " ", each.camera_id], each.segments, sizeText(each.bytes), spanText(each.duration_seconds * 1000)])),
    ),
    chart(found),
  ];
}

/** @param {number} place */
const colour = (place) => `hsl(${HUES[place % HUES.length]} 55% ${50 + 12 * (Math.floor(place / HUES.length) % 3)}%)`;

/** Bytes of each day, one colour a camera. @param {any} found */
function chart(found) {
  const cameras = found.cameras.map((/** @type {any} */ each) => each.camera_id);
  /** @type {Map<string, Map<string, number>>} */
  const days = new Map();
  for (const each of found.camera_days) {
    if (!days.has(each.day)) days.set(each.day, new Map());
    days.get(each.day)?.set(each.camera_id, each.bytes);
  }
  const names = [...days.keys()].sort();
  const sums = new Map(names.map((day) => [day, [...(days.get(day)?.values() ?? [])].reduce((sum, each) => sum + each, 0)]));
  const most = Math.max(1, ...sums.values());
  const [wide, high] = [24, 160];
  return h(
    "section",
    { class: "card" },
    h("h2", null, t("by.day")),
    h(
      "div",
      { class: "tablebox", tabindex: 0, role: "region", "aria-label": t("by.day") },
      h(
        "svg:svg",
        { class: "chart", viewBox: `0 0 ${Math.max(8, names.length) * wide} ${high + 22}`, width: Math.max(8, names.length) * wide, height: high + 22, role: "img", "aria-label": t("chart.of", { days: names.length, most: sizeText(most) }) },
        names.map((day, at) => {
          let base = high;
          return [
            cameras.map((/** @type {string} */ camera, /** @type {number} */ place) => {
              const tall = (high * (days.get(day)?.get(camera) ?? 0)) / most;
              base -= tall;
              return tall ? h("svg:rect", { x: at * wide + 2, y: base, width: wide - 4, height: tall, fill: colour(place) }, h("svg:title", null, `${day} ${camera}: ${sizeText(days.get(day)?.get(camera) ?? 0)}`)) : null;
            }),
            h("svg:text", { x: at * wide + wide / 2, y: high + 15, "text-anchor": "middle" }, day.slice(8)),
          ];
        }),
      ),
    ),
    h("details", null, h("summary", null, t("as.table")), h("table", null, h("tbody", null, names.map((day) => h("tr", null, h("td", null, day), h("td", { class: "number" }, sizeText(sums.get(day) ?? 0))))))),
  );
}

/** Asks what retention would take, then takes it when somebody says so. @param {() => void} again */
function retention(again) {
  const job = signal(/** @type {any} */ (null));
  const run = async (/** @type {any} */ body) => {
    job.value = await send("POST", "cleanup", body);
    while (!["done", "failed"].includes(job.peek().state)) {
      await new Promise((done) => setTimeout(done, JOB_MS));
      job.value = await get(`jobs/${job.peek().id}`);
    }
  };
  return dialog(t("retention.preview"), (close) => [
    h("p", null, t("retention.told")),
    form([{ name: "retention_days", label: t("retention.days"), type: "number", hint: t("retention.own"), attributes: { min: 0, step: "any" } }], t("preview"), ({ retention_days }) => run({ retention_days, dry_run: true })),
    () => (job.value ? jobOf(job.value) : null),
    () =>
      job.value?.state === "done" && job.value.result?.dry_run && job.value.result.archived
        ? h("button", { type: "button", class: "danger", onclick: async () => {
            const { params } = job.peek();
            if (!(await confirmed(t("retention.sure", { n: job.peek().result.archived }), t("retention.run")))) return;
            await attempt(run({ retention_days: params.retention_days ?? null, confirm: true }));
            tell(t("retention.done"));
            again();
            close();
          } }, t("retention.run"))
        : null,
  ]);
}

/** @param {any} job */
function jobOf(job) {
  const result = job.result;
  return h(
    "div",
    { role: "status" },
    h("p", null, word("job", job.state), job.progress ? ` ${Object.entries(job.progress).map(([name, value]) => `${name}: ${value}`).join(", ")}` : ""),
    job.error ? h("p", { class: "wrong" }, job.error) : null,
    result?.stopped ? h("p", { class: "wrong" }, String(result.stopped)) : null,
    result ? h("p", null, t("retention.takes", { n: result.archived, size: sizeText(result.bytes) })) : null,
    result ? h("ul", { class: "plain" }, Object.entries(result.cameras ?? {}).map(([name, each]) => h("li", null, `${name}: ${each.archived} · ${sizeText(each.bytes)}`))) : null,
  );
}
