// @ts-check
/**
 * Plays a clip while it is being recorded: its fragments go into a SourceBuffer one after another,
 * never two at once, as soon as the playlist names them.
 */
import { bytes, isAway, text } from "./api.js";
import { codecOf } from "./frames.js";

const LOOK_MS = 1000;
const KEPT_BEHIND_S = 60;

export class NotPlayable extends Error {}

/** @typedef {{header: string, media: string, missing: boolean}} Piece */

/** What a playlist says. @param {string} playlist @returns {{pieces: Piece[], ended: boolean}} */
function readPlaylist(playlist) {
  const pieces = [];
  let header = "";
  let missing = false;
  let ended = false;
  for (const line of playlist.split("\n")) {
    if (line.startsWith("#EXT-X-MAP:")) header = /URI="([^"]+)"/.exec(line)?.[1] ?? "";
    else if (line === "#EXT-X-GAP") missing = true;
    else if (line === "#EXT-X-ENDLIST") ended = true;
    else if (line && !line.startsWith("#")) {
      pieces.push({ header, media: line, missing });
      missing = false;
    }
  }
  return { pieces, ended };
}

/**
 * Fills a video from a growing playlist until the clip has ended or `stop` is called.
 * @param {HTMLVideoElement} video @param {string} segmentId
 * @param {{failed: (error: unknown) => void, grown: (seconds: number) => void}} told
 * @returns {() => void} what stops it
 */
export function growing(video, segmentId, told) {
  const source = new MediaSource();
  const href = URL.createObjectURL(source);
  const stop = new AbortController();
  video.src = href;
  source.addEventListener("sourceopen", () => {
    URL.revokeObjectURL(href);
    fill(source, video, segmentId, told, stop.signal).catch((error) => {
      if (!stop.signal.aborted) told.failed(error);
    });
  }, { once: true });
  return () => {
    stop.abort();
    video.removeAttribute("src");
    video.load();
  };
}

/** Nothing is written yet, or the API is away: both pass. @param {any} error @returns {null} */
function later(error) {
  if (error.status === 409 || isAway(error)) return null;
  throw error;
}

/** @param {MediaSource} source @param {HTMLVideoElement} video @param {string} segmentId
 * @param {{grown: (seconds: number) => void}} told @param {AbortSignal} stop */
async function fill(source, video, segmentId, told, stop) {
  /** @type {SourceBuffer | null} */
  let buffer = null;
  let header = "";
  const fetched = (/** @type {string} */ name) => bytes(`segments/${segmentId}/${name}`, { signal: stop }).catch(later);
  /** Returns the buffer for pieces that begin with this header; null where that is not written yet. @param {string} name */
  const bufferFor = async (name) => {
    if (buffer && name === header) return buffer;
    const first = await fetched(name);
    if (!first) return null;
    const type = `video/mp4; codecs="${codecOf(first) ?? ""}"`;
    if (!MediaSource.isTypeSupported(type)) throw new NotPlayable(type);
    if (buffer) buffer.changeType(type);
    else buffer = source.addSourceBuffer(type);
    await add(buffer, first, video);
    header = name;
    return buffer;
  };
  /** Returns whether a piece is in; one that is missing leaves a hole. @param {Piece} piece */
  const take = async (piece) => {
    if (piece.missing) return true;
    const into = await bufferFor(piece.header);
    const data = into && (await fetched(piece.media));
    if (!into || !data) return false;
    await add(into, data, video);
    return true;
  };
  let taken = 0; // a playlist only grows at its end
  for (;;) {
    const list = await text(`segments/${segmentId}/stream.m3u8`).catch(later);
    const { pieces, ended } = readPlaylist(list ?? "");
    while (taken < pieces.length && !stop.aborted && (await take(pieces[taken]))) taken += 1;
    if (stop.aborted || source.readyState !== "open") return;
    const filled = /** @type {SourceBuffer | null} */ (buffer)?.buffered;
    if (filled?.length) told.grown(filled.end(filled.length - 1));
    if (ended && taken >= pieces.length) {
      source.endOfStream();
      return;
    }
    await new Promise((go) => setTimeout(go, LOOK_MS));
    if (stop.aborted) return;
  }
}

/** Appends, and waits until that is done. Where the browser's room is used up, what is behind goes.
 * @param {SourceBuffer} buffer @param {ArrayBuffer} data @param {HTMLVideoElement} video */
async function add(buffer, data, video) {
  for (let tries = 0; ; tries += 1) {
    try {
      buffer.appendBuffer(data);
      await updated(buffer);
      return;
    } catch (error) {
      const full = error instanceof DOMException && error.name === "QuotaExceededError";
      const behind = Math.max(0, video.currentTime - KEPT_BEHIND_S);
      if (!full || tries || !behind) throw error;
      buffer.remove(0, behind);
      await updated(buffer);
    }
  }
}

/** @param {SourceBuffer} buffer @returns {Promise<void>} */
const updated = (buffer) =>
  new Promise((done, failed) => {
    buffer.addEventListener("updateend", () => done(), { once: true });
    buffer.addEventListener("error", () => failed(new NotPlayable("a fragment that does not decode")), { once: true });
  });
