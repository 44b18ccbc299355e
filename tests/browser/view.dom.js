import assert from "node:assert/strict";
import { test } from "node:test";
import { each, effect, ending, h, listen, mount, signal } from "/services/api/page/view.js";

const place = () => document.body.appendChild(document.createElement("div"));

test("what is given as a function changes at its place alone", () => {
  const name = signal("one");
  const box = place();
  mount(box, () => [h("b", null, "before "), h("p", { title: () => name.value }, "it is ", () => name.value), h("i", null, "after")]);
  const [before, middle, after] = box.children;
  name.value = "two";
  assert.equal(box.textContent, "before it is twoafter");
  assert.equal(middle.title, "two");
  assert.ok(before === box.children[0] && middle === box.children[1] && after === box.children[2]);
});

test("nothing becomes markup", () => {
  const box = place();
  mount(box, () => h("p", { title: "<b>" }, "<img src=x onerror=alert(1)>", () => "<script>"));
  assert.equal(box.querySelectorAll("img, script").length, 0);
  assert.equal(box.textContent, "<img src=x onerror=alert(1)><script>");
});

test("listeners, values, styles and attributes that are not there", () => {
  let clicks = 0;
  const off = signal(true);
  const button = h("button", { onclick: () => (clicks += 1), disabled: () => off.value, style: { "--a": "1" }, "data-b": null, hidden: false });
  button.click();
  off.value = false;
  button.click();
  assert.equal(clicks, 1);
  assert.equal(button.style.getPropertyValue("--a"), "1");
  assert.ok(!button.hasAttribute("data-b") && !button.hasAttribute("hidden"));
  assert.equal(h("svg:path", null).namespaceURI, "http://www.w3.org/2000/svg");
});

test("a node stays with its key when the order changes, and its signal tells what is new", () => {
  const items = signal([{ id: 1, n: "a" }, { id: 2, n: "b" }, { id: 3, n: "c" }]);
  const ended = [];
  const box = place();
  mount(box, () => [h("b", null, "["), each(() => items.value, (one) => one.id, (one) => {
    ending(() => ended.push(one.peek().id));
    return h("p", null, () => one.value.n);
  }), h("b", null, "]")]);
  const [, first, , third] = box.children;
  items.value = [{ id: 3, n: "C" }, { id: 1, n: "a" }, { id: 4, n: "d" }];
  assert.equal(box.textContent, "[Cad]");
  assert.ok(box.children[1] === third && box.children[2] === first);
  assert.deepEqual(ended, [2]);
  items.value = [];
  assert.equal(box.textContent, "[]");
  assert.deepEqual(ended, [2, 3, 1, 4]);
});

test("what a view made ends with it", () => {
  const clock = signal(0);
  const target = new EventTarget();
  let runs = 0;
  let heard = 0;
  const box = place();
  const end = mount(box, () => {
    effect(() => void (runs += 1 + 0 * clock.value));
    listen(target, "tick", () => (heard += 1));
    return () => h("p", null, () => clock.value);
  });
  clock.value = 1;
  target.dispatchEvent(new Event("tick"));
  end();
  clock.value = 2;
  target.dispatchEvent(new Event("tick"));
  assert.deepEqual([runs, heard, box.childNodes.length], [2, 1, 0]);
});

test("lists within lists, and nothing at all", () => {
  const some = signal(true);
  const box = place();
  mount(box, () => [[["a"], null, false], () => (some.value ? [h("b", null, "b"), () => "c"] : null), undefined, 0]);
  assert.equal(box.textContent, "abc0");
  some.value = false;
  assert.equal(box.textContent, "a0");
});
