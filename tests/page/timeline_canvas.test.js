import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { DAY } = await import("../../services/api/page/time.js");
const { draw } = await import("../../services/api/page/timeline_canvas.js");

const FROM = Date.UTC(2026, 10, 27);
const WIDTH = 1200;
const COLOURS = { ink: "ink", accent: "accent" };

/** What is filled with a colour, from left to right. @param {any} row @param {{fromMs: number, toMs: number}} shown */
function filled(row, shown, colour) {
  const found = [];
  const pen = new Proxy(
    { fillRect: (x, y, width) => pen.fillStyle === colour && found.push([x, x + width]) },
    { get: (own, name) => own[name] ?? (() => undefined), set: (own, name, value) => ((own[name] = value), true) },
  );
  draw(pen, { shown, rows: [row], width: WIDTH, height: 200, top: 0, nowMs: 0, cursorMs: 0, zone: "utc", colours: COLOURS });
  return found;
}

/** A row whose bars and marks begin at these times. @param {number[]} starts @param {number} longMs */
const row = (starts, longMs) => ({
  starts, ends: starts.map((each) => each + longMs), longestClip: longMs,
  status: starts.map(() => "ready"), protection: starts.map(() => false),
  firsts: starts, lasts: starts.map((each) => each + longMs), longestPass: longMs,
  plates: starts.map(() => null), hits: starts.map(() => 0), gapFrom: [], gapTo: [],
});

test("a full day takes no more rectangles than it has places to see", () => {
  const many = row(Array.from({ length: 50_000 }, (_, at) => FROM + (at * DAY) / 50_000), 3000);
  const shown = { fromMs: FROM, toMs: FROM + DAY };
  const marks = filled(many, shown, "ink");
  assert.equal(marks.length, 1);
  assert.ok(marks[0][0] <= 0 && marks[0][1] >= WIDTH - 1);
  const bars = filled(many, shown, "accent");
  assert.ok(bars.length <= 2 * WIDTH, String(bars.length));
  assert.ok(bars.at(-1)[1] >= WIDTH - 1);
});

test("marks with a place between them stand apart, each where it is", () => {
  const starts = [0, 6, 12].map((hour) => FROM + hour * 3_600_000);
  const found = filled(row(starts, 3_600_000), { fromMs: FROM, toMs: FROM + DAY }, "ink");
  assert.deepEqual(found, [[0, 50], [300, 350], [600, 650]]);
});
