// @ts-check
/** One clip: the film, what is in it, and what can be done with it. */
import { computed, effect, ending, h, signal, untracked } from "./view.js";
import { Problem, follow, get, returns, send } from "./api.js";
import { attempt, confirmed, dialog, form, quietly, saveFile, spoken, tell } from "./dialog.js";
import { go, link, route } from "./route.js";
import { isAdmin, isOperator, needsPurpose, zone, zoneName } from "./session.js";
import { clockText, dateText, exactText, spanText } from "./time.js";
import { t, word } from "./texts.js";
import { player, sourceSize } from "./player.js";
import { purposeAsked, shareClip } from "./login.js";
import { asking, facts, problemBox } from "./pieces.js";

/** @typedef {import("./api_types.js").SegmentDetail} SegmentDetail */
/** @typedef {import("./player.js").Mark} Mark */
/** @typedef {{id: string, plate: string | null, firstMs: number, lastMs: number, hit: boolean}} PassMark */

const AROUND_MS = 1000;
const LIVE = ["recording", "finalizing"];

/** The clip of `#/clip/SEGMENT?at=MS&pass=ID`, or the best one of `#/pass/ID`. */
export function clipView() {
  const here = untracked(() => route.value);
  /** @type {number | null} */
  let startMs = null;
  const { found, problem, again } = asking(async () => {
    const place = here.name === "pass" ? await bestOf(here.args[0]) : await placeOf(here);
    startMs ??= place.atMs; // what comes later changes no film that is open
    return place.segment;
  }, { purpose: true });
  const state = computed(() => found.value?.status);
  ending(
    follow(["segment.recording", "segment.finalizing", "segment.ready", "segment.failed", "segment.deleted"], (body) => {
      if (body.segment_id === found.peek()?.id) void again();
    }),
  );
  // a film that plays is not begun anew because its clip is ready now
  const shown = computed(() => {
    const now = found.value;
    return now && `${now.id} ${LIVE.includes(now.status) || now.status === "ready" ? "film" : now.status}`;
  });
  return h("div", { class: "page clip" }, () => {
    if (needsPurpose.value) return purposeAsked();
    if (problem.value) return problemBox(problem.value, again);
    if (!shown.value) return h("p", { class: "standing" }, t("loading"));
    return untracked(() => whole(/** @type {import("./view.js").Signal<SegmentDetail>} */ (found), startMs, state));
  });
}

/** @param {import("./route.js").Route} here */
async function placeOf(here) {
  const segment = /** @type {SegmentDetail} */ (await get(`segments/${here.args[0]}`));
  const offset = here.query.get("at");
  const origin = Date.parse(segment.first_frame_at ?? segment.start_time);
  const best = [...segment.detections].sort((one, other) => other.confidence - one.confidence)[0];
  const atMs = offset !== null ? origin + Number(offset) : best ? Date.parse(best.captured_at) : null;
  return { segment, atMs };
}

/** The clip that shows the best read of a pass. @param {string} passId */
async function bestOf(passId) {
  const pass = /** @type {import("./api_types.js").PassDetail} */ (await get(`passes/${passId}`));
  if (!pass.segments.length) throw new Problem(404, t("no.clips"));
  const bestMs = Date.parse(pass.best_at);
  const holds = (/** @type {any} */ each) => Date.parse(each.start_time) <= bestMs && (each.duration_seconds === null || bestMs <= Date.parse(each.start_time) + each.duration_seconds * 1000 + AROUND_MS);
  const chosen = pass.segments.find(holds) ?? pass.segments[0];
  const segment = /** @type {SegmentDetail} */ (await get(`segments/${chosen.segment_id}`));
  return { segment, atMs: bestMs };
}

/** @param {import("./view.js").Signal<SegmentDetail>} found @param {number | null} startMs
 * @param {import("./view.js").Signal<string | undefined>} state */
function whole(found, startMs, state) {
  const passes = signal(/** @type {PassMark[]} */ ([]));
  const camera = signal(/** @type {any} */ (null));
  const segment = found.peek();
  let latest = 0;
  effect(() => {
    const now = found.value; // comes anew with every return
    const mine = (latest += 1);
    const from = Date.parse(now.first_frame_at ?? now.start_time);
    const to = now.duration_seconds ? from + now.duration_seconds * 1000 : Date.parse(now.end_time ?? now.deadline);
    untracked(() => void passesOf(now.camera_id, from, to).then((each) => {
      if (each && mine === latest) passes.value = each;
    }));
  });
  effect(() => {
    void returns.value;
    if (camera.peek()) return;
    void quietly(get("cameras")).then((all) => {
      if (all) camera.value = all.items.find((/** @type {any} */ each) => each.camera_id === segment.camera_id) ?? null;
    });
  });
  const marks = computed(() => [
    ...passes.value.map((each) => /** @type {Mark} */ ({ fromMs: each.firstMs, toMs: each.lastMs, kind: each.hit ? "hit" : "pass", told: each.plate ?? t("no.plate") })),
    ...found.value.gaps.map((gap) => /** @type {Mark} */ ({ fromMs: Date.parse(gap.from), toMs: Date.parse(gap.to), kind: "gap", told: gapText(gap) })),
  ]);
  const film = player(segment, {
    startMs,
    marks,
    size: computed(() => sourceSize(found.value, camera.value)),
    detections: computed(() => found.value.detections),
  });
  const spokenPass = computed(() => passes.value.find((each) => film.nowMs.value >= each.firstMs - 200 && film.nowMs.value <= each.lastMs + 200)?.plate ?? "");
  effect(() => {
    if (spokenPass.value) spoken.value = spokenPass.value;
  });
  return [
    h(
      "header",
      { class: "heading" },
      h("h1", null, segment.camera_id, " ", h("time", null, () => `${dateText(film.originMs, zone.value)} ${clockText(film.originMs, zone.value)}`)),
      h("span", { class: () => `badge ${state.value === "ready" ? "" : state.value === "failed" ? "bad" : "warn"}` }, () => word("status", state.value ?? "")),
      () => (found.value.protected ? h("span", { class: "badge good" }, t("protected")) : null),
      () => (found.value.frames_lost ? h("span", { class: "badge bad" }, t("frames.lost", { n: found.value.frames_lost })) : null),
    ),
    h(
      "div",
      { class: "clipgrid" },
      film.element,
      h(
        "div",
        { class: "beside" },
        actions(found),
        h("h2", null, t("passes")),
        () =>
          passes.value.length
            ? h("ul", { class: "plain jump" }, passes.value.map((each) => h("li", null, h("button", { type: "button", class: each.hit ? "bad" : "", onclick: () => film.seek((each.firstMs - film.originMs) / 1000 + 0.001) }, clockText(each.firstMs, zone.value), " ", h("b", null, each.plate ?? t("no.plate"))), " ", h("a", { href: link("passes", [], { pass: each.id, all: each.plate ? null : 1 }) }, t("details")))))
            : h("p", null, t("passes.none_here")),
        () => factsOf(found.value),
        () => gapList(found.value, film),
      ),
    ),
  ];
}

/** @param {string} cameraId @param {number} fromMs @param {number} toMs
 * @returns {Promise<PassMark[] | null>} null where they cannot be had now */
async function passesOf(cameraId, fromMs, toMs) {
  const found = await quietly(get("timeline", { camera_id: cameraId, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }));
  if (!found) return null;
  const columns = found.cameras[0]?.passes;
  if (!columns) return [];
  return columns.ids
    .map((/** @type {string} */ id, /** @type {number} */ at) => ({ id, plate: columns.plates[at], firstMs: columns.first_ms[at], lastMs: columns.last_ms[at], hit: columns.hit[at] }))
    .sort((/** @type {PassMark} */ one, /** @type {PassMark} */ other) => one.firstMs - other.firstMs);
}

/** @param {SegmentDetail["gaps"][number]} gap */
const gapText = (gap) => `${t("gap.of", { n: gap.frames })}: ${word("cause", gap.cause)}${gap.detail ? ` (${gap.detail})` : ""}`;

/** @param {SegmentDetail} segment @param {import("./player.js").Player} film */
function gapList(segment, film) {
  if (!segment.gaps.length) return h("p", { class: "good" }, t("no.gaps"));
  return [
    h("h2", null, t("gaps")),
    h("ul", { class: "plain" }, segment.gaps.map((gap) => h("li", null, h("button", { type: "button", onclick: () => film.seek((Date.parse(gap.from) - film.originMs) / 1000) }, clockText(Date.parse(gap.from), zone.value, true)), " ", gapText(gap)))),
  ];
}

/** @param {SegmentDetail} segment */
function factsOf(segment) {
  return facts([
    [t("duration"), segment.duration_seconds ? spanText(segment.duration_seconds * 1000) : "…"],
    [t("size"), segment.file_size_bytes ? sizeText(segment.file_size_bytes) : "…"],
    [t("picture"), `${segment.resolution ?? "…"}, ${segment.codec}`],
    [t("pre.roll"), segment.pre_roll_delivered_seconds === null ? "…" : t("pre.roll.of", { given: segment.pre_roll_delivered_seconds, asked: segment.pre_roll_requested_seconds ?? 0 })],
    [t("note"), segment.note],
    segment.protected_by ? [t("protected"), `${segment.protected_by}, ${segment.protected_at ? exactText(Date.parse(segment.protected_at), zone.value) : ""}`] : null,
    [t("error"), segment.error],
    segment.continues ? [t("continues"), h("a", { href: link("clip", [segment.continues]) }, t("clip.before"))] : null,
  ]);
}

/** @param {number} bytes */
export function sizeText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${value >= 100 || !unit ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** @param {import("./view.js").Signal<SegmentDetail>} found */
function actions(found) {
  const ready = computed(() => found.value.status === "ready");
  const id = found.peek().id;
  return h(
    "div",
    { class: "actions" },
    h("button", { type: "button", disabled: () => !ready.value, onclick: () => saveFile(`segments/${id}/download`) }, t("download")),
    h("button", { type: "button", disabled: () => !ready.value, onclick: () => evidence(found.peek()) }, t("evidence")),
    () => (isOperator.value ? h("button", { type: "button", disabled: () => !ready.value, onclick: () => shareClip(id) }, t("share")) : null),
    () => (isOperator.value ? h("button", { type: "button", onclick: () => protect(found) }, t(found.value.protected ? "unprotect" : "protect")) : null),
    () => (isAdmin.value ? h("button", { type: "button", class: "danger", disabled: found.value.protected, onclick: () => remove(found.peek()) }, t("delete")) : null),
    h("a", { class: "button", href: () => link("incident", [], { at: Date.parse(found.value.trigger_time), first: found.value.camera_id }) }, t("other.cameras")),
    h("a", { class: "button", href: () => link("timeline", [], { at: Date.parse(found.value.trigger_time), camera: found.value.camera_id }) }, t("on.timeline")),
  );
}

/** @param {SegmentDetail} segment */
function evidence(segment) {
  return dialog(t("evidence"), (close) => [
    h("p", null, t("evidence.told")),
    form(
      [
        { name: "overlay", label: t("evidence.overlay"), type: "checkbox" },
        { name: "redact", label: t("evidence.redact"), type: "checkbox" },
        { name: "plate", label: t("evidence.plate"), value: segment.plates[0] ?? "", hint: t("evidence.plate_hint") },
        { name: "original", label: t("evidence.original"), type: "checkbox", value: true },
      ],
      t("download"),
      async ({ overlay, redact, plate, original }) => {
        saveFile(`segments/${segment.id}/export`, {
          overlay: overlay || null,
          redact: redact ? "others" : null,
          plate: redact ? plate : null,
          original: redact && !original ? false : null,
          tz: zoneName(),
        });
        tell(t("evidence.comes"));
        close();
      },
    ),
  ]);
}

/** @param {import("./view.js").Signal<SegmentDetail>} found */
async function protect(found) {
  const { id, protected: now } = found.peek();
  if (now) {
    if (!(await confirmed(t("unprotect.sure"), t("unprotect")))) return;
    const said = await attempt(send("PATCH", `segments/${id}`, { protected: false }));
    if (said) found.value = said;
    return;
  }
  await dialog(t("protect"), (close) => [
    h("p", null, t("protect.told")),
    form([{ name: "note", label: t("reason"), required: true }], t("protect"), async ({ note }) => {
      found.value = await send("PATCH", `segments/${id}`, { protected: true, note });
      close();
    }),
  ]);
}

/** @param {SegmentDetail} segment */
async function remove(segment) {
  if (!(await confirmed(t("delete.sure"), t("delete")))) return;
  const done = await attempt(send("DELETE", `segments/${segment.id}`).then(() => true));
  if (done) go(link("passes"));
}

