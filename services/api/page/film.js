// @ts-check
/**
 * A film and where it stands: seeks one after another, the frame that is on the screen, and a film that broke
 * off goes on by itself.
 */
import { effect, ending, h, listen, signal, untracked } from "./view.js";
import { Problem, isAway, media, reach, returns } from "./api.js";
import { told } from "./dialog.js";
import { NotPlayable, growing } from "./growing.js";
import { t, word } from "./texts.js";

/** @typedef {import("./api_types.js").SegmentDetail} SegmentDetail */

const LIVE = ["recording", "finalizing"];
const HEARD_MS = 250;
const MOST_ASKED = 3;
const BESIDE_S = 0.0005; // a seek to the very same time is none
const AGAIN_MS = 1000;
const MOST_TRIES = 4; // a quarter of a minute
const FURTHER_S = 1;
/** A kind of each codec that a browser which plays any of it plays. @type {Record<string, string>} */
const KINDS = { h264: "avc1.42E01E", hevc: "hvc1.1.6.L93.B0", av1: "av01.0.04M.08", mp4v: "mp4v.20.9", mjpeg: "mp4v.6C" };

/** @param {SegmentDetail} segment @param {number | null} startMs the capture time that it opens at */
export function filmOf(segment, startMs) {
  const isGrowing = LIVE.includes(segment.status);
  const originMs = Date.parse(isGrowing ? segment.start_time : (segment.first_frame_at ?? segment.start_time));
  const at = signal(Math.max(0, startMs === null ? 0 : (startMs - originMs) / 1000));
  const duration = signal(segment.duration_seconds ?? 0);
  const refused = signal("");
  let over = false;
  ending(() => (over = true));

  // its shape is known before the film is, and where the film never is
  const shape = segment.resolution ? { "aspect-ratio": segment.resolution.replace("x", " / ") } : {};
  const video = h("video", { playsinline: true, preload: "auto", "aria-label": t("film"), style: shape });
  video.muted = true;

  /* ---- where it is ---- */
  let goal = /** @type {number | null} */ (null);
  /** One seek after another: a browser drops those that come while it seeks. @param {number} seconds */
  const seek = (seconds) => {
    const last = duration.peek() || video.duration || 0;
    goal = Math.min(Math.max(0, seconds), Math.max(0, last - 0.001));
    at.value = goal;
    if (!video.seeking) next();
  };
  const next = () => {
    if (goal === null) return;
    const wanted = goal;
    goal = null;
    asked = 0;
    heard = false;
    video.currentTime = wanted;
  };
  listen(video, "durationchange", () => {
    if (Number.isFinite(video.duration) && video.duration > 0 && !isGrowing) duration.value = video.duration;
  });
  listen(video, "timeupdate", () => {
    if (goal === null && !video.seeking) at.value = video.currentTime;
  });

  /* ---- the frame on the screen ---- */
  let shownS = 0;
  let heard = false; // whether a frame was told of since the last seek
  let asked = 0;
  video.dataset.origin = String(originMs);
  const isNear = () => {
    const frames = (video.currentTime - shownS) * (segment.fps || 15);
    return frames > -0.05 && frames < 1.05;
  };
  const isHere = () => heard && isNear();
  const framed = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ meta) => {
    if (over) return;
    shownS = meta.mediaTime;
    heard ||= isNear(); // the frame of before may be told of late
    if (goal === null) at.value = Math.max(meta.mediaTime, 0);
    video.dataset.shown = String(Math.round(originMs + meta.mediaTime * 1000));
    video.requestVideoFrameCallback(framed);
  };
  video.requestVideoFrameCallback(framed);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let unheard;
  listen(video, "seeked", () => {
    next();
    // A busy browser may paint a frame and never say so: a seek beside it has it say so again.
    clearTimeout(unheard);
    unheard = setTimeout(() => {
      if (over || isHere() || goal !== null || video.seeking || !video.paused || asked >= MOST_ASKED) return;
      asked += 1;
      video.currentTime += asked % 2 ? BESIDE_S : -BESIDE_S;
    }, HEARD_MS);
  });
  ending(() => clearTimeout(unheard));
  /** Where the next step begins: what is on the screen, or what will be. */
  const place = () => goal ?? (video.seeking || !isHere() ? video.currentTime : shownS);

  /* ---- how it comes ---- */
  const unplayable = () => t("not.playable", { codec: segment.codec === "copy" ? t("codec.copy") : segment.codec });
  if (isGrowing) {
    let begun = false;
    listen(video, "error", () => {
      if (!over && video.getAttribute("src")) refused.value = unplayable();
    });
    ending(
      growing(video, segment.id, {
        failed: (error) => {
          if (!video.error) refused.value = error instanceof NotPlayable ? unplayable() : told(error);
        },
        grown: (seconds) => {
          duration.value = Math.max(duration.peek(), seconds);
          if (begun) return;
          begun = true;
          const first = video.buffered.start(0);
          seek(Math.max(first, Math.min(at.peek(), seconds)));
        },
      }),
    );
  } else if (segment.status === "ready") {
    const path = `segments/${segment.id}/download`;
    const kind = KINDS[segment.codec];
    fetching(video, path, {
      href: () => media(path),
      query: { through: true },
      atS: () => at.peek(),
      refused,
      unplayable,
      isPlayable: () => !kind || video.canPlayType(`video/mp4; codecs="${kind}"`) !== "",
    });
  } else refused.value = word("status", segment.status);

  return { segment, video, originMs, isGrowing, at, duration, refused, seek, place };
}

/**
 * Has a `video` fetch a film until the scope around ends, and again where it broke off or did not come: soon where
 * the server gives it, else when the API is back. Where the server gives it and the browser does not take it, that
 * is the end.
 * @param {HTMLVideoElement} video @param {string} path
 * @param {{href: () => string, refused: import("./view.js").Signal<string>, unplayable: () => string, atS: () => number,
 *   query?: import("./api.js").Query, isPlayable?: () => boolean}} how
 *   query: what else the path needs for a look at its first byte; refused: why there is no film now
 */
export function fetching(video, path, { href, refused, unplayable, atS, query = {}, isPlayable = () => true }) {
  let over = false;
  let isComing = false;
  let isHopeless = false;
  let isSeen = false;
  let tries = 0; // without getting any further
  let brokeAtS = -FURTHER_S;
  let turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  const load = () => {
    clearTimeout(later);
    turn += 1;
    isComing = true;
    const plays = !video.paused && !video.ended;
    const seconds = atS();
    video.src = href();
    video.currentTime = seconds + 0.001;
    if (plays) video.play().catch(() => undefined); // a new address had it stand still
  };
  const brokeOff = async () => {
    const mine = turn;
    isComing = false;
    isHopeless = video.error?.code === MediaError.MEDIA_ERR_DECODE || !isPlayable();
    if (isHopeless) {
      refused.value = unplayable();
      return;
    }
    refused.value = t("film.lost");
    if (video.currentTime > brokeAtS + FURTHER_S) tries = 0;
    brokeAtS = video.currentTime;
    try {
      await reach(path, query);
    } catch (error) {
      if (over || mine !== turn || isAway(error)) return; // it goes on when the API is back
      isHopeless = error instanceof Problem && error.status < 500 && error.status !== 429;
      refused.value = told(error);
      return;
    }
    if (over || mine !== turn) return;
    if (tries >= MOST_TRIES) {
      // the server gives it: where nothing ever came, the browser does not take it
      isHopeless = true;
      refused.value = isSeen ? t("film.broken") : unplayable();
      return;
    }
    later = setTimeout(load, AGAIN_MS * 2 ** tries);
    tries += 1;
  };
  listen(video, "loadeddata", () => {
    isComing = false;
    isSeen = true;
    refused.value = "";
  });
  listen(video, "error", () => {
    if (!over && video.getAttribute("src")) void brokeOff();
  });
  const began = returns.peek();
  effect(() => {
    const first = returns.value === began;
    untracked(() => {
      if (!first && !isHopeless) tries = 0;
      if (first || (refused.value && !isComing && !isHopeless)) load();
    });
  });
  ending(() => {
    over = true;
    clearTimeout(later);
    video.removeAttribute("src");
    video.load(); // else the browser goes on fetching
  });
}
