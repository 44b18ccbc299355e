// @ts-check
/** Live: a wall of all cameras, and one of them large. */
import { computed, each, effect, ending, h, listen, signal, untracked } from "./view.js";
import { follow, get, media, returns, serverNow } from "./api.js";
import { quietly } from "./dialog.js";
import { keys, link, refine, route } from "./route.js";
import { zone } from "./session.js";
import { clockText, spanText } from "./time.js";
import { t, word } from "./texts.js";
import { cleared, drawBox } from "./overlay.js";
import { facts } from "./pieces.js";

/** @typedef {import("./api_types.js").Camera} Camera */

const LOOK_MS = 1000;
const CAMERAS_MS = 3000;
const MOST_AT_ONCE = 4;
const LATE_MS = 3000;
const READS_MS = 400;
const BOX_MS = 1500;
const FPS = 10;
const STREAM_MS = 3_000_000; // the API ends each stream after an hour

/** Snapshots wait here for their turn: a browser has six connections to a host, and the rest of the page needs some. */
class Turns {
  constructor() {
    this.running = 0;
    /** @type {(() => Promise<void>)[]} */
    this.waiting = [];
  }

  /** @param {() => Promise<void>} work */
  take(work) {
    this.waiting.push(work);
    this.begin();
  }

  begin() {
    while (this.running < MOST_AT_ONCE && this.waiting.length) {
      const work = /** @type {() => Promise<void>} */ (this.waiting.shift());
      this.running += 1;
      void work().finally(() => {
        this.running -= 1;
        this.begin();
      });
    }
  }
}

export function liveView() {
  const cameras = signal(/** @type {Camera[] | null} */ (null));
  const recordings = signal(/** @type {Map<string, number>} */ (new Map()));
  const now = signal(serverNow());
  const large = computed(() => route.value.query.get("camera"));
  const turns = new Turns();

  const look = async () => {
    const found = await quietly(get("cameras"));
    if (found) cameras.value = found.items;
  };
  const running = async () => {
    const found = await quietly(get("segments", { status: "recording", limit: 100 }));
    if (found) recordings.value = new Map(found.items.map((/** @type {any} */ one) => [one.camera_id, Date.parse(one.start_time)]));
  };
  const hidden = () => document.visibilityState === "hidden";
  const timers = [setInterval(() => hidden() || void look(), CAMERAS_MS), setInterval(() => (now.value = serverNow()), LOOK_MS)];
  ending(() => timers.forEach(clearInterval));
  effect(() => {
    void returns.value;
    untracked(() => void Promise.all([look(), running()]));
  });
  ending(follow(["camera.changed", "camera.down", "camera.up"], () => void look()));
  ending(follow(["segment.recording", "segment.finalizing", "segment.ready", "segment.failed"], () => void running()));
  keys(t("live"), [
    { key: "Escape", told: t("wall"), work: () => refine({ camera: null }) },
    { key: "]", told: t("next.camera"), work: () => turn(1) },
    { key: "[", told: t("previous.camera"), work: () => turn(-1) },
  ]);
  const turn = (/** @type {number} */ by) => {
    const all = (cameras.peek() ?? []).map((one) => one.camera_id);
    if (all.length) refine({ camera: all[(all.indexOf(large.peek() ?? "") + by + all.length) % all.length] });
  };
  return () => {
    const name = large.value;
    if (cameras.value === null) return h("p", { class: "standing" }, t("loading"));
    if (!cameras.value.length) return h("p", { class: "standing" }, t("no.cameras"));
    if (name) {
      return untracked(() => one(name, computed(() => cameras.value?.find((each) => each.camera_id === name)), recordings, now));
    }
    return untracked(() =>
      h(
        "div",
        { class: "wall" },
        h("h1", { class: "unseen" }, t("live")),
        each(
          () => cameras.value ?? [],
          (camera) => camera.camera_id,
          (camera) => tile(camera, recordings, now, turns),
        ),
      ),
    );
  };
}

/** @param {Camera} camera @param {number} nowMs @returns {{state: "live" | "late" | "lost", told: string}} */
function stateOf(camera, nowMs) {
  if (camera.state !== "connected" && camera.state !== "impaired") {
    return { state: "lost", told: `${word("camera", camera.state)}${camera.error ? `: ${camera.error}` : ""}` };
  }
  const lateMs = camera.last_frame_at ? nowMs - Date.parse(camera.last_frame_at) : Infinity;
  if (lateMs > LATE_MS + CAMERAS_MS) return { state: "late", told: t("late.by", { span: Number.isFinite(lateMs) ? spanText(lateMs) : "…" }) };
  return { state: "live", told: camera.state === "impaired" ? `${word("camera", "impaired")}: ${camera.error ?? ""}` : t("live.now") };
}

/** @param {() => Camera | undefined} camera @param {import("./view.js").Signal<Map<string, number>>} recordings
 * @param {import("./view.js").Signal<number>} now */
function captions(camera, recordings, now) {
  const state = computed(() => {
    const found = camera();
    return found ? stateOf(found, now.value) : { state: "lost", told: "" };
  });
  return [
    h("span", { class: () => `badge ${state.value.state === "live" ? "good" : state.value.state === "late" ? "warn" : "bad"}` }, () => t(`state.${state.value.state}`)),
    () => {
      const since = recordings.value.get(camera()?.camera_id ?? "");
      return since ? h("span", { class: "badge bad rec" }, "● ", spanText(now.value - since)) : null;
    },
    h("small", { class: "why" }, () => (state.value.state === "live" ? "" : state.value.told)),
  ];
}

/** @param {import("./view.js").Signal<Camera>} camera @param {import("./view.js").Signal<Map<string, number>>} recordings
 * @param {import("./view.js").Signal<number>} now @param {Turns} turns */
function tile(camera, recordings, now, turns) {
  const id = camera.peek().camera_id;
  const picture = h("canvas", { width: 320, height: 180, "aria-hidden": "true" });
  const taken = signal(/** @type {number | null} */ (null));
  let seen = true;
  let waits = false;
  let over = false;
  const watch = new IntersectionObserver((entries) => (seen = entries[entries.length - 1].isIntersecting));
  watch.observe(picture);
  const snapshot = async () => {
    if (over) return;
    try {
      const answer = await fetch(media(`cameras/${encodeURIComponent(id)}/snapshot.jpg`), { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) return;
      const at = answer.headers.get("X-Captured-At");
      const image = await createImageBitmap(await answer.blob());
      if (picture.width !== image.width) [picture.width, picture.height] = [image.width, image.height];
      picture.getContext("2d")?.drawImage(image, 0, 0);
      image.close();
      taken.value = at ? Date.parse(at) : null;
    } catch {
      // the next one comes in a second; the state beside it says what is wrong
    }
  };
  const look = () => {
    if (waits || !seen || document.visibilityState === "hidden" || !["connected", "impaired"].includes(camera.peek().state)) return;
    waits = true;
    turns.take(() => snapshot().finally(() => (waits = false)));
  };
  const timer = setInterval(look, LOOK_MS);
  look();
  listen(document, "visibilitychange", look);
  ending(() => {
    over = true;
    clearInterval(timer);
    watch.disconnect();
  });
  return h(
    "a",
    { class: () => `tile ${stateOf(camera.value, now.value).state}`, href: link("live", [], { camera: id }) },
    h("span", { class: "picture" }, picture),
    h("span", { class: "caption" }, h("b", null, id), captions(() => camera.value, recordings, now), h("time", { class: "number" }, () => (taken.value ? clockText(taken.value, zone.value) : ""))),
  );
}

/** @param {string} id @param {import("./view.js").Signal<Camera | undefined>} camera
 * @param {import("./view.js").Signal<Map<string, number>>} recordings @param {import("./view.js").Signal<number>} now */
function one(id, camera, recordings, now) {
  const picture = h("img", { alt: t("live.of", { camera: id }) });
  const again = signal(0);
  effect(() => {
    void returns.value; // a picture whose stream has ended stands still, and says nothing
    void again.value;
    picture.removeAttribute("src");
    if (document.visibilityState !== "hidden") picture.src = media(`cameras/${encodeURIComponent(id)}/live.mjpeg`, { fps: FPS });
  });
  const timer = setInterval(() => (again.value += 1), STREAM_MS);
  listen(document, "visibilitychange", () => (again.value += 1));
  listen(picture, "error", () => setTimeout(() => over || (again.value += 1), CAMERAS_MS));
  const boxes = h("canvas", { class: "boxes", "aria-hidden": "true" });
  const reads = signal(/** @type {{box: number[], label: string, untilMs: number}[]} */ ([]));
  const last = signal(/** @type {any[]} */ ([]));
  const known = new Set();
  let over = false;
  const look = async () => {
    if (over) return;
    if (document.visibilityState !== "hidden") {
      const found = await get("detections", { camera_id: id, from: new Date(serverNow() - 5000).toISOString(), limit: 20 }).catch(() => null);
      const fresh = (found?.items ?? []).filter((/** @type {any} */ read) => !known.has(read.detection_id));
      for (const read of fresh) known.add(read.detection_id);
      if (known.size > 1000) known.clear();
      const nowMs = Date.now();
      const shown = fresh.filter((/** @type {any} */ read) => read.bbox).map((/** @type {any} */ read) => ({ box: read.bbox, label: read.plate ?? "", untilMs: nowMs + BOX_MS }));
      reads.value = [...reads.peek().filter((each) => each.untilMs > nowMs && !shown.some((/** @type {any} */ two) => two.label === each.label)), ...shown];
      if (fresh.length) last.value = [...fresh, ...last.peek()].slice(0, 12);
    }
    if (!over) setTimeout(look, READS_MS);
  };
  void look();
  effect(() => {
    const pen = cleared(boxes);
    const found = camera.value;
    if (!found?.width || !found.height) return;
    for (const read of reads.value) drawBox(pen, read.box, { width: found.width, height: found.height }, read.label);
  });
  ending(() => {
    over = true;
    clearInterval(timer);
    picture.removeAttribute("src"); // else its connection stays
  });
  return h(
    "div",
    { class: "page clip" },
    h("header", { class: "heading" }, h("a", { class: "button", href: link("live") }, `‹ ${t("wall")}`), h("h1", null, id), captions(() => camera.value, recordings, now)),
    h(
      "div",
      { class: "clipgrid" },
      h("div", { class: "stage live" }, picture, boxes),
      h(
        "div",
        { class: "beside" },
        h("h2", null, t("just.read")),
        () => (last.value.length ? h("ul", { class: "plain" }, last.value.map((read) => h("li", null, h("time", { class: "number" }, clockText(Date.parse(read.captured_at), zone.value, true)), " ", read.pass_id ? h("a", { href: link("passes", [], { pass: read.pass_id, all: 1 }) }, h("b", { class: "plate" }, read.plate ?? t("no.plate"))) : h("b", null, read.plate ?? t("no.plate")), ` ${Math.round(read.confidence * 100)} % `, h("small", null, word("outcome", read.outcome))))) : h("p", null, t("nothing.yet"))),
        () => cameraFacts(camera.value),
      ),
    ),
  );
}

/** @param {Camera | undefined} camera */
function cameraFacts(camera) {
  if (!camera) return null;
  return facts([
    [t("source"), camera.source],
    [t("picture"), camera.width ? `${camera.width}x${camera.height}, ${camera.fps ?? "?"} /s` : null],
    [t("recorded.as"), camera.recorded_as],
    [t("not.copied"), camera.not_copied],
    [t("dropped"), camera.dropped],
    [t("bad.frames"), camera.bad_frames],
    [t("reconnects"), camera.reconnects],
  ]);
}
