// @ts-check
/** Hits that wait for somebody. */
import { effect, ending, h, signal, untracked } from "./view.js";
import { follow, followSoon, get, returns, send } from "./api.js";
import { dialog, form } from "./dialog.js";
import { keys, link } from "./route.js";
import { isOperator, needsPurpose, sound } from "./session.js";
import { counted, t } from "./texts.js";
import { Pages, rowHeight, rows, standing } from "./virtual.js";
import { purposeAsked } from "./login.js";
import { when } from "./pieces.js";

/** @typedef {import("./api_types.js").ListedPass} Pass */

const PAGE = 50;
const HEARD_MS = 150;

/** A tone for each hit, in every view, for those who asked for it. */
export function soundHits() {
  ending(follow(["plate.hit"], () => sound.peek() && beep()));
}

function beep() {
  const made = new AudioContext();
  const tone = made.createOscillator();
  const loud = made.createGain();
  loud.gain.setValueAtTime(0.2, made.currentTime);
  loud.gain.exponentialRampToValueAtTime(0.001, made.currentTime + 0.5);
  tone.frequency.value = 880;
  tone.connect(loud).connect(made.destination);
  tone.onended = () => void made.close();
  tone.start();
  tone.stop(made.currentTime + 0.5);
}

export function openHits() {
  const open = signal(true);
  const pages = new Pages(
    (cursor, stop) => get("passes", { hit: true, acknowledged: open.peek() ? false : null, limit: PAGE, cursor }, stop),
    (/** @type {Pass} */ each) => each.id,
  );
  effect(() => {
    void open.value;
    void returns.value;
    if (!needsPurpose.value) untracked(() => void pages.begin());
  });
  followSoon(["plate.hit"], () => pages.renew(), HEARD_MS);
  const done = (/** @type {Pass} */ pass) => acknowledgeHit(pass, () => (open.peek() ? void pages.begin() : void pages.renew()));
  keys(t("hits"), [{ key: "a", told: t("acknowledge.first"), work: () => pages.items.peek()[0] && isOperator.peek() && void done(pages.items.peek()[0]) }]);
  const { box } = rows(pages, rowHeight(64, 84), (item) => hitRow(item, done), t("hits"));
  return h(
    "section",
    { class: "column", "aria-label": t("hits") },
    h(
      "div",
      { class: "filters bar" },
      h("h1", null, t("hits")),
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: () => open.value, onchange: (/** @type {any} */ e) => (open.value = e.target.checked) }), t("hits.open")),
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: () => sound.value, onchange: (/** @type {any} */ e) => { sound.value = e.target.checked; if (sound.peek()) beep(); } }), t("sound")),
      h("span", { class: "count", role: "status" }, () => counted("count.hits", pages.total.value)),
    ),
    () => (needsPurpose.value ? purposeAsked() : standing(pages, t("hits.none"))()),
    box,
  );
}

/** @param {import("./view.js").Signal<Pass>} item @param {(pass: Pass) => void} done */
function hitRow(item, done) {
  return h(
    "div",
    { class: "row hitrow hit" },
    h("a", { class: "plate", href: () => link("passes", [], { pass: item.value.id, hit: 1, all: 1 }) }, () => item.value.plate ?? t("no.plate")),
    h("span", { class: "camera" }, () => item.value.camera_id),
    when(() => item.value.first_at),
    () => (isOperator.value ? h("button", { type: "button", onclick: () => done(item.peek()) }, t("acknowledge")) : null),
  );
}

/** Notes that somebody has seen the hits of a pass. @param {{id: string, plate: string | null}} pass
 * @param {(said: import("./api_types.js").PassDetail) => void} after */
export function acknowledgeHit(pass, after) {
  return dialog(`${t("acknowledge")}: ${pass.plate ?? t("no.plate")}`, (close) =>
    form([{ name: "note", label: t("note"), attributes: { maxlength: 2000 } }], t("acknowledge"), async ({ note }) => {
      after(await send("POST", `passes/${pass.id}/acknowledge`, { note }));
      close();
    }),
  );
}
