// @ts-check
/** What a timeline draws, as columns of numbers: asked for in stretches, and again where it still grows. */
import { effect, ending } from "./view.js";
import { follow, get, returns } from "./api.js";
import { quietly } from "./dialog.js";
import { needsPurpose } from "./session.js";
import { DAY, placeOf } from "./time.js";

/** @template T @typedef {import("./view.js").Signal<T>} Signal */
/** @typedef {import("./time.js").Stretch} Stretch */
/** @typedef {{segmentId: string, startMs: number, endMs: number, status: string, isProtected: boolean, hasStrip: boolean}} Clip */
/** @typedef {{passId: string, firstMs: number, lastMs: number, plate: string | null, hit: boolean}} PassMark */
/** @typedef {{fromMs: number, toMs: number, cause: string, frames: number}} Gap */

const HEARD_MS = 300;
const MARGIN = 0.5;
const WIDEST = 31 * DAY;

/** One camera's clips, passes and gaps, each in order of time. */
export class Row {
  /** @param {any} columns as `GET timeline` answers them */
  constructor(columns) {
    this.cameraId = /** @type {string} */ (columns.camera_id);
    const { segments, passes, gaps } = columns;
    const clips = order(segments.start_ms);
    this.starts = take(segments.start_ms, clips);
    this.ends = take(segments.end_ms, clips);
    this.status = clips.map((at) => segments.status[at]);
    this.ids = clips.map((at) => segments.ids[at]);
    this.protection = clips.map((at) => segments.protected[at]);
    this.strips = clips.map((at) => segments.strip[at]);
    const seen = order(passes.first_ms);
    this.firsts = take(passes.first_ms, seen);
    this.lasts = take(passes.last_ms, seen);
    this.passIds = seen.map((at) => passes.ids[at]);
    this.plates = seen.map((at) => passes.plates[at]);
    this.hits = Uint8Array.from(seen, (at) => Number(passes.hit[at]));
    const holes = order(gaps.from_ms);
    this.gapFrom = take(gaps.from_ms, holes);
    this.gapTo = take(gaps.to_ms, holes);
    this.gapCause = holes.map((at) => gaps.cause[at]);
    this.gapFrames = holes.map((at) => gaps.frames[at]);
    /** the longest of each: how far before a stretch something may begin that meets it */
    this.longestClip = longest(this.starts, this.ends);
    this.longestPass = longest(this.firsts, this.lasts);
  }

  /** @param {number} at @returns {Clip} */
  clip(at) {
    return { segmentId: this.ids[at], startMs: this.starts[at], endMs: this.ends[at], status: this.status[at], isProtected: this.protection[at], hasStrip: this.strips[at] };
  }

  /** The clip that holds a time, the last that began where several do. @param {number} ms @returns {Clip | null} */
  clipAt(ms) {
    const from = placeOf(this.starts, ms - this.longestClip);
    for (let at = placeOf(this.starts, ms + 1) - 1; at >= from; at -= 1) if (this.ends[at] >= ms) return this.clip(at);
    return null;
  }

  /** @param {number} at @returns {PassMark} */
  pass(at) {
    return { passId: this.passIds[at], firstMs: this.firsts[at], lastMs: this.lasts[at], plate: this.plates[at], hit: Boolean(this.hits[at]) };
  }

  /** The pass nearest to a time, no further than `withinMs`. @param {number} ms @param {number} withinMs */
  passNear(ms, withinMs) {
    let found = -1;
    let least = withinMs;
    const from = placeOf(this.firsts, ms - withinMs - this.longestPass);
    const to = placeOf(this.firsts, ms + withinMs);
    for (let at = from; at < to; at += 1) {
      const far = ms < this.firsts[at] ? this.firsts[at] - ms : Math.max(0, ms - this.lasts[at]);
      if (far > least || (far === least && found >= 0 && this.firsts[at] < this.firsts[found])) continue;
      found = at;
      least = far;
    }
    return found < 0 ? null : this.pass(found);
  }

  /** @param {number} ms @returns {Gap | null} */
  gapAt(ms) {
    const last = placeOf(this.gapFrom, ms + 1);
    for (let at = last - 1; at >= Math.max(0, last - 50); at -= 1) {
      if (this.gapTo[at] < ms) continue;
      return { fromMs: this.gapFrom[at], toMs: this.gapTo[at], cause: this.gapCause[at], frames: this.gapFrames[at] };
    }
    return null;
  }
}

/** @param {number[]} values @returns {number[]} */
const order = (values) => Array.from(values.keys()).sort((one, other) => values[one] - values[other]);
/** @param {number[]} values @param {number[]} places */
const take = (values, places) => Float64Array.from(places, (at) => values[at]);
/** @param {Float64Array} from @param {Float64Array} to */
const longest = (from, to) => from.reduce((most, each, at) => Math.max(most, to[at] - each), 0);

/** @param {Stretch} stretch @param {string[]} cameras none: all @param {AbortSignal} [stop]
 * @returns {Promise<{rows: Row[], complete: boolean}>} */
export async function timelineOf(stretch, cameras, stop) {
  const found = await get(
    "timeline",
    { from: new Date(stretch.fromMs).toISOString(), to: new Date(stretch.toMs).toISOString(), camera_id: cameras },
    stop,
  );
  return { rows: found.cameras.map((/** @type {any} */ each) => new Row(each)), complete: found.complete };
}

/** The next start of a pass (or gap) after a time, or the one before it, over all rows.
 * @param {Row[]} rows @param {"pass" | "gap"} kind @param {number} ms @param {number} by */
export function neighbour(rows, kind, ms, by) {
  let best = /** @type {number | null} */ (null);
  for (const row of rows) {
    const starts = kind === "pass" ? row.firsts : row.gapFrom;
    const at = by > 0 ? placeOf(starts, ms + 1) : placeOf(starts, ms - 0.5) - 1;
    const found = starts[at];
    if (found === undefined) continue;
    if (best === null || (by > 0 ? found < best : found > best)) best = found;
  }
  return best;
}

/** Asks for what is shown with a margin, and again when something new is heard.
 * @param {{shown: Signal<Stretch>, camera: Signal<string | null>, data: Signal<{rows: Row[], complete: boolean}>,
 *   busy: Signal<boolean>}} view */
export function loading({ shown, camera, data, busy }) {
  let stop = new AbortController();
  let known = /** @type {{stretch: Stretch, camera: string | null} | null} */ (null);
  /** @type {ReturnType<typeof setTimeout> | null} */
  let soon = null;
  let running = false;
  let news = false;
  const load = async () => {
    soon = null;
    news = false;
    if (needsPurpose.peek()) return;
    const { fromMs, toMs } = shown.peek();
    const margin = Math.min((toMs - fromMs) * MARGIN, (WIDEST - (toMs - fromMs)) / 2);
    const stretch = { fromMs: fromMs - margin, toMs: toMs + margin };
    const name = camera.peek();
    stop.abort();
    stop = new AbortController();
    const { signal: asked } = stop;
    running = true;
    const found = await quietly(
      timelineOf(stretch, name ? [name] : [], asked).catch((error) => {
        if (asked.aborted) return null;
        throw error;
      }),
    );
    if (asked.aborted) return;
    running = false;
    if (news) later(HEARD_MS);
    if (!found) return;
    known = { stretch, camera: name };
    data.value = found;
    busy.value = false;
  };
  const later = (/** @type {number} */ ms) => (soon ??= setTimeout(load, ms));
  effect(() => {
    const { fromMs, toMs } = shown.value;
    const inside = known && known.camera === camera.value && fromMs >= known.stretch.fromMs && toMs <= known.stretch.toMs;
    // what was left out of a wide stretch may be there in a narrow one
    const finer = known && !data.peek().complete && toMs - fromMs < (known.stretch.toMs - known.stretch.fromMs) / 4;
    if (!inside || finer) later(known ? 60 : 0);
  });
  effect(() => {
    void returns.value;
    void needsPurpose.value;
    later(0);
  });
  const heard = () => {
    if (shown.peek().toMs <= Date.now() - 600_000) return;
    if (running) news = true; // an answer that is on its way is not thrown away: where much happens, none would ever come
    else later(HEARD_MS);
  };
  ending(follow(["segment.recording", "segment.ready", "segment.failed", "segment.deleted", "plate.read", "pass.closed"], heard));
  ending(() => {
    stop.abort();
    if (soon) clearTimeout(soon);
  });
}
