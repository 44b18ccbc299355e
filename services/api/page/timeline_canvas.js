// @ts-check
/** Draws a timeline: a row a camera, clips as bars, passes as marks, gaps as holes. */
import { effect, ending } from "./view.js";
import { clockText, dateText, pixelAt, placeOf, ticks } from "./time.js";

/** @typedef {import("./timeline_data.js").Row} Row */
/** @typedef {import("./time.js").Stretch} Stretch */

export const HEAD = 34;
export const ROW = 46;
const LEAST = 0.5; // pixels: what reaches no further than this past what is drawn cannot be seen
const COLOURS = ["ink", "soft", "line", "raised", "accent", "bad", "good", "warn", "sunken"];

/** The colours of the page's style, as a canvas takes them. @param {HTMLElement} element
 * @returns {{[name: string]: string}} */
export function coloursOf(element) {
  const probe = document.createElement("span");
  element.append(probe);
  const found = Object.fromEntries(
    COLOURS.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  );
  probe.remove();
  return found;
}

/**
 * @param {CanvasRenderingContext2D} pen scaled to pixels of the page
 * @param {{shown: Stretch, rows: Row[], width: number, height: number, top: number, nowMs: number, cursorMs: number,
 *   zone: import("./time.js").Zone, colours: {[name: string]: string}}} what top: how far the rows are scrolled
 */
export function draw(pen, what) {
  const { shown, rows, width, height, top, colours } = what;
  pen.clearRect(0, 0, width, height);
  const lines = ticks(shown, width, what.zone);
  pen.fillStyle = colours.line;
  for (const ms of lines.at) pen.fillRect(Math.round(pixelAt(shown, ms, width)), HEAD, 1, height - HEAD);
  pen.save();
  pen.beginPath();
  pen.rect(0, HEAD, width, height - HEAD);
  pen.clip();
  rows.forEach((row, at) => {
    const y = HEAD + at * ROW - top;
    if (y + ROW > 0 && y < height) drawRow(pen, row, y, what);
  });
  pen.restore();
  drawHead(pen, lines, what);
  const now = pixelAt(shown, what.nowMs, width);
  pen.fillStyle = colours.bad;
  if (now >= 0 && now <= width) pen.fillRect(now, HEAD - 6, 1.5, height - HEAD + 6);
  pen.fillStyle = colours.accent;
  const cursor = pixelAt(shown, what.cursorMs, width);
  if (cursor >= 0 && cursor <= width) pen.fillRect(cursor - 1, HEAD - 6, 2, height - HEAD + 6);
}

/** @param {CanvasRenderingContext2D} pen @param {{step: number, at: number[]}} lines @param {Parameters<typeof draw>[1]} what */
function drawHead(pen, lines, { shown, width, colours, zone }) {
  pen.fillStyle = colours.raised;
  pen.fillRect(0, 0, width, HEAD);
  pen.fillStyle = colours.line;
  pen.fillRect(0, HEAD - 1, width, 1);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  let lastDay = "";
  for (const ms of lines.at) {
    const x = pixelAt(shown, ms, width) + 4;
    const day = dateText(ms, zone);
    pen.fillStyle = colours.ink;
    if (day !== lastDay) pen.fillText(day, x, 9);
    lastDay = day;
    pen.fillStyle = colours.soft;
    pen.fillText(lines.step < 1000 ? clockText(ms, zone, true) : clockText(ms, zone), x, 24);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Row} row @param {number} y @param {Parameters<typeof draw>[1]} what */
function drawRow(pen, row, y, { shown, width, colours }) {
  pen.fillStyle = colours.line;
  pen.fillRect(0, y + ROW - 1, width, 1);
  const scale = width / (shown.toMs - shown.fromMs);
  const barTop = y + 20;
  const tall = ROW - 26;
  /* Many bars may share a pixel: one that ends with the last drawn one is not drawn again. */
  let drawnTo = -1;
  for (let at = placeOf(row.starts, shown.fromMs - row.longestClip); at < row.starts.length; at += 1) {
    const x = (row.starts[at] - shown.fromMs) * scale;
    if (x > width) break;
    const end = Math.max(x + 1.5, (row.ends[at] - shown.fromMs) * scale);
    if (end <= drawnTo + LEAST || end < 0) continue;
    const status = row.status[at];
    pen.fillStyle = status === "failed" ? colours.bad : status === "ready" ? colours.accent : colours.warn;
    pen.globalAlpha = row.protection[at] ? 1 : 0.72;
    pen.fillRect(Math.max(x, drawnTo), barTop, end - Math.max(x, drawnTo) - (end - x > 3 ? 0.75 : 0), tall);
    drawnTo = end;
  }
  pen.globalAlpha = 1;
  drawnTo = -1;
  for (let at = Math.max(0, placeOf(row.gapFrom, shown.fromMs) - 1); at < row.gapFrom.length; at += 1) {
    const x = (row.gapFrom[at] - shown.fromMs) * scale;
    if (x > width) break;
    const end = Math.max(x + 2, (row.gapTo[at] - shown.fromMs) * scale);
    if (end <= drawnTo + LEAST || end < 0) continue;
    pen.fillStyle = colours.sunken;
    pen.fillRect(x, barTop, end - x, tall);
    pen.fillStyle = colours.bad;
    pen.fillRect(x, barTop + tall - 4, end - x, 4);
    drawnTo = end;
  }
  drawPasses(pen, row, y, { shown, width, scale, colours });
}

/** @param {CanvasRenderingContext2D} pen @param {Row} row @param {number} y
 * @param {{shown: Stretch, width: number, scale: number, colours: {[name: string]: string}}} what */
function drawPasses(pen, row, y, { shown, width, scale, colours }) {
  pen.font = "600 11px system-ui, sans-serif";
  pen.textBaseline = "alphabetic";
  /* Marks that touch are one rectangle: a full day has thousands of them in a row. */
  let runFrom = 0;
  let runTo = -1;
  const mark = () => runTo > runFrom && pen.fillRect(runFrom, y + 13, runTo - runFrom, 5);
  let writtenTo = -1;
  pen.fillStyle = colours.ink;
  const hits = [];
  for (let at = placeOf(row.firsts, shown.fromMs - row.longestPass); at < row.firsts.length; at += 1) {
    const x = (row.firsts[at] - shown.fromMs) * scale;
    if (x > width) break;
    const end = Math.max(x + 2, (row.lasts[at] - shown.fromMs) * scale);
    if (row.hits[at]) hits.push(x, end);
    if (x > runTo) {
      mark();
      runFrom = x;
    }
    runTo = Math.max(runTo, end);
    const plate = row.plates[at];
    if (plate && x > writtenTo && x > -60) {
      const next = row.firsts[at + 1];
      const room = next === undefined ? width : (next - shown.fromMs) * scale - x;
      if (room > 52) {
        pen.fillText(plate, Math.max(2, x), y + 11);
        writtenTo = x + 8 * plate.length;
      }
    }
  }
  mark();
  pen.fillStyle = colours.bad;
  for (let at = 0; at < hits.length; at += 2) pen.fillRect(hits[at], y + 11, Math.max(3, hits[at + 1] - hits[at]), 8);
}

/** Draws once a frame at most, when something of it has changed.
 * @param {HTMLCanvasElement} canvas @param {() => any} state */
export function painted(canvas, state) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  let due = 0;
  /** @type {any} */
  let last = null;
  const paint = () => {
    due = 0;
    if (!last?.colours) return;
    const ratio = devicePixelRatio;
    const { width, height } = last;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const began = performance.now();
    draw(pen, last);
    canvas.dataset.drawMs = (performance.now() - began).toFixed(2);
    canvas.dataset.from = String(Math.round(last.shown.fromMs));
    canvas.dataset.to = String(Math.round(last.shown.toMs));
  };
  effect(() => {
    last = state();
    due ||= requestAnimationFrame(paint);
  });
  ending(() => cancelAnimationFrame(due));
}
