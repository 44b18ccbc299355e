// @ts-check
/** One pass beside the list: its picture, what was read, and what a person says of it. */
import { computed, effect, ending, h, signal } from "./view.js";
import { follow, get, media, send } from "./api.js";
import { attempt, dialog, form } from "./dialog.js";
import { keys, link } from "./route.js";
import { hasLists, isOperator, zone } from "./session.js";
import { clockText, exactText, spanText } from "./time.js";
import { t, word } from "./texts.js";
import { acknowledgeHit } from "./hits.js";
import { badges } from "./passes.js";
import { asking, facts, picture, table } from "./pieces.js";

/** @typedef {import("./api_types.js").PassDetail} PassDetail */
/** @typedef {{changed: (found: PassDetail) => void, next: (after: string) => void, close: () => void}} Around */

/** @param {string} id @param {Around} around */
export function passPanel(id, around) {
  const { found, problem, again, set } = asking(() => /** @type {Promise<PassDetail>} */ (get(`passes/${id}`)), { purpose: true });
  const changed = (/** @type {PassDetail} */ said) => {
    set(said);
    around.changed(said);
  };
  ending(
    follow(["plate.read", "plate.hit", "pass.closed"], (body) => {
      if (body.pass_id === id) void again();
    }),
  );
  let saying = false;
  /** One after another: a key that is pressed twice says it once. @param {string} word */
  const review = async (word) => {
    if (saying) return false;
    saying = true;
    const said = await attempt(send("PATCH", `passes/${id}`, { review: word }));
    saying = false;
    if (!said) return false;
    changed(said);
    return true;
  };
  const correct = () =>
    dialog(t("correct"), (close) =>
      form(
        [
          { name: "plate", label: t("plate"), value: found.peek()?.plate ?? "", required: true, attributes: { maxlength: 64 } },
          { name: "note", label: t("note") },
        ],
        t("save"),
        async ({ plate, note }) => {
          changed(await send("PATCH", `passes/${id}`, { review: "corrected", plate, note }));
          close();
        },
      ),
    );
  const confirmNext = async () => {
    if (await review("confirmed")) around.next(id);
  };
  effect(() => {
    if (!isOperator.value) return;
    keys(t("this.pass"), [
      { key: "c", told: t("confirm.next"), work: () => void confirmNext() },
      { key: "e", told: t("correct"), work: () => void correct() },
      { key: "x", told: t("reject"), work: () => void review("rejected") },
      { key: "u", told: t("undo"), work: () => void review("undone") },
    ]);
  });
  return h(
    "aside",
    { class: "panel", "aria-label": t("this.pass") },
    h(
      "header",
      null,
      h("h2", { class: "plate" }, () => found.value?.plate ?? (found.value ? t("no.plate") : "…")),
      h("button", { type: "button", class: "quiet", onclick: around.close, "aria-label": t("close") }, "✕"),
    ),
    () => (problem.value ? h("p", { role: "alert", class: "wrong" }, problem.value) : null),
    () =>
      found.value
        ? [
            scene(found.value),
            h("p", { class: "badges" }, badges(found.value)),
            isOperator.value
              ? h(
                  "div",
                  { class: "actions" },
                  h("button", { type: "button", class: "main", onclick: confirmNext }, t("confirm.next")),
                  h("button", { type: "button", onclick: correct }, t("correct")),
                  h("button", { type: "button", onclick: () => review("rejected") }, t("reject")),
                  found.value.review ? h("button", { type: "button", onclick: () => review("undone") }, t("undo")) : null,
                )
              : null,
            factsOf(found.value),
            hits(found.value, changed),
            segments(found.value),
            reads(found.value),
            history(found.value),
          ]
        : null,
  );
}

/** The frame of the best read, with its box. @param {PassDetail} pass */
function scene(pass) {
  const best = pass.detections.find((each) => each.detection_id === pass.best_detection_id);
  const size = signal(/** @type {{width: number, height: number} | null} */ (null));
  const lost = signal(false);
  const box = computed(() => {
    const around = size.value;
    if (!best?.bbox || !around) return null;
    const [x, y, width, height] = best.bbox;
    const share = (/** @type {number} */ part, /** @type {number} */ all) => `${(100 * part) / all}%`;
    return {
      left: share(x, around.width), top: share(y, around.height),
      width: share(width, around.width), height: share(height, around.height),
    };
  });
  const href = pass.segments.length ? link("pass", [pass.id]) : null;
  const scene = picture(
    {
      src: media(`passes/${pass.id}/scene.jpg`, { v: pass.best_detection_id.slice(0, 16) }),
      alt: t("scene.of", { plate: pass.plate ?? t("no.plate") }),
      onload: () => (size.value = { width: scene.naturalWidth, height: scene.naturalHeight }),
    },
    () => (lost.value = true),
  );
  return h(
    href ? "a" : "div",
    { class: "scene", href },
    () => (lost.value ? h("p", { class: "standing" }, t("no.picture")) : scene),
    () => (box.value ? h("span", { class: "box", style: box.value }) : null),
  );
}

/** @param {PassDetail} pass */
function factsOf(pass) {
  const first = Date.parse(pass.first_at);
  return facts([
    [t("camera"), pass.camera_id],
    [t("first.read"), () => exactText(first, zone.value)],
    [t("dwell"), pass.ended_at ? spanText(pass.dwell_seconds * 1000) : t("here.now")],
    [t("confidence"), `${Math.round(pass.confidence * 100)} %`],
    [t("read.as"), pass.corrected_plate ? (pass.read_plate ?? t("no.plate")) : null],
    [t("variants"), pass.variants.length > 1 ? pass.variants.map((each) => `${each.plate} × ${each.reads}`).join(", ") : null],
    ...Object.entries(pass.attributes).map(([name, value]) => /** @type {[string, string]} */ ([name, String(value)])),
    [t("note"), pass.note],
  ]);
}

/** @param {PassDetail} pass @param {(said: PassDetail) => void} changed */
function hits(pass, changed) {
  if (!pass.hits.length) return null;
  const open = pass.hits.some((each) => each.kind === "watch" && !each.acknowledged_at);
  return h(
    "section",
    null,
    h("h3", null, t("lists.of.pass")),
    h(
      "ul",
      { class: "plain" },
      pass.hits.map((each) =>
        h(
          "li",
          { class: each.kind === "watch" ? "bad" : "" },
          h("b", null, each.list_name ?? t("hit")),
          each.reason ? `: ${each.reason}` : each.name ? `: ${each.name}` : "",
          each.instructions ? h("p", null, each.instructions) : null,
          each.acknowledged_at
            ? h("small", null, () => t("acknowledged.by", { who: each.acknowledged_by ?? "", at: exactText(Date.parse(each.acknowledged_at ?? ""), zone.value) }), each.acknowledged_note ? ` ${each.acknowledged_note}` : "")
            : null,
        ),
      ),
    ),
    open && isOperator.value ? h("button", { type: "button", class: "main", onclick: () => acknowledgeHit(pass, changed) }, t("acknowledge")) : null,
    hasLists.value && pass.hits[0]?.list_name ? h("p", null, h("a", { href: link("lists", [pass.hits[0].list_name]) }, t("to.list"))) : null,
  );
}

/** @param {PassDetail} pass */
function segments(pass) {
  return h(
    "section",
    null,
    h("h3", null, t("clips")),
    pass.segments.length
      ? h(
          "ul",
          { class: "plain" },
          pass.segments.map((each) =>
            h(
              "li",
              null,
              h("a", { href: link("clip", [each.segment_id], { at: each.offset_ms, pass: pass.id }) }, () => clockText(Date.parse(each.start_time), zone.value)),
              ` ${word("status", each.status)}`,
              each.duration_seconds ? ` · ${spanText(each.duration_seconds * 1000)}` : "",
            ),
          ),
        )
      : h("p", null, t("no.clips")),
    h("p", null, h("a", { href: link("timeline", [], { at: Date.parse(pass.first_at), camera: pass.camera_id }) }, t("on.timeline")), " · ", h("a", { href: link("incident", [], { at: Date.parse(pass.first_at) }) }, t("other.cameras")), pass.plate ? [" · ", h("a", { href: link("passes", [], { plate: pass.plate }) }, t("same.plate"))] : null),
  );
}

/** @param {PassDetail} pass */
function reads(pass) {
  return h(
    "details",
    null,
    h("summary", null, t("all.reads", { n: pass.detections.length })),
    table(t("all.reads", { n: pass.detections.length }), [t("time"), t("plate"), t("confidence"), t("outcome")], pass.detections.map((each) =>
      h("tr", null, h("td", null, () => clockText(Date.parse(each.captured_at), zone.value, true)), h("td", null, each.plate ?? "–"), h("td", null, `${Math.round(each.confidence * 100)} %`), h("td", { title: each.reason }, word("outcome", each.outcome))),
    )),
  );
}

/** @param {PassDetail} pass */
function history(pass) {
  if (!pass.reviews.length) return null;
  return h(
    "section",
    null,
    h("h3", null, t("said")),
    h("ul", { class: "plain" }, pass.reviews.map((each) => h("li", null, () => exactText(Date.parse(each.at), zone.value), ` ${each.who}: ${word("review", each.review)}`, each.plate ? ` ${each.plate}` : "", each.note ? ` (${each.note})` : ""))),
  );
}
