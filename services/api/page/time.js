// @ts-check
/** Times as people write and read them, and on a line of pixels. All are ms since 1970; a zone is "local" or "utc". */

/** @typedef {"local" | "utc"} Zone */
/** @typedef {{year: number, month: number, day: number, hour: number, minute: number, second: number, ms: number}} Fields */

export const SECOND = 1000;
const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** @param {number} ms @param {Zone} zone @returns {Fields} */
function fieldsOf(ms, zone) {
  const at = new Date(ms);
  return zone === "utc"
    ? {
        year: at.getUTCFullYear(),
        month: at.getUTCMonth() + 1,
        day: at.getUTCDate(),
        hour: at.getUTCHours(),
        minute: at.getUTCMinutes(),
        second: at.getUTCSeconds(),
        ms: at.getUTCMilliseconds(),
      }
    : {
        year: at.getFullYear(),
        month: at.getMonth() + 1,
        day: at.getDate(),
        hour: at.getHours(),
        minute: at.getMinutes(),
        second: at.getSeconds(),
        ms: at.getMilliseconds(),
      };
}

/** @param {Fields} f @param {Zone} zone @returns {number} */
function momentOf(f, zone) {
  const parts = /** @type {const} */ ([f.year, f.month - 1, f.day, f.hour, f.minute, f.second, f.ms]);
  return zone === "utc" ? Date.UTC(...parts) : new Date(...parts).getTime();
}

/** Midnight of the day that holds `ms`, `days` later. @param {number} ms @param {Zone} zone @param {number} [days] */
export function dayStart(ms, zone, days = 0) {
  const f = fieldsOf(ms, zone);
  return momentOf({ ...f, day: f.day + days, hour: 0, minute: 0, second: 0, ms: 0 }, zone);
}

/** @param {number} value @param {number} [width] */
const padded = (value, width = 2) => String(value).padStart(width, "0");

/** 2026-11-27 @param {number} ms @param {Zone} zone */
export function dateText(ms, zone) {
  const f = fieldsOf(ms, zone);
  return `${padded(f.year, 4)}-${padded(f.month)}-${padded(f.day)}`;
}

/** 14:03:20, or 14:03:20.123 @param {number} ms @param {Zone} zone @param {boolean} [exact] */
export function clockText(ms, zone, exact = false) {
  const f = fieldsOf(ms, zone);
  const text = `${padded(f.hour)}:${padded(f.minute)}:${padded(f.second)}`;
  return exact ? `${text}.${padded(f.ms, 3)}` : text;
}

/** +01:00, of the zone at that time. @param {number} ms @param {Zone} zone */
export function offsetText(ms, zone) {
  if (zone === "utc") return "UTC";
  const minutes = -new Date(ms).getTimezoneOffset();
  const sign = minutes < 0 ? "-" : "+";
  return `UTC${sign}${padded(Math.floor(Math.abs(minutes) / 60))}:${padded(Math.abs(minutes) % 60)}`;
}

/** 2026-11-27 14:03:20.123 UTC+01:00 @param {number} ms @param {Zone} zone */
export function exactText(ms, zone) {
  return `${dateText(ms, zone)} ${clockText(ms, zone, true)} ${offsetText(ms, zone)}`;
}

/** 2026-11-27T14:03, as a field for a day and a time takes it @param {number} ms @param {Zone} zone */
export function fieldText(ms, zone) {
  return `${dateText(ms, zone)}T${clockText(ms, zone).slice(0, 5)}`;
}

/** What such a field holds, as the API takes it; null where it is empty. @param {string | null} text @param {Zone} zone */
export function fieldMoment(text, zone) {
  const found = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(text ?? "");
  if (!found) return null;
  const [year, month, day, hour, minute] = found.slice(1).map(Number);
  return new Date(momentOf({ year, month, day, hour, minute, second: 0, ms: 0 }, zone)).toISOString();
}

/** 45 s, 3:20, 1:02:03: how long something took. @param {number} ms */
export function spanText(ms) {
  const seconds = Math.max(0, Math.round(ms / SECOND));
  if (seconds < 60) return `${seconds} s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours
    ? `${hours}:${padded(minutes)}:${padded(seconds % 60)}`
    : `${minutes}:${padded(seconds % 60)}`;
}

const WORDS = new Map([
  ["today", 0],
  ["heute", 0],
  ["yesterday", -1],
  ["gestern", -1],
  ["tomorrow", 1],
  ["morgen", 1],
]);
const CLOCK = /^(\d{1,2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,3}))?)?)?\s*(am|pm|uhr)?$/;
const DATE = /^(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})\.(\d{1,2})\.(\d{4})?)$/;
const AGO = /^-\s*(\d{1,4})\s*(s|m|min|h|d)$/;
const UNITS = { s: SECOND, m: MINUTE, min: MINUTE, h: HOUR, d: DAY };

/**
 * What somebody typed as a moment: `14:03:20`, `7pm`, `yesterday 7pm`, `2026-11-27 14:03`,
 * `27.11.2026`, `-10m`. A clock time alone is of the day that is looked at.
 * @param {string} typed @param {number} nowMs @param {number} seenMs a moment of the day that is looked at
 * @param {Zone} zone @returns {number | null} null where it cannot be understood
 */
export function parseMoment(typed, nowMs, seenMs, zone) {
  const text = typed.trim().toLowerCase().replace(/t(?=\d)/, " ");
  const ago = AGO.exec(text);
  if (ago) return nowMs - Number(ago[1]) * UNITS[/** @type {keyof typeof UNITS} */ (ago[2])];
  if (text === "now" || text === "jetzt") return nowMs;
  /** @type {Fields | null} */
  let day = null;
  /** @type {number[] | null} */
  let clock = null;
  const words = text.split(/\s+/).filter((word) => word && word !== "at" && word !== "um");
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    const joined = ["am", "pm", "uhr"].includes(words[at + 1]) ? `${word} ${words[++at]}` : word;
    /** @type {number[] | null} */
    const read = clock ? null : readClock(joined);
    /** @type {Fields | null} */
    const found = read || day ? null : readDay(joined, nowMs, zone);
    if (read) clock = read;
    else if (found) day = found;
    else return null;
  }
  if (!day && !clock) return null;
  const base = day ?? fieldsOf(seenMs, zone);
  const [hour, minute, second, ms] = clock ?? [0, 0, 0, 0];
  return momentOf({ ...base, hour, minute, second, ms }, zone);
}

/** @param {string} text @returns {number[] | null} */
function readClock(text) {
  const found = CLOCK.exec(text);
  if (!found || (found[2] === undefined && !found[5])) return null;
  let hour = Number(found[1]);
  const [minute, second] = [Number(found[2] ?? 0), Number(found[3] ?? 0)];
  if (found[5] === "am" || found[5] === "pm") {
    if (hour < 1 || hour > 12) return null;
    hour = (hour % 12) + (found[5] === "pm" ? 12 : 0);
  }
  if (hour > 23 || minute > 59 || second > 59) return null;
  return [hour, minute, second, Number((found[4] ?? "0").padEnd(3, "0"))];
}

/** @param {string} text @param {number} nowMs @param {Zone} zone @returns {Fields | null} */
function readDay(text, nowMs, zone) {
  const word = WORDS.get(text);
  if (word !== undefined) return fieldsOf(dayStart(nowMs, zone, word), zone);
  const found = DATE.exec(text);
  if (!found) return null;
  const [year, month, day] = found[1]
    ? [Number(found[1]), Number(found[2]), Number(found[3])]
    : [Number(found[6] ?? fieldsOf(nowMs, zone).year), Number(found[5]), Number(found[4])];
  const made = { year, month, day, hour: 0, minute: 0, second: 0, ms: 0 };
  const again = fieldsOf(momentOf(made, zone), zone);
  return again.month === month && again.day === day ? made : null;
}

/* ---- a stretch of time on so many pixels ---- */

/** @typedef {{fromMs: number, toMs: number}} Stretch */

export const SHORTEST = 2 * SECOND;
export const LONGEST = 31 * DAY;
const STEPS = [
  ...[100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((each) => each * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((each) => each * MINUTE),
  ...[1, 2, 3, 6, 12].map((each) => each * HOUR),
  ...[1, 2, 7].map((each) => each * DAY),
];

/** @param {Stretch} shown @param {number} x @param {number} width @returns {number} ms at a pixel */
export function timeAt(shown, x, width) {
  return shown.fromMs + ((shown.toMs - shown.fromMs) * x) / width;
}

/** @param {Stretch} shown @param {number} ms @param {number} width @returns {number} the pixel of a time */
export function pixelAt(shown, ms, width) {
  return ((ms - shown.fromMs) / (shown.toMs - shown.fromMs)) * width;
}

/** Zooms so that the time `atMs` stays where it is. @param {Stretch} shown @param {number} factor below 1 shows less
 * @param {number} atMs @returns {Stretch} */
export function zoomed(shown, factor, atMs) {
  const length = shown.toMs - shown.fromMs;
  const next = Math.min(LONGEST, Math.max(SHORTEST, length * factor));
  const share = (atMs - shown.fromMs) / length;
  const fromMs = atMs - share * next;
  return { fromMs, toMs: fromMs + next };
}

/** @param {Stretch} shown @param {number} byMs @returns {Stretch} */
export function moved(shown, byMs) {
  return { fromMs: shown.fromMs + byMs, toMs: shown.toMs + byMs };
}

/** The same length, with `atMs` in the middle. @param {Stretch} shown @param {number} atMs @returns {Stretch} */
export function centred(shown, atMs) {
  const half = (shown.toMs - shown.fromMs) / 2;
  return { fromMs: atMs - half, toMs: atMs + half };
}

/**
 * Where lines of time stand, at least `apart` pixels from each other: at whole hours of the zone.
 * @param {Stretch} shown @param {number} width @param {import("./time.js").Zone} zone @param {number} [apart]
 * @returns {{step: number, at: number[]}}
 */
export function ticks(shown, width, zone, apart = 90) {
  const least = ((shown.toMs - shown.fromMs) / width) * apart;
  const step = STEPS.find((each) => each >= least) ?? STEPS[STEPS.length - 1];
  const at = [];
  if (step >= DAY) {
    const days = Math.round(step / DAY);
    for (let ms = dayStart(shown.fromMs, zone); ms <= shown.toMs; ms = dayStart(ms, zone, days)) at.push(ms);
  } else {
    // a day of the zone may have 23 or 25 hours: count from its own midnight
    for (let day = dayStart(shown.fromMs, zone); day <= shown.toMs; day = dayStart(day, zone, 1)) {
      const end = Math.min(dayStart(day, zone, 1), shown.toMs + 1);
      const first = day + Math.max(0, Math.floor((shown.fromMs - day) / step)) * step;
      for (let ms = first; ms < end; ms += step) at.push(ms);
    }
  }
  return { step, at: at.filter((ms) => ms >= shown.fromMs && ms <= shown.toMs) };
}

/** The first place in a sorted list that is not before `value`. @param {ArrayLike<number>} sorted @param {number} value */
export function placeOf(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
