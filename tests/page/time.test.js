import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { DAY, HOUR, clockText, dateText, dayStart, exactText, fieldMoment, fieldText, offsetText, parseMoment, spanText } =
  await import("../../services/api/page/time.js");

const NOW = Date.UTC(2026, 10, 27, 12, 30); // 13:30 in Berlin

const understood = [
  ["14:03:20", Date.UTC(2026, 10, 27, 13, 3, 20)],
  ["14:03:20.5", Date.UTC(2026, 10, 27, 13, 3, 20, 500)],
  ["7pm", Date.UTC(2026, 10, 27, 18)],
  ["12 am", Date.UTC(2026, 10, 26, 23)],
  ["yesterday 7pm", Date.UTC(2026, 10, 26, 18)],
  ["gestern 19 Uhr", Date.UTC(2026, 10, 26, 18)],
  ["2026-10-25 14:00", Date.UTC(2026, 9, 25, 13)],
  ["2026-07-01T14:00", Date.UTC(2026, 6, 1, 12)],
  ["1.7.2026", Date.UTC(2026, 5, 30, 22)],
  ["-10m", NOW - 600_000],
  ["now", NOW],
];
for (const [typed, goal] of understood) {
  test(`"${typed}" is a moment`, () => assert.equal(parseMoment(typed, NOW, NOW, "local"), goal));
}
for (const typed of ["", "25:00", "13pm", "0am", "31.2.2026", "soon", "14:03 15:00", "7"]) {
  test(`"${typed}" is none`, () => assert.equal(parseMoment(typed, NOW, NOW, "local"), null));
}

test("a clock time alone is of the day that is looked at", () => {
  const seen = Date.UTC(2026, 0, 5, 12);
  assert.equal(parseMoment("8:00", NOW, seen, "utc"), Date.UTC(2026, 0, 5, 8));
});

test("days of a change of clocks have 23 and 25 hours", () => {
  const spring = dayStart(Date.UTC(2026, 2, 29, 12), "local");
  assert.equal(dayStart(spring, "local", 1) - spring, 23 * HOUR);
  const autumn = dayStart(Date.UTC(2026, 9, 25, 12), "local");
  assert.equal(dayStart(autumn, "local", 1) - autumn, 25 * HOUR);
  assert.equal(dayStart(NOW, "utc", 1) - dayStart(NOW, "utc"), DAY);
});

test("times are told in the viewer's zone or in UTC", () => {
  assert.equal(clockText(NOW + 123, "local", true), "13:30:00.123");
  assert.equal(dateText(Date.UTC(2026, 10, 27, 23, 30), "local"), "2026-11-28");
  assert.equal(exactText(NOW, "utc"), "2026-11-27 12:30:00.000 UTC");
  assert.equal(offsetText(NOW, "local"), "UTC+01:00");
  assert.equal(offsetText(Date.UTC(2026, 6, 1), "local"), "UTC+02:00");
});

test("spans", () => {
  assert.deepEqual([1_400, 61_000, 3_723_000, -5].map(spanText), ["1 s", "1:01", "1:02:03", "0 s"]);
});

test("a field for a day and a time is of the zone that is shown", () => {
  const ms = Date.UTC(2026, 6, 1, 12, 30);
  assert.equal(fieldText(ms, "utc"), "2026-07-01T12:30");
  for (const zone of ["utc", "local"]) assert.equal(fieldMoment(fieldText(ms, zone), zone), "2026-07-01T12:30:00.000Z");
  assert.equal(fieldMoment(null, "utc"), null);
});
