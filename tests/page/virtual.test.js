import assert from "node:assert/strict";
import { test } from "node:test";

const store = { getItem: () => null, setItem: () => undefined };
const browser = { localStorage: store, sessionStorage: store, navigator: { language: "en" } };
for (const [name, value] of Object.entries(browser)) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
const { Pages } = await import("../../services/api/page/virtual.js");

/** A list at the API, newest first, whose answers come when the test says so. */
function api(names, size = 3) {
  const waiting = [];
  const answer = (cursor) => {
    const from = cursor === null ? 0 : names.indexOf(cursor) + 1;
    const items = names.slice(from, from + size);
    return { items, total: names.length, next_cursor: from + size < names.length ? items.at(-1) : null };
  };
  const ask = (cursor) => {
    const found = answer(cursor);
    return new Promise((done) => waiting.push(() => done(found)));
  };
  const come = async () => {
    waiting.shift()();
    await new Promise((done) => setTimeout(done));
  };
  return { pages: new Pages(ask, (each) => each), come, waiting };
}

test("what is heard while the first page comes is asked for after it", async () => {
  const names = ["b", "a"];
  const { pages, come, waiting } = api(names);
  void pages.begin();
  names.unshift("c");
  void pages.renew();
  await come();
  assert.deepEqual(pages.items.peek(), ["b", "a"]);
  await come();
  assert.deepEqual(pages.items.peek(), ["c", "b", "a"]);
  assert.equal(waiting.length, 0);
});

test("two looks at the newest never answer in the wrong order", async () => {
  const names = ["b", "a"];
  const { pages, come, waiting } = api(names);
  void pages.begin();
  await come();
  void pages.renew();
  names.unshift("c");
  void pages.renew();
  assert.equal(waiting.length, 1);
  await come();
  await come();
  assert.deepEqual(pages.items.peek(), ["c", "b", "a"]);
});

test("what is no longer found goes, and what follows the first page stays", async () => {
  const names = ["f", "e", "d", "c", "b", "a"];
  const { pages, come } = api(names);
  void pages.begin();
  await come();
  void pages.next();
  await come();
  names.splice(1, 1);
  names.unshift("g");
  void pages.renew();
  await come();
  assert.deepEqual(pages.items.peek(), ["g", "f", "d", "c", "b", "a"]);
});

test("more news than a page holds begins anew", async () => {
  const names = ["c", "b", "a"];
  const { pages, come } = api(names);
  void pages.begin();
  await come();
  names.unshift("h", "g", "f", "e");
  void pages.renew();
  await come();
  assert.deepEqual(pages.items.peek(), ["h", "g", "f"]);
  void pages.next();
  await come();
  assert.deepEqual(pages.items.peek(), ["h", "g", "f", "e", "c", "b"]);
});
