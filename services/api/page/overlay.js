// @ts-check
/** Where the plates are in a picture: boxes of reads, in time with the film. */

/** @typedef {{atMs: number, label: string, box: number[]}} Place */

const HOLD_MS = 300;
const JOIN_MS = 1000;

/** Reads of one plate in order, of which something can be drawn.
 * @param {{captured_at: string, plate: string | null, bbox: number[] | null, detection_id: string}[]} detections
 * @returns {Place[][]} */
export function tracksOf(detections) {
  /** @type {Map<string, Place[]>} */
  const found = new Map();
  for (const each of detections) {
    if (!each.bbox) continue;
    const key = each.plate ?? each.detection_id;
    if (!found.has(key)) found.set(key, []);
    found.get(key)?.push({ atMs: Date.parse(each.captured_at), label: each.plate ?? "", box: each.bbox });
  }
  for (const track of found.values()) track.sort((one, other) => one.atMs - other.atMs);
  return [...found.values()];
}

/** The box of a track at a time: between two reads it moves, alone it stays for a moment.
 * @param {Place[]} track @param {number} atMs @returns {number[] | null} */
export function boxAt(track, atMs) {
  let after = track.findIndex((each) => each.atMs > atMs);
  if (after < 0) after = track.length;
  const before = track[after - 1];
  const next = track[after];
  if (before && next && next.atMs - before.atMs <= JOIN_MS) {
    const share = (atMs - before.atMs) / (next.atMs - before.atMs);
    return before.box.map((value, at) => value + (next.box[at] - value) * share);
  }
  const near = [before, next]
    .filter(Boolean)
    .sort((one, other) => Math.abs(one.atMs - atMs) - Math.abs(other.atMs - atMs))[0];
  return near && Math.abs(near.atMs - atMs) <= HOLD_MS ? near.box : null;
}

/** Fits a canvas to its place on the screen, and clears it. @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D} */
export function cleared(canvas) {
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.clearRect(0, 0, width, height);
  return pen;
}

/** Draws one box with its plate; a picture of another shape stands in the middle of the canvas. @param {CanvasRenderingContext2D} pen @param {number[]} box in pixels of the camera
 * @param {{width: number, height: number}} size of the camera's picture @param {string} label */
export function drawBox(pen, box, size, label) {
  const scale = Math.min(pen.canvas.width / size.width, pen.canvas.height / size.height);
  const left = (pen.canvas.width - size.width * scale) / 2;
  const above = (pen.canvas.height - size.height * scale) / 2;
  const [x, y, width, height] = [left + box[0] * scale, above + box[1] * scale, box[2] * scale, box[3] * scale];
  pen.lineWidth = 4 * devicePixelRatio;
  pen.strokeStyle = "#000a";
  pen.strokeRect(x, y, width, height);
  pen.lineWidth = 2 * devicePixelRatio;
  pen.strokeStyle = "#ffe14d";
  pen.strokeRect(x, y, width, height);
  if (!label) return;
  const high = 20 * devicePixelRatio;
  pen.font = `600 ${14 * devicePixelRatio}px system-ui, sans-serif`;
  const wide = pen.measureText(label).width + 10;
  const top = y - high - 3 >= 0 ? y - high - 3 : y + height + 3;
  pen.fillStyle = "#000c";
  pen.fillRect(x, top, wide, high);
  pen.fillStyle = "#fff";
  pen.fillText(label, x + 5, top + high * 0.73);
}
