import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { DAY, HOUR, SECOND } = await import("../../services/api/page/time.js");
const { LONGEST, SHORTEST, centred, moved, pixelAt, placeOf, ticks, timeAt, zoomed } = await import(
  "../../services/api/page/time.js"
);

const FROM = Date.UTC(2026, 10, 27);
const SHOWN = { fromMs: FROM, toMs: FROM + DAY };

test("a pixel and its time belong to each other", () => {
  for (const x of [0, 1, 333.3, 1000]) {
    assert.ok(Math.abs(pixelAt(SHOWN, timeAt(SHOWN, x, 1000), 1000) - x) < 1e-6);
  }
});

test("the time under the pointer stays there while somebody zooms", () => {
  let shown = SHOWN;
  const at = timeAt(shown, 700, 1000);
  for (let i = 0; i < 200; i += 1) {
    shown = zoomed(shown, 0.93, at);
    assert.ok(Math.abs(pixelAt(shown, at, 1000) - 700) < 0.01);
  }
  assert.ok(Math.abs(shown.toMs - shown.fromMs - SHORTEST) < 1);
});

test("zoom ends at the shortest and the longest stretch", () => {
  const wide = zoomed(SHOWN, 1e9, FROM);
  assert.equal(wide.toMs - wide.fromMs, LONGEST);
  assert.equal(wide.fromMs, FROM);
});

test("moving and centring keep the length", () => {
  for (const next of [moved(SHOWN, 5 * HOUR), centred(SHOWN, FROM + HOUR)]) assert.equal(next.toMs - next.fromMs, DAY);
  assert.equal((centred(SHOWN, FROM).fromMs + centred(SHOWN, FROM).toMs) / 2, FROM);
});

test("lines stand at whole hours of the zone, also when the clocks change", () => {
  const night = { fromMs: Date.UTC(2026, 2, 28, 22), toMs: Date.UTC(2026, 2, 29, 6) };
  const { step, at } = ticks(night, 1000, "local");
  assert.equal(step, HOUR);
  assert.ok(at.length >= 7 && at.length <= 9);
  for (const ms of at) assert.equal(new Date(ms).getMinutes(), 0);
  assert.deepEqual(at, [...new Set(at)].sort((one, other) => one - other));
});

test("lines keep apart at every zoom", () => {
  for (let length = SHORTEST; length < LONGEST; length *= 1.7) {
    const shown = { fromMs: FROM + 12_345, toMs: FROM + 12_345 + length };
    const { at } = ticks(shown, 1000, "utc");
    for (let i = 1; i < at.length; i += 1) {
      assert.ok(pixelAt(shown, at[i], 1000) - pixelAt(shown, at[i - 1], 1000) >= 85, `${length / SECOND} s`);
    }
  }
});

test("the first place that is not before a value", () => {
  const sorted = [1, 3, 3, 7];
  assert.deepEqual([0, 1, 2, 3, 4, 7, 8].map((value) => placeOf(sorted, value)), [0, 0, 1, 1, 3, 3, 4]);
});
