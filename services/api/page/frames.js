// @ts-check
/**
 * When each frame of a clip is shown, read from the clip's own table, so that a step is a frame and
 * never two (ISO/IEC 14496-12: stts, ctts, elst). Also what fragments are coded with.
 */

/** @typedef {{type: string, from: number, to: number}} Box */

/** @param {DataView} view @param {number} from @param {number} to @returns {Box[]} the boxes that are whole */
function boxes(view, from, to) {
  const found = [];
  let at = from;
  while (at + 8 <= to) {
    let size = view.getUint32(at);
    let head = 8;
    if (size === 1 && at + 16 <= to) {
      size = Number(view.getBigUint64(at + 8));
      head = 16;
    }
    if (size < head) break;
    found.push({ type: name(view, at + 4), from: at + head, to: at + size });
    at += size;
  }
  return found;
}

/** @param {DataView} view @param {number} at */
const name = (view, at) => String.fromCharCode(...[0, 1, 2, 3].map((each) => view.getUint8(at + each)));

/** @param {DataView} view @param {Box} parent @param {string[]} path @returns {Box | null} */
function inside(view, parent, path) {
  /** @type {Box | undefined} */
  let box = parent;
  for (const type of path) {
    box = boxes(view, box.from, box.to).find((each) => each.type === type);
    if (!box) return null;
  }
  return box;
}

/** How many bytes of a file's beginning hold its table, as far as these say; null: not told yet.
 * @param {ArrayBuffer} beginning @returns {number | null} */
export function tableEnd(beginning) {
  const view = new DataView(beginning);
  return boxes(view, 0, view.byteLength).find((each) => each.type === "moov")?.to ?? null;
}

/** @param {ArrayBuffer} beginning of an MP4, with its whole `moov`
 * @returns {number[] | null} in seconds, ascending; null where there is no table */
export function frameTimes(beginning) {
  const view = new DataView(beginning);
  const moov = boxes(view, 0, view.byteLength).find((each) => each.type === "moov");
  const trak = moov && inside(view, moov, ["trak"]);
  const mdhd = trak && inside(view, trak, ["mdia", "mdhd"]);
  const table = trak && inside(view, trak, ["mdia", "minf", "stbl"]);
  const stts = table && inside(view, table, ["stts"]);
  if (!trak || !mdhd || !table || !stts) return null;
  const scale = view.getUint32(mdhd.from + (view.getUint8(mdhd.from) === 1 ? 20 : 12));
  const decoded = [];
  let time = 0;
  for (const [count, step] of runs(view, stts, false)) {
    for (let each = 0; each < count; each += 1) {
      decoded.push(time);
      time += step;
    }
  }
  const ctts = inside(view, table, ["ctts"]);
  if (ctts) {
    let at = 0;
    for (const [count, later] of runs(view, ctts, true)) {
      for (let each = 0; each < count && at < decoded.length; each += 1) decoded[at++] += later;
    }
  }
  const skipped = edited(view, trak);
  return decoded
    .map((each) => (each - skipped) / scale)
    .filter((each) => each >= -0.0005)
    .sort((one, other) => one - other);
}

/** @param {DataView} view @param {Box} box @param {boolean} signed @returns {[number, number][]} */
function runs(view, box, signed) {
  const found = /** @type {[number, number][]} */ ([]);
  const count = view.getUint32(box.from + 4);
  for (let at = box.from + 8, each = 0; each < count; each += 1, at += 8) {
    found.push([view.getUint32(at), signed ? view.getInt32(at + 4) : view.getUint32(at + 4)]);
  }
  return found;
}

/** Where the shown part begins in media time. @param {DataView} view @param {Box} trak */
function edited(view, trak) {
  const elst = inside(view, trak, ["edts", "elst"]);
  if (!elst) return 0;
  const long = view.getUint8(elst.from) === 1;
  const count = view.getUint32(elst.from + 4);
  for (let each = 0, at = elst.from + 8; each < count; each += 1, at += long ? 20 : 12) {
    const from = long ? Number(view.getBigInt64(at + 8)) : view.getInt32(at + 4);
    if (from >= 0) return from;
  }
  return 0;
}

/** The codec of a fragment's header, as a browser is asked for it (RFC 6381); null where it is none that is known.
 * @param {ArrayBuffer} header @returns {string | null} */
export function codecOf(header) {
  const view = new DataView(header);
  const data = new Uint8Array(header);
  const hex = (/** @type {number} */ value) => value.toString(16).padStart(2, "0");
  const at = (/** @type {string} */ type) => {
    for (let place = 4; place + 8 < data.length; place += 1) if (name(view, place) === type) return place + 4;
    return 0;
  };
  const avc = at("avcC");
  if (avc) return `avc1.${hex(data[avc + 1])}${hex(data[avc + 2])}${hex(data[avc + 3])}`;
  const av1 = at("av1C");
  if (av1) {
    const level = String(data[av1 + 1] & 31).padStart(2, "0");
    const depth = data[av1 + 2] & 64 ? "10" : "08";
    return `av01.${data[av1 + 1] >> 5}.${level}${data[av1 + 2] & 128 ? "H" : "M"}.${depth}`;
  }
  const hevc = at("hvcC");
  if (hevc) return `hvc1.${data[hevc + 1] & 31}.6.L${data[hevc + 12]}.B0`;
  return null;
}

/** The frame that is shown at a time. @param {number[]} times @param {number} seconds */
export function frameAt(times, seconds) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= seconds + 0.0005) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** A time in the middle of a frame: there no rounding shows another one. @param {number[]} times @param {number} place
 * @param {number} duration in seconds */
export function within(times, place, duration) {
  const next = times[place + 1] ?? Math.max(duration, times[place] + 0.002);
  return times[place] + Math.min((next - times[place]) / 2, 0.02);
}
