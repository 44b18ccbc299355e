// @ts-check
/**
 * Signals and templates: the one helper that all views stand on.
 *
 * A signal holds a value. An effect runs again when a signal that it read has changed. `h` makes an
 * element; what is given as a function is an effect, so that only this one place of the document
 * changes. Everything made within an effect or a scope ends with it.
 */

/** @template T @typedef {{value: T, peek: () => T}} Signal */
/** @typedef {Node | string | number | boolean | null | undefined | Region | Children | {(): Child}} Child */
/** @typedef {{length: number, [place: number]: Child}} Children */
/** @typedef {{[name: string]: any}} Props */
/** @typedef {{readers: Set<Effect>}} Source */

/** What puts its own nodes before an anchor, and changes them later. */
class Region {
  constructor(/** @type {(anchor: Comment) => void} */ fill) {
    this.fill = fill;
  }
}

/** A scope: what it owns ends with it. */
class Scope {
  constructor(/** @type {Scope | null} */ parent) {
    /** @type {(() => void)[]} */
    this.ends = [];
    parent?.ends.push(() => this.end());
  }

  end() {
    for (const each of this.ends.splice(0).reverse()) each();
  }

  /** @template T @param {() => T} work @param {Effect | null} reader @returns {T} */
  within(work, reader) {
    const before = { scope, reader: running };
    scope = this;
    running = reader;
    try {
      return work();
    } finally {
      scope = before.scope;
      running = before.reader;
    }
  }
}

class Effect extends Scope {
  constructor(/** @type {() => void} */ work) {
    super(scope);
    this.work = work;
    /** @type {Set<Source>} */
    this.sources = new Set();
    this.run();
  }

  end() {
    super.end();
    for (const source of this.sources) source.readers.delete(this);
    this.sources.clear();
    waiting.delete(this);
  }

  run() {
    this.end();
    this.within(this.work, this);
  }
}

let scope = /** @type {Scope | null} */ (null);
let running = /** @type {Effect | null} */ (null);
/** @type {Set<Effect>} */
const waiting = new Set();
let flushing = false;
const MOST_RUNS = 10_000;

function flush() {
  if (flushing) return;
  flushing = true;
  try {
    for (let runs = 0; waiting.size; runs += 1) {
      if (runs > MOST_RUNS) throw new Error("effects that set what they read");
      const [first] = waiting;
      waiting.delete(first);
      first.run();
    }
  } finally {
    flushing = false;
  }
}

/** @template T @param {T} first @returns {Signal<T>} */
export function signal(first) {
  let value = first;
  const source = { readers: /** @type {Set<Effect>} */ (new Set()) };
  return {
    get value() {
      running?.sources.add(source);
      if (running) source.readers.add(running);
      return value;
    },
    set value(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const each of source.readers) waiting.add(each);
      flush();
    },
    peek: () => value,
  };
}

/** Runs `work` now, and again when a signal that it read has changed. @param {() => void} work */
export function effect(work) {
  new Effect(work);
}

/** A signal whose value follows from others. @template T @param {() => T} work @returns {Signal<T>} */
export function computed(work) {
  const made = signal(/** @type {T} */ (/** @type {unknown} */ (undefined)));
  effect(() => void (made.value = work()));
  return made;
}

/** Reads signals without following them. @template T @param {() => T} work @returns {T} */
export function untracked(work) {
  return (scope ?? new Scope(null)).within(work, null);
}

/** Runs `work` when the effect or scope around ends. @param {() => void} work */
export function ending(work) {
  scope?.ends.push(work);
}

/** Listens until the effect or scope around ends.
 * @param {EventTarget} target @param {string} name @param {(event: any) => void} work
 * @param {AddEventListenerOptions} [options] */
export function listen(target, name, work, options) {
  target.addEventListener(name, work, options);
  ending(() => target.removeEventListener(name, work, options));
}

/** Puts what `make` returns into `parent`; returns what takes it away again.
 * @param {Element} parent @param {() => Child} make @returns {() => void} */
export function mount(parent, make) {
  const own = new Scope(scope);
  own.within(() => append(parent, make()), null);
  return () => {
    own.end();
    parent.replaceChildren();
  };
}

/**
 * Makes an element. A property `on…` is a listener; a function is an effect that sets the property
 * again; `style` holds CSS properties. `svg:` before the tag makes an element of SVG.
 * @template {string} T
 * @param {T} tag @param {Props | null} [props] @param {Child[]} children
 * @returns {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : HTMLElement}
 */
export function h(tag, props, ...children) {
  const svg = tag.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : null;
  const made = /** @type {HTMLElement} */ (svg ?? document.createElement(tag));
  for (const child of children) append(made, child);
  for (const [name, given] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), given);
    else if (typeof given === "function") effect(() => put(made, name, given()));
    else put(made, name, given);
  }
  return /** @type {any} */ (made);
}

/** @param {HTMLElement} element @param {string} name @param {any} value */
function put(element, name, value) {
  if (name === "style") {
    for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
  } else if (["value", "checked", "disabled", "hidden", "indeterminate"].includes(name)) {
    if (/** @type {any} */ (element)[name] !== value) /** @type {any} */ (element)[name] = value;
  } else if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** @param {Node} parent @param {Child} child @param {Node | null} [before] */
function append(parent, child, before = null) {
  if (Array.isArray(child)) for (const each of child) append(parent, each, before);
  else if (typeof child === "function" || child instanceof Region) {
    const anchor = parent.insertBefore(document.createComment(""), before);
    if (child instanceof Region) child.fill(anchor);
    else changing(anchor, child);
  } else if (child instanceof Node) parent.insertBefore(child, before);
  else if (child !== null && child !== undefined && typeof child !== "boolean") {
    parent.insertBefore(document.createTextNode(String(child)), before);
  }
}

/** @param {Comment} anchor @param {() => Child} make */
function changing(anchor, make) {
  const first = anchor.parentNode?.insertBefore(document.createComment(""), anchor);
  effect(() => {
    const made = make();
    while (first && first.nextSibling && first.nextSibling !== anchor) first.nextSibling.remove();
    if (anchor.parentNode) untracked(() => append(/** @type {Node} */ (anchor.parentNode), made, anchor));
  });
}

/**
 * One node for each item. A node stays with its key: when its item changes, the signal that `render`
 * got changes; when the order changes, the nodes move.
 * @template T
 * @param {() => readonly T[]} items @param {(item: T) => string | number}  key
 * @param {(item: Signal<T>) => Element} render @returns {Region}
 */
export function each(items, key, render) {
  return new Region((anchor) => {
    /** @type {Map<string | number, {node: Element, item: Signal<T>, own: Scope}>} */
    let known = new Map();
    ending(() => {
      for (const one of known.values()) one.own.end();
    });
    effect(() => {
      const next = new Map();
      for (const item of items()) {
        const name = key(item);
        let one = known.get(name);
        if (one) one.item.value = item;
        else {
          const made = signal(item);
          const own = new Scope(null);
          one = { node: own.within(() => render(made), null), item: made, own };
        }
        next.set(name, one);
      }
      for (const [name, gone] of known) {
        if (next.has(name)) continue;
        gone.own.end();
        gone.node.remove();
      }
      let after = /** @type {Node} */ (anchor);
      for (const one of [...next.values()].reverse()) {
        if (one.node.nextSibling !== after) anchor.parentNode?.insertBefore(one.node, after);
        after = one.node;
      }
      known = next;
    });
  });
}
