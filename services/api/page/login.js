// @ts-check
/** Coming in: with a key, with a link that makes the first key, and saying why; or to one clip, by a link to it. */
import { effect, h, signal } from "./view.js";
import { Problem, address, get, isAway, returns, send } from "./api.js";
import { attempt, dialog, form, tell, told } from "./dialog.js";
import { fetching } from "./film.js";
import { asking, table } from "./pieces.js";
import { go, link } from "./route.js";
import { purpose, session, zone } from "./session.js";
import { exactText, spanText } from "./time.js";
import { t } from "./texts.js";

const HOURS = [1, 24, 72, 168, 720];

export function loginView() {
  return h(
    "main",
    { class: "narrow", id: "content" },
    h("h1", null, "Platereel"),
    h("p", null, t("login.hint")),
    form(
      [
        { name: "key", label: t("key"), type: "password", required: true, attributes: { autocomplete: "current-password", maxlength: 4096 } },
        { name: "purpose", label: t("purpose"), hint: t("purpose.hint"), attributes: { maxlength: 200 } },
        { name: "case", label: t("case"), attributes: { maxlength: 200 } },
      ],
      t("login"),
      async ({ key, purpose: why, case: what }) => {
        let opened;
        try {
          opened = await send("POST", "session", { key, purpose: why, case: what });
        } catch (error) {
          if (error instanceof Problem && error.status === 401) throw new Problem(401, t("login.wrong"));
          throw error;
        }
        purpose.value = { purpose: why ?? "", case: what ?? "" };
        session.value = opened;
      },
    ),
  );
}

/** The first key of a deployment, by the link that its start has printed. @param {string} token */
export function welcomeView(token) {
  const made = signal(/** @type {any} */ (null));
  history.replaceState(null, "", link("welcome")); // it works once: nobody needs it in a history
  return h(
    "main",
    { class: "narrow", id: "content" },
    h("h1", null, t("welcome")),
    () =>
      made.value
        ? [
            h("p", null, t("welcome.made", { name: made.value.name })),
            shownOnce(made.value.secret, h("button", { type: "button", class: "main", onclick: () => begin(made.peek()) }, t("welcome.go"))),
          ]
        : [
            h("p", null, t("welcome.hint")),
            form([{ name: "name", label: t("key.name"), required: true, value: "admin", attributes: { maxlength: 64 } }], t("welcome.make"), async ({ name }) => {
              made.value = await send("POST", "invitations/redeem", { token, name });
            }),
          ],
  );
}

/** @param {any} made */
function begin(made) {
  const { secret: _, ...opened } = made;
  go(link("passes"));
  session.value = opened;
}

/** @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell(t("copied"));
  } catch {
    tell(t("copy.yourself"), true);
  }
}

/** What stands in place of what is shown only to who says why. */
export const purposeAsked = () =>
  h("div", { class: "standing" }, h("p", null, t("purpose.needed")), h("button", { type: "button", class: "main", onclick: askPurpose }, t("purpose.state")));

/** What is shown only once, and how to take it along. @param {string} text @param {import("./view.js").Child} [more] */
export const shownOnce = (text, more) => [
  h("output", { class: "secret" }, text),
  h("div", { class: "actions" }, h("button", { type: "button", onclick: () => void copied(text) }, t("copy")), more),
];

export function askPurpose() {
  const { purpose: why, case: what } = purpose.peek();
  return dialog(t("purpose"), (close) => [
    h("p", null, t("purpose.why")),
    form(
      [
        { name: "purpose", label: t("purpose"), value: why, required: session.peek()?.purpose_rule === "required", attributes: { maxlength: 200 } },
        { name: "case", label: t("case"), value: what, attributes: { maxlength: 200 } },
      ],
      t("save"),
      async (given) => {
        purpose.value = { purpose: given.purpose ?? "", case: given.case ?? "" };
        close();
      },
    ),
  ]);
}

export async function logout() {
  await send("DELETE", "session").catch(() => null);
  purpose.value = { purpose: "", case: "" };
  session.value = null;
}

/* ---- links to one clip ---- */

/** @param {string} segmentId */
export function shareClip(segmentId) {
  const made = signal(/** @type {import("./api_types.js").NewShare | null} */ (null));
  return dialog(
    t("share"),
    () => {
      const shares = asking(async () => /** @type {import("./api_types.js").Share[]} */ ((await get(`segments/${segmentId}/shares`)).items));
      const revoke = async (/** @type {string} */ id) => {
        await attempt(send("DELETE", `shares/${id}`));
        void shares.again();
      };
      return [
        h("p", null, t("share.told")),
        form(
          [
            { name: "hours", label: t("share.for"), value: "24", options: HOURS.map((hours) => ({ value: String(hours), label: hours < 24 ? t("hours.of", { n: hours }) : t("days.of", { n: hours / 24 }) })) },
            { name: "note", label: t("note"), hint: t("share.note"), attributes: { maxlength: 200 } },
          ],
          t("share.make"),
          async ({ hours, note }) => {
            made.value = await send("POST", `segments/${segmentId}/shares`, { expires_in_hours: Number(hours), note });
            void shares.again();
          },
        ),
        () => (made.value ? shownOnce(`${location.origin}/${link("shared", [made.value.token])}`) : null),
        shares.shown((all) =>
          all.length
            ? table(t("share"), [t("made"), t("expires"), t("seen"), ""], all.map((each) =>
                h("tr", { class: each.open ? "" : "past" }, h("td", null, exactText(Date.parse(each.created_at), zone.peek()), h("small", null, ` ${each.created_by} ${each.note ?? ""}`)), h("td", null, each.revoked_at ? t("revoked") : exactText(Date.parse(each.expires_at), zone.peek())), h("td", { class: "number" }, each.views), h("td", null, each.open ? h("button", { type: "button", class: "danger", onclick: () => revoke(each.id) }, t("revoke")) : null)),
              ))
            : null,
        ),
      ];
    },
    { wide: true },
  );
}

/** What somebody sees who opens such a link. @param {string} token */
export function sharedView(token) {
  const clip = signal(/** @type {import("./api_types.js").SharedClip | null} */ (null));
  const problem = signal("");
  const refused = signal("");
  let settled = false; // each time it is opened counts, and each wrong link does
  effect(() => {
    void returns.value;
    if (settled) return;
    settled = true;
    send("POST", "shared", { token }).then(
      (found) => {
        problem.value = "";
        clip.value = found;
      },
      (error) => {
        settled = !isAway(error);
        problem.value = told(error);
      },
    );
  });
  return h("main", { class: "page", id: "content" }, () => {
    if (problem.value) return h("p", { class: "standing", role: "alert" }, problem.value);
    const found = clip.value;
    if (!found) return h("p", { class: "standing" }, t("loading"));
    const film = h("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": t("film") });
    const path = "shared/clip";
    fetching(film, path, { href: () => address(path), refused, unplayable: () => t("share.lost"), atS: () => film.currentTime });
    const from = Date.parse(found.first_frame_at ?? found.end_time ?? "");
    return [
      h("h1", null, found.camera_id, " ", h("time", null, () => exactText(from, zone.value))),
      h("p", null, spanText((found.duration_seconds ?? 0) * 1000), " · ", () => t("share.until", { at: exactText(Date.parse(found.expires_at), zone.value) })),
      h("div", { class: "stage" }, film),
      () => (refused.value ? h("p", { role: "alert" }, refused.value) : null),
      h("p", null, h("a", { class: "button", href: address("shared/clip"), download: "" }, t("download"))),
    ];
  });
}
