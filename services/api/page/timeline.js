// @ts-check
/** The timeline: a day of all cameras, down to a second, and what there was at any moment of it. */
import { computed, effect, ending, h, listen, signal, untracked } from "./view.js";
import { spoken } from "./dialog.js";
import { go, keys, link, refine, route } from "./route.js";
import { needsPurpose, theme, zone } from "./session.js";
import { DAY, centred, clockText, dateText, dayStart, exactText, moved, spanText, timeAt, zoomed } from "./time.js";
import { t, word } from "./texts.js";
import { HEAD, ROW, coloursOf, painted } from "./timeline_canvas.js";
import { loading, neighbour } from "./timeline_data.js";
import { stripOf } from "./strip.js";
import { purposeAsked } from "./login.js";
import { askMoment, namesOf } from "./pieces.js";

/** @typedef {import("./timeline_data.js").Row} Row */
/** @typedef {import("./time.js").Stretch} Stretch */

const NEAR_PIXELS = 6;

export function timelineView() {
  const query = untracked(() => route.value.query);
  const asked = Number(query.get("at"));
  const todayMs = dayStart(Date.now(), zone.peek());
  const shown = signal(/** @type {Stretch} */ (asked ? { fromMs: asked - 300_000, toMs: asked + 300_000 } : { fromMs: todayMs, toMs: todayMs + DAY }));
  const cursor = signal(asked || Date.now());
  const camera = computed(() => route.value.query.get("camera"));
  const data = signal({ rows: /** @type {Row[]} */ ([]), complete: true });
  const cameras = namesOf("cameras", "camera_id");
  const size = signal({ width: 800, height: 400 });
  const top = signal(0);
  const pointer = signal(/** @type {{x: number, y: number} | null} */ (null));
  const busy = signal(true);

  loading({ shown, camera, data, busy });

  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-label": t("timeline.label"), "aria-describedby": "timeline-help" });
  const colours = signal(/** @type {{[name: string]: string} | null} */ (null));
  effect(() => {
    void theme.value;
    untracked(() => queueMicrotask(() => (colours.value = coloursOf(canvas.parentElement ?? document.body))));
  });
  listen(matchMedia("(prefers-color-scheme: dark)"), "change", () => (colours.value = coloursOf(canvas.parentElement ?? document.body)));
  const watch = new ResizeObserver(() => (size.value = { width: canvas.clientWidth, height: canvas.clientHeight }));
  watch.observe(canvas);
  ending(() => watch.disconnect());
  const now = signal(Date.now());
  const clock = setInterval(() => (now.value = Date.now()), 1000);
  ending(() => clearInterval(clock));
  painted(canvas, () => ({ shown: shown.value, rows: data.value.rows, ...size.value, top: top.value, nowMs: now.value, cursorMs: cursor.value, zone: zone.value, colours: colours.value }));
  moving(canvas, { shown, top, size, pointer, cursor, data, open: () => open() });

  const under = computed(() => {
    const at = pointer.value;
    const { width } = size.value;
    if (!at) return null;
    const ms = timeAt(shown.value, at.x, width);
    const row = at.y < HEAD ? undefined : data.value.rows[Math.floor((at.y - HEAD + top.value) / ROW)];
    return { ms, row, x: at.x, y: at.y };
  });
  const found = (/** @type {Row | undefined} */ row, /** @type {number} */ ms) => {
    const near = ((shown.value.toMs - shown.value.fromMs) / size.value.width) * NEAR_PIXELS;
    return { clip: row?.clipAt(ms) ?? null, pass: row?.passNear(ms, near) ?? null, gap: row?.gapAt(ms) ?? null };
  };
  const open = () => {
    const ms = cursor.peek();
    const rows = data.peek().rows;
    const at = under.peek()?.row ?? rows.find((row) => row.clipAt(ms));
    const clip = at?.clipAt(ms);
    if (clip) go(link("clip", [clip.segmentId], { at: Math.round(ms - clip.startMs) }));
  };
  const goTo = (/** @type {number} */ ms) => {
    cursor.value = ms;
    if (ms < shown.peek().fromMs || ms > shown.peek().toMs) shown.value = centred(shown.peek(), ms);
    const told = data.peek().rows.flatMap((row) => {
      const { pass, gap } = found(row, ms);
      return [...(pass ? [`${row.cameraId}: ${pass.plate ?? t("no.plate")}`] : []), ...(gap ? [`${row.cameraId}: ${word("cause", gap.cause)}`] : [])];
    });
    spoken.value = [clockText(ms, zone.peek()), ...told].join(", ");
  };
  const jump = (/** @type {"pass" | "gap"} */ kind, /** @type {number} */ by) => {
    const ms = neighbour(data.peek().rows, kind, cursor.peek(), by);
    if (ms !== null) goTo(ms);
  };
  const zoom = (/** @type {number} */ factor) => (shown.value = zoomed(shown.peek(), factor, cursor.peek()));
  const pan = (/** @type {number} */ share) => (shown.value = moved(shown.peek(), share * (shown.peek().toMs - shown.peek().fromMs)));
  const day = (/** @type {number} */ by) => {
    const from = dayStart((shown.peek().fromMs + shown.peek().toMs) / 2, zone.peek(), by);
    shown.value = { fromMs: from, toMs: dayStart(from, zone.peek(), 1) };
  };
  const today = () => {
    cursor.value = Date.now();
    shown.value = { fromMs: dayStart(Date.now(), zone.peek()), toMs: dayStart(Date.now(), zone.peek(), 1) };
  };
  const typed = () =>
    askMoment((shown.peek().fromMs + shown.peek().toMs) / 2, (ms) => {
      goTo(ms);
      shown.value = centred({ fromMs: 0, toMs: Math.min(shown.peek().toMs - shown.peek().fromMs, 600_000) }, ms);
    });
  keys(t("timeline"), [
    { key: "t", told: t("go.to.time"), work: () => void typed() },
    { key: "[", told: t("pass.before"), work: () => jump("pass", -1) },
    { key: "]", told: t("pass.after"), work: () => jump("pass", 1) },
    { key: "{", told: t("gap.before"), work: () => jump("gap", -1) },
    { key: "}", told: t("gap.after"), work: () => jump("gap", 1) },
    { key: "+", told: t("zoom.in"), work: () => zoom(0.5) },
    { key: "-", told: t("zoom.out"), work: () => zoom(2) },
    { key: "ArrowLeft", shown: "←", told: t("earlier"), work: () => pan(-0.2) },
    { key: "ArrowRight", shown: "→", told: t("later"), work: () => pan(0.2) },
    { key: "PageUp", told: t("day.before"), work: () => day(-1) },
    { key: "PageDown", told: t("day.after"), work: () => day(1) },
    { key: "Home", told: t("today"), work: today },
    { key: "Enter", told: t("open.clip"), work: open },
  ]);
  listen(canvas, "keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && open());

  return h(
    "div",
    { class: "column timeline" },
    h("h1", { class: "unseen" }, t("timeline")),
    h(
      "div",
      { class: "filters bar" },
      h("button", { type: "button", onclick: () => day(-1), "aria-label": t("day.before") }, "‹"),
      h("button", { type: "button", onclick: today }, t("today")),
      h("button", { type: "button", onclick: () => day(1), "aria-label": t("day.after") }, "›"),
      h("b", { class: "number" }, () => stretchText(shown.value, zone.value)),
      h("label", null, t("camera"), h("select", { onchange: (/** @type {any} */ e) => refine({ camera: e.target.value }) }, h("option", { value: "" }, t("all")), () => cameras.value.map((each) => h("option", { value: each, selected: each === camera.value }, each)))),
      h("button", { type: "button", onclick: () => zoom(0.5), "aria-label": t("zoom.in") }, "+"),
      h("button", { type: "button", onclick: () => zoom(2), "aria-label": t("zoom.out") }, "−"),
      h("button", { type: "button", onclick: typed }, t("go.to.time")),
      h("a", { class: "button", href: () => link("incident", [], { at: Math.round(cursor.value) }) }, t("other.cameras")),
      h("output", { class: "count number", "aria-live": "off" }, () => exactText(under.value?.ms ?? cursor.value, zone.value)),
    ),
    h("p", { id: "timeline-help", class: "unseen" }, t("timeline.help")),
    () =>
      needsPurpose.value
        ? purposeAsked()
        : data.value.complete
          ? null
          : h("p", { class: "hint", role: "status" }, t("timeline.incomplete")),
    h(
      "div",
      { class: "canvasbox" },
      canvas,
      h("div", { class: "rownames", "aria-hidden": "true" }, () => data.value.rows.map((row, at) => h("span", { title: row.cameraId, style: () => ({ top: `${HEAD + at * ROW - top.value + 16}px` }), hidden: () => HEAD + at * ROW - top.value < HEAD - 12 }, row.cameraId))),
      () => (busy.value && !data.value.rows.length ? h("p", { class: "standing over" }, t("loading")) : null),
      tip(under, found),
    ),
    clipTable(data, shown),
  );
}

/** @param {Stretch} stretch @param {import("./time.js").Zone} zoned */
function stretchText(stretch, zoned) {
  const length = stretch.toMs - stretch.fromMs;
  const from = `${dateText(stretch.fromMs, zoned)} ${clockText(stretch.fromMs, zoned)}`;
  return length >= DAY - 7_200_000 ? `${from} + ${Math.round(length / 3_600_000)} h` : `${from} + ${spanText(length)}`;
}

/** Wheel, drag and pinch. */
function moving(/** @type {HTMLCanvasElement} */ canvas, /** @type {any} */ { shown, top, size, pointer, cursor, data, open }) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let travelled = 0;
  const width = () => size.peek().width;
  const placeOf = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const scroll = (/** @type {number} */ by) => {
    const most = Math.max(0, data.peek().rows.length * ROW - (size.peek().height - HEAD));
    top.value = Math.min(most, Math.max(0, top.peek() + by));
  };
  listen(canvas, "wheel", (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    const length = shown.peek().toMs - shown.peek().fromMs;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      shown.value = moved(shown.peek(), ((event.deltaX || event.deltaY) / width()) * length);
    } else if (event.altKey) scroll(event.deltaY);
    else shown.value = zoomed(shown.peek(), Math.exp(event.deltaY / 400), timeAt(shown.peek(), placeOf(event).x, width()));
  }, { passive: false });
  listen(canvas, "pointerdown", (/** @type {PointerEvent} */ event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, placeOf(event));
    travelled = 0;
  });
  listen(canvas, "pointermove", (/** @type {PointerEvent} */ event) => {
    const to = placeOf(event);
    pointer.value = to;
    const from = down.get(event.pointerId);
    if (!from) return;
    const length = shown.peek().toMs - shown.peek().fromMs;
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const factor = Math.max(10, Math.abs(from.x - other.x)) / Math.max(10, Math.abs(to.x - other.x));
      shown.value = zoomed(shown.peek(), factor, timeAt(shown.peek(), other.x, width()));
    } else {
      shown.value = moved(shown.peek(), (-(to.x - from.x) / width()) * length);
      scroll(from.y - to.y);
    }
    travelled += Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
    down.set(event.pointerId, to);
  });
  const up = (/** @type {PointerEvent} */ event) => {
    const was = down.delete(event.pointerId);
    if (!was || event.type !== "pointerup" || travelled > 4) return;
    cursor.value = timeAt(shown.peek(), placeOf(event).x, width());
    open();
  };
  listen(canvas, "pointerup", up);
  listen(canvas, "pointercancel", up);
  listen(canvas, "pointerleave", () => (pointer.value = null));
}

/** What stands beside the pointer: the moment, what is there, and its picture. */
function tip(/** @type {any} */ under, /** @type {any} */ found) {
  const picture = h("canvas", { width: 160, height: 90 });
  const has = signal(false);
  effect(() => {
    const at = under.value;
    const clip = at?.row ? found(at.row, at.ms).clip : null;
    if (!clip?.hasStrip) return void (has.value = false);
    const offset = at.ms - clip.startMs;
    let over = false;
    ending(() => (over = true));
    void stripOf(clip.segmentId).then((strip) => {
      if (over) return;
      has.value = Boolean(strip);
      if (!strip) return;
      picture.height = Math.round((160 * strip.facts.tile_height) / strip.facts.tile_width);
      strip.draw(/** @type {CanvasRenderingContext2D} */ (picture.getContext("2d")), offset);
      picture.dataset.place = String(strip.place(offset));
    });
  });
  return () => {
    const at = under.value;
    if (!at) return null;
    const { clip, pass, gap } = found(at.row, at.ms);
    return h(
      "div",
      { class: "tip", style: { left: `calc(var(--gutter) + ${at.x}px)`, top: `${at.y}px` } },
      has.value && clip ? picture : null,
      h("b", null, clockText(at.ms, zone.value, true)),
      at.row ? h("span", null, at.row.cameraId) : null,
      pass ? h("span", { class: pass.hit ? "bad" : "" }, pass.plate ?? t("no.plate")) : null,
      clip ? h("span", null, word("status", clip.status)) : null,
      gap ? h("span", { class: "bad" }, `${t("gap.of", { n: gap.frames })}: ${word("cause", gap.cause)}`) : null,
    );
  };
}

/** The same as a list, for who does not see the picture of it. */
function clipTable(/** @type {any} */ data, /** @type {any} */ shown) {
  const open = signal(false);
  return h(
    "details",
    { class: "filters", ontoggle: (/** @type {any} */ event) => (open.value = event.target.open) },
    h("summary", null, t("as.list")),
    () => {
      if (!open.value) return null;
      const { fromMs, toMs } = shown.value;
      const clips = data.value.rows.flatMap((/** @type {Row} */ row) => row.ids.map((_, at) => ({ row, ...row.clip(at) })));
      const seen = clips.filter((/** @type {any} */ each) => each.endMs >= fromMs && each.startMs <= toMs).slice(0, 200);
      return h("ul", { class: "plain short" }, seen.map((/** @type {any} */ each) => h("li", null, h("a", { href: link("clip", [each.segmentId]) }, `${each.row.cameraId} ${dateText(each.startMs, zone.value)} ${clockText(each.startMs, zone.value)}`), ` ${spanText(each.endMs - each.startMs)}, ${word("status", each.status)}`)));
    },
  );
}
