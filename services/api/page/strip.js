// @ts-check
/**
 * Preview strips: small pictures of a clip in one sheet. One request, then any moment is there at once.
 * And the bar of a clip that shows them: what is in it, where the film is, what somebody points at.
 */
import { effect, h, signal } from "./view.js";
import { because, file, get } from "./api.js";
import { zone } from "./session.js";
import { clockText, exactText, placeOf } from "./time.js";
import { t } from "./texts.js";

/** @template T @typedef {import("./view.js").Signal<T>} Signal */

/** @typedef {{tile_width: number, tile_height: number, columns: number, first_frame_at: string, offsets_ms: number[]}} Facts */

const MOST = 24;
/** @type {Map<string, Promise<Strip | null>>} */
const kept = new Map();

export class Strip {
  /** @param {Facts} facts @param {ImageBitmap} sheet */
  constructor(facts, sheet) {
    this.facts = facts;
    this.sheet = sheet;
  }

  /** The tile nearest to a time after the first frame. @param {number} ms */
  place(ms) {
    const at = this.facts.offsets_ms;
    const next = Math.min(placeOf(at, ms), at.length - 1);
    return next > 0 && ms - at[next - 1] < at[next] - ms ? next - 1 : next;
  }

  /** Draws the picture of a time over the whole canvas. @param {CanvasRenderingContext2D} pen @param {number} ms */
  draw(pen, ms) {
    const { tile_width: width, tile_height: height, columns } = this.facts;
    const place = this.place(ms);
    const x = (place % columns) * width;
    const y = Math.floor(place / columns) * height;
    pen.imageSmoothingEnabled = true;
    pen.drawImage(this.sheet, x, y, width, height, 0, 0, pen.canvas.width, pen.canvas.height);
  }
}

/** The strip of a clip; null where it has none. @param {string} segmentId @returns {Promise<Strip | null>} */
export function stripOf(segmentId) {
  const known = kept.get(segmentId);
  if (known) {
    kept.delete(segmentId);
    kept.set(segmentId, known);
    return known;
  }
  const asked = fetched(segmentId);
  kept.set(segmentId, asked);
  void asked.then((found) => found ?? kept.delete(segmentId));
  for (const [oldest, strip] of kept) {
    if (kept.size <= MOST) break;
    kept.delete(oldest);
    void strip.then((found) => found?.sheet.close());
  }
  return asked;
}

/** @param {string} segmentId */
async function fetched(segmentId) {
  try {
    const [facts, sheet] = await Promise.all([
      get(`segments/${segmentId}/strip.json`),
      file(`segments/${segmentId}/strip.jpg`, because(), "image/jpeg"),
    ]);
    return facts.offsets_ms.length ? new Strip(facts, await createImageBitmap(sheet)) : null;
  } catch {
    return null; // a clip without a strip is played all the same
  }
}

/* ---- the bar ---- */

/**
 * @param {{at: Signal<number>, dragged: Signal<number | null>, duration: Signal<number>,
 *   strip: Signal<Strip | null>, originMs: number, marks: Signal<import("./player.js").Mark[]>,
 *   seek: (seconds: number) => void}} film
 */
export function bar({ at, dragged, duration, strip, originMs, marks, seek }) {
  const hover = signal(/** @type {{x: number, seconds: number} | null} */ (null));
  const share = (/** @type {number} */ ms) => `${Math.min(100, Math.max(0, ((ms - originMs) / 10 / Math.max(0.001, duration.value))))}%`;
  const secondsAt = (/** @type {PointerEvent} */ event) => {
    const place = line.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - place.left) / place.width)) * duration.peek();
  };
  const tip = h("canvas", { class: "tip", width: 160, height: 90, "aria-hidden": "true", hidden: () => !hover.value || !strip.value || dragged.value !== null, style: () => ({ left: `${hover.value?.x ?? 0}px` }) });
  effect(() => {
    const found = strip.value;
    if (!hover.value || !found) return;
    tip.height = Math.round((160 * found.facts.tile_height) / found.facts.tile_width);
    found.draw(/** @type {CanvasRenderingContext2D} */ (tip.getContext("2d")), hover.value.seconds * 1000);
  });
  const line = h(
    "div",
    {
      class: "seek", role: "slider", tabindex: 0, "aria-label": t("place.in.clip"), "aria-valuemin": 0,
      "aria-valuemax": () => duration.value.toFixed(1), "aria-valuenow": () => at.value.toFixed(1),
      "aria-valuetext": () => exactText(originMs + at.value * 1000, zone.value),
      onpointerdown: (/** @type {PointerEvent} */ event) => {
        line.setPointerCapture(event.pointerId);
        const seconds = secondsAt(event);
        dragged.value = seconds;
        if (!strip.peek()) seek(seconds);
      },
      onpointermove: (/** @type {PointerEvent} */ event) => {
        const seconds = secondsAt(event);
        hover.value = { x: event.clientX - line.getBoundingClientRect().left, seconds };
        if (dragged.peek() === null) return;
        dragged.value = seconds;
        if (!strip.peek()) seek(seconds);
      },
      onpointerup: () => {
        const seconds = dragged.peek();
        dragged.value = null;
        if (seconds !== null) seek(seconds);
      },
      onpointercancel: () => (dragged.value = null),
      onpointerleave: () => (hover.value = null),
    },
    () => marks.value.map((mark) => h("span", { class: `mark ${mark.kind}`, title: mark.told, style: () => ({ left: share(mark.fromMs), width: `max(3px, calc(${share(mark.toMs)} - ${share(mark.fromMs)}))` }) })),
    h("span", { class: "done", style: () => ({ width: share(originMs + (dragged.value ?? at.value) * 1000) }) }),
    h("span", { class: "needle", style: () => ({ left: share(originMs + (dragged.value ?? at.value) * 1000) }) }),
    tip,
    () => (hover.value ? h("span", { class: "when", style: { left: `${hover.value.x}px` } }, clockText(originMs + hover.value.seconds * 1000, zone.value, true)) : null),
  );
  return line;
}
