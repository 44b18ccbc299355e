// @ts-check
/**
 * The player: a film with boxes and capture times, frame by frame. While somebody drags, the strip's
 * picture follows the pointer and nothing is asked for; the film follows when they let go.
 */
import { keys } from "./route.js";
import { computed, effect, ending, h, listen, signal, untracked } from "./view.js";
import { bytes, isAway, returns } from "./api.js";
import { filmOf } from "./film.js";
import { frameAt, frameTimes, tableEnd, within } from "./frames.js";
import { boxAt, cleared, drawBox, tracksOf } from "./overlay.js";
import { zone } from "./session.js";
import { bar, stripOf } from "./strip.js";
import { clockText, dateText, exactText, offsetText } from "./time.js";
import { t } from "./texts.js";

/** @typedef {import("./api_types.js").SegmentDetail} SegmentDetail */
/** @typedef {{fromMs: number, toMs: number, kind: "pass" | "hit" | "gap", told: string}} Mark */
/** @typedef {ReturnType<typeof player>} Player */

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
const FIRST_BYTES = 65_536;
const BACK_MS = 80;

/** The speed that is so many places further. @param {number[]} speeds @param {number} now @param {number} by */
export const stepped = (speeds, now, by) => speeds[Math.min(speeds.length - 1, Math.max(0, speeds.indexOf(now) + by))];

/** The size of the camera's picture: the boxes of reads are in its pixels.
 * @param {SegmentDetail} segment @param {{width: number | null, height: number | null} | null} camera */
export function sourceSize(segment, camera) {
  const [width, height] = (segment.resolution ?? "").split("x").map(Number);
  if (segment.policy.scale && camera?.width && camera.height) return { width: camera.width, height: camera.height };
  return width && height ? { width, height } : null;
}

/**
 * @param {SegmentDetail} segment
 * @param {{startMs: number | null, marks: import("./view.js").Signal<Mark[]>,
 *   size: import("./view.js").Signal<{width: number, height: number} | null>,
 *   detections: import("./view.js").Signal<SegmentDetail["detections"]>, small?: boolean}} given
 *   startMs: the capture time that it opens at
 */
export function player(segment, given) {
  const film = filmOf(segment, given.startMs);
  const { video, originMs, at, duration, refused, seek } = film;
  const playing = signal(false);
  const speed = signal(1);
  const dragged = signal(/** @type {number | null} */ (null));
  const strip = signal(/** @type {import("./strip.js").Strip | null} */ (null));
  const nowMs = computed(() => originMs + (dragged.value ?? at.value) * 1000);
  const tracks = computed(() => tracksOf(given.detections.value));
  effect(() => {
    void returns.value;
    if (film.isGrowing || !segment.strip_path || untracked(() => strip.value)) return;
    void stripOf(segment.id).then((found) => (strip.value = found));
  });
  const boxes = h("canvas", { class: "boxes", "aria-hidden": "true" });
  // where the film cannot be shown, the strip is what there is to see
  const stripAt = computed(() => dragged.value ?? (refused.value ? at.value : null));
  const preview = h("canvas", { class: "boxes", "aria-hidden": "true", hidden: () => stripAt.value === null || !strip.value });

  listen(video, "play", () => (playing.value = true));
  listen(video, "pause", () => (playing.value = false));
  listen(video, "ended", () => (playing.value = false));

  /* ---- frame by frame ---- */
  /** @type {Promise<number[] | null> | null} */
  let table = null;
  let failedAt = -1; // of `returns`: it is asked for again once the API is back
  // a step without it is one frame at the camera's rate
  const times = () => {
    if (!table || (failedAt >= 0 && failedAt !== returns.peek())) {
      failedAt = -1;
      table = (film.isGrowing ? Promise.resolve(null) : tableOf(segment.id)).catch((error) => {
        if (isAway(error)) failedAt = returns.peek();
        return null;
      });
    }
    return table;
  };
  const step = async (/** @type {number} */ by) => {
    video.pause();
    reverse(0);
    const found = await times();
    if (!found) return seek(film.place() + by / (segment.fps || 15) + 0.001);
    const place = frameAt(found, film.place()) + by;
    seek(within(found, Math.min(found.length - 1, Math.max(0, place)), duration.peek()));
  };

  /* ---- playing ---- */
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let back;
  const reverse = (/** @type {number} */ rate) => {
    clearInterval(back);
    back = undefined;
    if (!rate) return;
    video.pause();
    back = setInterval(() => {
      if (video.seeking) return;
      seek(at.peek() - (rate * BACK_MS) / 1000);
      if (at.peek() <= 0) reverse(0);
    }, BACK_MS);
  };
  ending(() => reverse(0));
  const toggle = () => {
    reverse(0);
    if (!video.paused) return video.pause();
    if (video.ended || at.peek() >= duration.peek() - 0.01) seek(0);
    video.play().catch(() => undefined);
  };
  effect(() => {
    video.defaultPlaybackRate = video.playbackRate = speed.value; // the first is what a film has that comes anew
  });
  const faster = (/** @type {number} */ by) => (speed.value = stepped(SPEEDS, speed.peek(), by));
  let lastJ = 1;
  const jkl = {
    j: () => {
      lastJ = back ? Math.min(8, lastJ * 2) : 1;
      reverse(lastJ);
    },
    k: () => {
      reverse(0);
      video.pause();
      speed.value = 1;
    },
    l: () => {
      reverse(0);
      if (video.paused) video.play().catch(() => undefined);
      else faster(1);
    },
  };
  const jump = (/** @type {number} */ by, /** @type {Mark["kind"][]} */ kinds) => {
    const starts = given.marks.peek().filter((mark) => kinds.includes(mark.kind)).map((mark) => mark.fromMs).sort((a, b) => a - b);
    const here = originMs + at.peek() * 1000;
    const found = by > 0 ? starts.find((ms) => ms > here + 20) : starts.filter((ms) => ms < here - 20).pop();
    if (found !== undefined) seek((found - originMs) / 1000 + 0.001);
  };

  /* ---- what is drawn ---- */
  const resized = signal(0);
  const watch = new ResizeObserver(() => (resized.value += 1));
  watch.observe(boxes);
  ending(() => watch.disconnect());
  effect(() => {
    void resized.value;
    const pen = cleared(boxes);
    const size = given.size.value;
    if (!size || dragged.value !== null) return;
    let drawn = 0;
    for (const track of tracks.value) {
      const box = boxAt(track, nowMs.value);
      if (!box) continue;
      drawBox(pen, box, size, track[0].label);
      drawn += 1;
    }
    boxes.dataset.drawn = String(drawn);
  });
  effect(() => {
    const seconds = stripAt.value;
    if (seconds === null || !strip.value) return;
    void resized.value;
    const pen = cleared(preview);
    strip.value.draw(pen, seconds * 1000);
    preview.dataset.place = String(strip.value.place(seconds * 1000));
  });

  const stage = h(
    "div",
    { class: "stage", ondblclick: () => full() },
    video,
    boxes,
    preview,
    () => (refused.value ? h("p", { class: "refused", role: "alert" }, refused.value) : null),
  );
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen().catch(() => undefined));
  const api = { segment, originMs, video, at, duration, playing, speed, seek, step, toggle, jump, refused, nowMs };
  if (given.small) return { ...api, element: stage };
  keys(t("player"), [
    { key: " ", told: t("play.pause"), work: toggle },
    { key: "k", told: t("pause"), work: jkl.k },
    { key: "j", told: t("backwards"), work: jkl.j },
    { key: "l", told: t("forwards"), work: jkl.l },
    { key: ",", told: t("frame.back"), work: () => void step(-1) },
    { key: ".", told: t("frame.on"), work: () => void step(1) },
    { key: "ArrowLeft", told: t("second.back"), shown: "←", work: () => seek(at.peek() - 1) },
    { key: "ArrowRight", told: t("second.on"), shown: "→", work: () => seek(at.peek() + 1) },
    { key: "-", told: t("slower"), work: () => faster(-1) },
    { key: "+", told: t("faster"), work: () => faster(1) },
    { key: "[", told: t("pass.before"), work: () => jump(-1, ["pass", "hit"]) },
    { key: "]", told: t("pass.after"), work: () => jump(1, ["pass", "hit"]) },
    { key: "{", told: t("gap.before"), work: () => jump(-1, ["gap"]) },
    { key: "}", told: t("gap.after"), work: () => jump(1, ["gap"]) },
    { key: "f", told: t("full"), work: full },
  ]);
  const element = h(
    "div",
    { class: "player" },
    stage,
    bar({ at, dragged, duration, strip, originMs, marks: given.marks, seek }),
    h(
      "div",
      { class: "controls" },
      h("button", { type: "button", class: "main", onclick: toggle, "aria-label": () => t(playing.value ? "pause" : "play") }, () => (playing.value ? "❚❚" : "▶")),
      h("button", { type: "button", onclick: () => step(-1), "aria-label": t("frame.back") }, "‹"),
      h("button", { type: "button", onclick: () => step(1), "aria-label": t("frame.on") }, "›"),
      h("button", { type: "button", onclick: () => jump(-1, ["pass", "hit"]), "aria-label": t("pass.before") }, "["),
      h("button", { type: "button", onclick: () => jump(1, ["pass", "hit"]), "aria-label": t("pass.after") }, "]"),
      h("select", { "aria-label": t("speed"), value: () => String(speed.value), onchange: (/** @type {any} */ e) => (speed.value = Number(e.target.value)) }, SPEEDS.map((each) => h("option", { value: each, selected: each === 1 }, `${each}×`))),
      h("output", { class: "clock", "aria-live": "off", title: () => exactText(nowMs.value, zone.value) }, h("b", null, () => clockText(nowMs.value, zone.value, true)), h("span", null, () => ` ${dateText(nowMs.value, zone.value)} ${offsetText(nowMs.value, zone.value)}`)),
      h("span", { class: "place" }, () => `${(dragged.value ?? at.value).toFixed(2)} / ${duration.value.toFixed(2)} s`),
      h("button", { type: "button", class: "quiet", onclick: full }, t("full")),
    ),
  );
  return { ...api, element };
}

/** When each frame of a clip is shown; null where its file does not say. @param {string} segmentId
 * @returns {Promise<number[] | null>} */
async function tableOf(segmentId) {
  const part = (/** @type {number} */ last) => bytes(`segments/${segmentId}/download`, { headers: { Range: `bytes=0-${last}` } }, { through: true });
  const beginning = await part(FIRST_BYTES - 1);
  const end = tableEnd(beginning);
  if (end === null) return null;
  return frameTimes(end <= beginning.byteLength ? beginning : await part(end - 1));
}
