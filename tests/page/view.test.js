import assert from "node:assert/strict";
import { test } from "node:test";
import { computed, effect, ending, signal, untracked } from "../../services/api/page/view.js";

test("an effect runs again when what it read has changed, and only then", () => {
  const [one, other] = [signal(1), signal(1)];
  const seen = [];
  effect(() => seen.push(one.value));
  one.value = 2;
  one.value = 2;
  other.value = 5;
  assert.deepEqual(seen, [1, 2]);
});

test("it follows what it read the last time, not what it once read", () => {
  const [which, one, other] = [signal(true), signal("a"), signal("b")];
  const seen = [];
  effect(() => seen.push(which.value ? one.value : other.value));
  which.value = false;
  one.value = "not read any more";
  other.value = "c";
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("a value that follows from others is the same for all who read it", () => {
  const count = signal(2);
  const twice = computed(() => count.value * 2);
  const seen = [];
  effect(() => seen.push(twice.value));
  count.value = 3;
  assert.deepEqual(seen, [4, 6]);
});

test("what an effect made ends before it runs again", () => {
  const turn = signal(0);
  const inner = signal(0);
  const seen = [];
  effect(() => {
    const mine = turn.value;
    ending(() => seen.push(`end ${mine}`));
    effect(() => seen.push(`${mine}:${inner.value}`));
  });
  turn.value = 1;
  inner.value = 5;
  assert.deepEqual(seen, ["0:0", "end 0", "1:0", "1:5"]);
});

test("untracked reads are not followed", () => {
  const one = signal(1);
  let runs = 0;
  effect(() => {
    runs += 1;
    untracked(() => one.value);
  });
  one.value = 2;
  assert.equal(runs, 1);
});

test("effects that chase each other end with an error, not with a page that hangs", () => {
  const one = signal(0);
  const chasing = () => effect(() => {
    one.value += 1;
  });
  assert.throws(chasing, /effects that set/);
});
