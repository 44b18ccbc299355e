// @ts-check
/**
 * A list of any length: only the rows that can be seen are in the document. Pages are asked for as
 * somebody comes near the end of what is there.
 */
import { computed, each, effect, ending, h, listen, signal, untracked } from "./view.js";
import { t } from "./texts.js";
import { told } from "./dialog.js";
import { problemBox, reachable } from "./pieces.js";

const MORE_ROWS = 6;

/** @template T @typedef {{items: T[], next_cursor: string | null, total: number, more_than_total?: boolean}} Page */

/**
 * Pages of a list. `ask` gets a cursor, or null for the first page.
 * @template T
 */
export class Pages {
  /** @param {(cursor: string | null, stop: AbortSignal) => Promise<Page<T>>} ask
   * @param {(item: T) => string} key */
  constructor(ask, key) {
    this.ask = ask;
    this.key = key;
    this.items = signal(/** @type {T[]} */ ([]));
    this.total = signal(0);
    this.more = signal(false);
    this.busy = signal(true);
    this.problem = signal("");
    /** @type {string | null} */
    this.cursor = null;
    this.due = false;
    this.stop = new AbortController();
    ending(() => this.stop.abort());
  }

  /** Begins anew. */
  async begin() {
    this.stop.abort();
    this.stop = new AbortController();
    this.busy.value = true;
    await this.take(null, (page) => {
      this.items.value = page.items;
      this.cursor = page.next_cursor;
    });
  }

  /** Asks for the next page, unless one is being asked for. */
  async next() {
    if (this.busy.peek() || this.cursor === null || this.problem.peek()) return;
    this.busy.value = true;
    await this.take(this.cursor, (page) => {
      const known = new Set(this.items.peek().map(this.key));
      this.items.value = [...this.items.peek(), ...page.items.filter((each) => !known.has(this.key(each)))];
      this.cursor = page.next_cursor;
    });
  }

  /** Asks for the newest again: what is new stands on top, what has changed changes, what is no longer found goes.
   * While something is being asked for, it waits: an answer may be older than what was heard. */
  async renew() {
    this.due = this.busy.peek();
    if (this.due) return;
    this.busy.value = true;
    await this.take(null, (page) => {
      const fresh = new Set(page.items.map(this.key));
      const before = this.items.peek();
      const last = before.findLastIndex((each) => fresh.has(this.key(each)));
      // what came meanwhile is more than a page: what was below no longer follows on it
      const follows = last >= 0 && page.next_cursor !== null;
      this.items.value = follows ? [...page.items, ...before.slice(last + 1)] : page.items;
      if (!follows) this.cursor = page.next_cursor;
    });
  }

  /** @param {T} item a newer state of one that is there */
  change(item) {
    const name = this.key(item);
    this.items.value = this.items.peek().map((each) => (this.key(each) === name ? { ...each, ...item } : each));
  }

  /** @param {string | null} cursor @param {(page: Page<T>) => void} work */
  async take(cursor, work) {
    const stop = this.stop.signal;
    try {
      const page = await this.ask(cursor, stop);
      if (stop.aborted) return;
      this.problem.value = "";
      this.total.value = page.total;
      this.more.value = Boolean(page.more_than_total);
      work(page);
    } catch (error) {
      if (stop.aborted) return;
      this.problem.value = told(error);
    }
    this.busy.value = false;
    if (this.due) void this.renew();
  }
}

/**
 * Shows pages as rows of one height, in an element that scrolls.
 * @template T
 * @param {Pages<T>} pages @param {() => number} rowHeight in pixels
 * @param {(item: import("./view.js").Signal<T>, place: () => number) => Element} render
 * @param {string} label what a screen reader calls the list
 */
export function rows(pages, rowHeight, render, label) {
  const top = signal(0);
  const height = signal(600);
  const places = computed(() => {
    const high = rowHeight();
    const first = Math.max(0, Math.floor(top.value / high) - MORE_ROWS);
    const last = Math.min(pages.items.value.length, Math.ceil((top.value + height.value) / high) + MORE_ROWS);
    return { first, last };
  });
  effect(() => {
    const near = places.value.last >= pages.items.value.length - 2 * MORE_ROWS;
    if (near && !pages.busy.value) untracked(() => void pages.next());
  });
  const seen = computed(() => pages.items.value.slice(places.value.first, places.value.last));
  const indices = computed(() => new Map(seen.value.map((each, at) => [pages.key(each), places.value.first + at])));
  const box = h(
    "div",
    { class: "rows", onscroll: () => (top.value = box.scrollTop) },
    h(
      "div",
      {
        role: "list",
        "aria-label": label,
        class: "inner",
        style: () => ({ height: `${pages.items.value.length * rowHeight()}px` }),
      },
      each(
        () => seen.value,
        pages.key,
        (item) => {
          const place = () => indices.value.get(pages.key(item.value)) ?? 0;
          const row = /** @type {HTMLElement} */ (render(item, place));
          ending(() => row.contains(document.activeElement) && focusNear(box, row.offsetTop));
          effect(() => row.style.setProperty("top", `${place() * rowHeight()}px`));
          row.setAttribute("role", "listitem");
          effect(() => row.setAttribute("aria-setsize", String(pages.more.value ? -1 : Math.max(pages.total.value, pages.items.value.length))));
          effect(() => row.setAttribute("aria-posinset", String(place() + 1)));
          return row;
        },
      ),
    ),
  );
  // what comes on top does not move what somebody reads further down
  let topKey = /** @type {string | null} */ (null);
  effect(() => {
    const items = pages.items.value;
    const high = rowHeight();
    untracked(() => {
      const was = Math.floor(top.peek() / high);
      const is = topKey === null || !was ? -1 : items.findIndex((each) => pages.key(each) === topKey);
      if (is > was) queueMicrotask(() => (box.scrollTop += (is - was) * high));
    });
  });
  effect(() => {
    const at = Math.floor(top.value / rowHeight());
    untracked(() => (topKey = pages.items.peek()[at] ? pages.key(pages.items.peek()[at]) : null));
  });
  const watch = new ResizeObserver(() => (height.value = box.clientHeight));
  watch.observe(box);
  ending(() => watch.disconnect());
  return {
    box,
    /** Brings a row into sight. @param {number} place */
    show(place) {
      const from = place * rowHeight();
      if (from < box.scrollTop) box.scrollTop = from;
      else if (from + rowHeight() > box.scrollTop + box.clientHeight) {
        box.scrollTop = from + rowHeight() - box.clientHeight;
      }
    },
  };
}

/** How high a row is: on a phone its cells stand in several lines. @param {number} wide in pixels @param {number} narrow
 * @returns {() => number} */
export function rowHeight(wide, narrow) {
  const phone = matchMedia("(max-width: 40rem)");
  const high = signal(phone.matches ? narrow : wide);
  listen(phone, "change", () => (high.value = phone.matches ? narrow : wide));
  return () => high.value;
}

/** What stands instead of rows: loading, an error with a way out, or nothing found.
 * @param {Pages<any>} pages @param {string} empty */
export function standing(pages, empty) {
  return () => {
    if (pages.problem.value) return problemBox(pages.problem.value, () => pages.begin());
    if (pages.items.value.length) return null;
    return h("p", { class: "standing" }, pages.busy.value ? t("loading") : empty);
  };
}

/** Puts the focus of a row that goes on the one that takes its place. @param {HTMLElement} box @param {number} top */
function focusNear(box, top) {
  queueMicrotask(() => {
    const all = /** @type {HTMLElement[]} */ ([...box.querySelectorAll("[role=listitem]")]).sort((one, other) => one.offsetTop - other.offsetTop);
    const next = all.find((each) => each.offsetTop >= top) ?? all[all.length - 1];
    if (next) reachable(next)[0]?.focus({ preventScroll: true });
  });
}
