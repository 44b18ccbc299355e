// @ts-check
/** An incident: one moment, up to four cameras in step. Where a camera has nothing, it says so. */
import { computed, each, effect, ending, h, signal, untracked } from "./view.js";
import { followSoon, get, returns } from "./api.js";
import { dialog, form, saveFile, tell, told } from "./dialog.js";
import { keys, link, refine, route } from "./route.js";
import { needsPurpose, zone } from "./session.js";
import { clockText, exactText, spanText } from "./time.js";
import { t, word } from "./texts.js";
import { player, sourceSize, stepped } from "./player.js";
import { timelineOf } from "./timeline_data.js";
import { purposeAsked } from "./login.js";
import { askMoment, asking, problemBox } from "./pieces.js";

/** @typedef {import("./timeline_data.js").Row} Row */
/** @typedef {import("./player.js").Player} Player */

const AROUND_MS = 60_000;
const LATE_MS = 600_000; // so long after a moment there may be news of it
const HEARD_MS = 500;
const MOST = 4;
const MOST_CLIPS = 16; // of an archive, as the API has it
const STEP_MS = 100;
const SEEK_ABOVE_S = 0.3;
const EASE = 0.1; // how much faster or slower a film may run to come back into step
const GAIN = 2;
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const SLOWEST_FPS = 1;

export function incidentView() {
  const atMs = untracked(() => Number(route.value.query.get("at")) || Date.now());
  const span = { fromMs: atMs - AROUND_MS, toMs: atMs + AROUND_MS };
  const { found, problem, again } = asking(async () => (await timelineOf(span, [])).rows, { purpose: true });
  const rows = computed(() => found.value ?? []);
  const wanted = computed(() => (route.value.query.get("cameras") ?? "").split(",").filter(Boolean));
  const nowMs = signal(atMs);
  const playing = signal(false);
  const speed = signal(1);
  const chosenText = computed(() => {
    const all = rows.value.map((row) => row.cameraId);
    if (wanted.value.length) return wanted.value.filter((name) => all.includes(name)).slice(0, MOST).join(",");
    const having = rows.value.filter((row) => row.starts.length).map((row) => row.cameraId);
    const first = having.filter((name) => name === route.value.query.get("first"));
    return [...new Set([...first, ...having])].slice(0, MOST).join(",");
  });
  // another answer of the same cameras begins no film anew
  const chosen = computed(() => chosenText.value.split(",").filter(Boolean));
  followSoon(
    ["segment.recording", "segment.ready", "segment.failed", "plate.read", "pass.closed"],
    () => Date.now() < span.toMs + LATE_MS && again(),
    HEARD_MS,
  );

  /** @type {Map<string, Player>} */
  const players = new Map();
  const began = { wall: 0, ms: 0 };
  const anchor = () => Object.assign(began, { wall: performance.now(), ms: nowMs.peek() });
  const seekAll = (/** @type {number} */ ms) => {
    nowMs.value = Math.min(span.toMs, Math.max(span.fromMs, ms));
    anchor();
    for (const each of players.values()) each.seek((nowMs.peek() - each.originMs) / 1000);
  };
  const toggle = () => {
    playing.value = !playing.peek();
    anchor();
  };
  const timer = setInterval(() => keepStep({ players, playing, speed, nowMs, began, span }), STEP_MS);
  ending(() => clearInterval(timer));
  effect(() => {
    void speed.value;
    anchor();
  });
  const setSpeed = (/** @type {number} */ by) => (speed.value = stepped(SPEEDS, speed.peek(), by));
  const pauseAt = (/** @type {number} */ ms) => {
    playing.value = false;
    seekAll(ms);
  };
  const goTo = (/** @type {number} */ ms) => (ms < span.fromMs || ms > span.toMs ? refine({ at: Math.round(ms) }) : seekAll(ms));
  // a step is a frame of the camera that has most of them
  const frameMs = () => 1000 / Math.max(SLOWEST_FPS, ...[...players.values()].map((each) => each.segment.fps));
  keys(t("incident"), [
    { key: " ", told: t("play.pause"), work: toggle },
    { key: "ArrowLeft", shown: "←", told: t("second.back"), work: () => seekAll(nowMs.peek() - 1000) },
    { key: "ArrowRight", shown: "→", told: t("second.on"), work: () => seekAll(nowMs.peek() + 1000) },
    { key: ",", told: t("frame.back"), work: () => pauseAt(nowMs.peek() - frameMs()) },
    { key: ".", told: t("frame.on"), work: () => pauseAt(nowMs.peek() + frameMs()) },
    { key: "-", told: t("slower"), work: () => setSpeed(-1) },
    { key: "+", told: t("faster"), work: () => setSpeed(1) },
    { key: "t", told: t("go.to.time"), work: () => void askMoment(nowMs.peek(), goTo) },
  ]);
  return h(
    "div",
    { class: "column incident" },
    h("h1", { class: "unseen" }, t("incident")),
    h(
      "div",
      { class: "filters bar" },
      h("button", { type: "button", class: "main", onclick: toggle, "aria-label": () => t(playing.value ? "pause" : "play") }, () => (playing.value ? "❚❚" : "▶")),
      h("select", { "aria-label": t("speed"), onchange: (/** @type {any} */ e) => (speed.value = Number(e.target.value)) }, SPEEDS.map((each) => h("option", { value: each, selected: each === 1 }, `${each}×`))),
      h("output", { class: "clock number", "aria-live": "off" }, h("b", null, () => exactText(nowMs.value, zone.value))),
      h("span", { class: "count" }, cameraChoice(rows, chosen)),
      h("button", { type: "button", disabled: () => !clipsAt(rows.value, chosen.value, span, 0).length, onclick: () => evidence(clipsAt(rows.peek(), chosen.peek(), span, nowMs.peek())) }, t("incident.export")),
    ),
    h("input", { type: "range", class: "whole", "aria-label": t("place.in.incident"), min: span.fromMs, max: span.toMs, step: 10, value: () => String(Math.round(nowMs.value)), "aria-valuetext": () => exactText(nowMs.value, zone.value), oninput: (/** @type {any} */ e) => seekAll(Number(e.target.value)) }),
    () => {
      if (needsPurpose.value) return purposeAsked();
      if (problem.value) return problemBox(problem.value, again);
      if (!found.value) return h("p", { class: "standing" }, t("loading"));
      if (!chosen.value.length) return h("p", { class: "standing" }, t("incident.none"));
      return null;
    },
    h("div", { class: () => `quad n${chosen.value.length}` }, each(() => chosen.value, (name) => name, (name) => tile(name.peek(), rows, nowMs, players))),
  );
}

/** Keeps all films at the common time: by their speed where they are close, by a seek where they are not.
 * @param {{players: Map<string, Player>, playing: any, speed: any, nowMs: any, began: {wall: number, ms: number},
 *   span: {fromMs: number, toMs: number}}} all */
function keepStep({ players, playing, speed, nowMs, began, span }) {
  const runs = playing.peek();
  if (runs) {
    nowMs.value = began.ms + (performance.now() - began.wall) * speed.peek();
    if (nowMs.peek() >= span.toMs) playing.value = false;
  }
  for (const each of players.values()) {
    const goal = (nowMs.peek() - each.originMs) / 1000;
    const inside = goal >= 0 && goal < each.duration.peek();
    const { video } = each;
    if (!runs || !inside) {
      if (!video.paused) {
        video.pause();
        if (inside) each.seek(goal); // who stands still is in step, too
      }
      continue;
    }
    const drift = video.currentTime - goal;
    video.dataset.drift = drift.toFixed(4);
    if (Math.abs(drift) > SEEK_ABOVE_S) {
      if (!video.seeking) each.seek(goal);
    } else video.playbackRate = speed.peek() * (1 - Math.max(-EASE, Math.min(EASE, GAIN * drift)));
    if (video.paused && !video.seeking) video.play().catch(() => undefined);
  }
}

/** @param {string} name @param {import("./view.js").Signal<Row[]>} rows @param {import("./view.js").Signal<number>} nowMs
 * @param {Map<string, Player>} players */
function tile(name, rows, nowMs, players) {
  const row = computed(() => rows.value.find((each) => each.cameraId === name));
  const segmentId = computed(() => row.value?.clipAt(nowMs.value)?.segmentId ?? null);
  const gap = computed(() => row.value?.gapAt(nowMs.value) ?? null);
  const plate = computed(() => row.value?.passNear(nowMs.value, 200)?.plate ?? "");
  return h(
    "section",
    { class: "tile", "aria-label": name },
    () => {
      const id = segmentId.value;
      return id ? untracked(() => film(id, name, nowMs, players)) : h("p", { class: "nothing" }, () => nothing(row.value, nowMs.value));
    },
    h("p", { class: "caption" }, h("b", null, name), h("span", { class: "plate" }, () => plate.value), () => (gap.value ? h("span", { class: "badge bad" }, word("cause", gap.value.cause)) : null), () => (segmentId.value ? h("a", { href: () => link("clip", [String(segmentId.value)]) }, t("open.clip")) : null)),
  );
}

/** Why there is no picture: how far the nearest clip is. @param {Row | undefined} row @param {number} ms */
function nothing(row, ms) {
  const starts = row ? Array.from(row.starts) : [];
  const next = starts.find((each) => each > ms);
  return next === undefined ? t("incident.nothing") : t("incident.nothing_until", { at: clockText(next, zone.value), span: spanText(next - ms) });
}

/** @param {string} segmentId @param {string} name @param {import("./view.js").Signal<number>} nowMs @param {Map<string, Player>} players */
function film(segmentId, name, nowMs, players) {
  const segment = signal(/** @type {import("./api_types.js").SegmentDetail | null} */ (null));
  const failed = signal("");
  effect(() => {
    void returns.value;
    if (untracked(() => segment.value)) return;
    get(`segments/${segmentId}`).then(
      (answer) => (segment.value ??= answer),
      (error) => (failed.value = told(error)),
    );
  });
  return h("div", { class: "film" }, () => {
    const now = segment.value;
    if (!now) return h("p", { class: "nothing" }, failed.value || t("loading"));
    return untracked(() => {
      const made = player(now, { startMs: nowMs.peek(), marks: signal([]), size: signal(sourceSize(now, null)), detections: signal(now.detections), small: true });
      players.set(name, made);
      ending(() => players.get(name) === made && players.delete(name));
      return made.element;
    });
  });
}

/** Clips that can be had, the nearest to a moment first. @param {Row[]} rows @param {string[]} chosen
 * @param {{fromMs: number, toMs: number}} span @param {number} atMs */
function clipsAt(rows, chosen, span, atMs) {
  const farFrom = (/** @type {{fromMs: number, toMs: number}} */ each) => Math.max(each.fromMs - atMs, atMs - each.toMs, 0);
  return rows
    .filter((row) => chosen.includes(row.cameraId))
    .flatMap((row) => row.ids.map((id, at) => ({ id, ready: row.status[at] === "ready", fromMs: row.starts[at], toMs: row.ends[at] })))
    .filter((each) => each.ready && each.fromMs <= span.toMs && each.toMs >= span.fromMs)
    .sort((one, other) => farFrom(one) - farFrom(other));
}

/** @param {import("./view.js").Signal<Row[]>} rows @param {import("./view.js").Signal<string[]>} chosen */
function cameraChoice(rows, chosen) {
  return each(
    () => rows.value,
    (row) => row.cameraId,
    (row) => {
      const name = row.peek().cameraId;
      const is = () => chosen.value.includes(name);
      return h("label", { class: "check" }, h("input", {
        type: "checkbox",
        checked: is,
        disabled: () => (is() ? chosen.value.length === 1 : chosen.value.length >= MOST),
        onchange: (/** @type {any} */ event) => {
          const now = chosen.peek();
          refine({ cameras: (event.target.checked ? [...now, name] : now.filter((one) => one !== name)).join(",") });
        },
      }), name);
    },
  );
}

/** One signed archive of all clips, or of as many as one may have. 
 * @param {{id: string, fromMs: number}[]} all the nearest first */
function evidence(all) {
  const ids = all.slice(0, MOST_CLIPS).sort((one, other) => one.fromMs - other.fromMs).map((each) => each.id);
  return dialog(t("incident.export"), (close) => [
    h("p", null, t("incident.export_told", { n: ids.length })),
    ids.length < all.length ? h("p", null, t("incident.export_nearest", { all: all.length })) : null,
    form([{ name: "title", label: t("incident.title") }], t("download"), async ({ title }) => {
      saveFile("incident/export", { segment_id: ids, title });
      tell(t("evidence.comes"));
      close();
    }),
  ]);
}

