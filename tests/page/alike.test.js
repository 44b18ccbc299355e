import assert from "node:assert/strict";
import { test } from "node:test";
import { marked, plain } from "../../services/api/page/alike.js";

/** The plate with what differs in brackets. */
const shown = (plate, wanted) => marked(plate, wanted).map((each) => (each.differs ? `[${each.text}]` : each.text)).join("");

for (const [plate, wanted, goal] of [
  ["AB123CD", "AB123CD", "AB123CD"],
  ["AB-123 CD", "ab123cd", "AB-123 CD"],
  ["A8123CD", "AB123CD", "A[8]123CD"],
  ["AB123CDX", "AB123CD", "AB123CD[X]"],
  ["B123CD", "AB123CD", "B123CD"],
  ["XY999ZZ", "AB123CD", "[XY999ZZ]"],
  ["AB123CD", "AB*", "AB123CD"],
  ["", "AB", ""],
]) {
  test(`${plate} for ${wanted}`, () => assert.equal(shown(plate, wanted), goal));
}

test("a look-alike costs less than another letter", () => {
  assert.equal(shown("O0", "0"), "[O]0");
});

test("spaces, dashes and case are no part of a plate", () => assert.equal(plain("ab-1 2·3"), "AB123"));
