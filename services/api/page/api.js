// @ts-check
/** Requests to the API. Whatever goes wrong is a `Problem` that says what, in the API's words. */
import { ending, signal } from "./view.js";
import { purpose, session, sound } from "./session.js";

const BASE = "/v2/video";
const LOOK_MS = 2000;
const SOON_MS = 10_000;
const MOST_WAIT_MS = 30_000;
const PATIENCE_MS = 20_000;
const BUSY_MS = 700;
const AWAY = [0, 502, 503, 504];
const SLOW = 504; // as if a gateway had waited so long

/** Whether the API does not answer now, and since when. */
export const away = signal(/** @type {number | null} */ (null));
/** Grows each time the API is back: what is shown is asked for again. */
export const returns = signal(0);

export class Problem extends Error {
  /** @param {number} status 0: no answer @param {string} detail @param {{field: string, message: string}[]} [errors] */
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

/** Whether something went wrong because the API, or what it stands on, does not answer: that passes. @param {unknown} error */
export const isAway = (error) => error instanceof Problem && AWAY.includes(error.status);

/** @typedef {{[name: string]: string | number | boolean | null | undefined | string[]}} Query */

/** @param {string} path @param {Query} [query] */
export function address(path, query = {}) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) found.append(name, one);
    else if (value !== null && value !== undefined && value !== "") found.set(name, String(value));
  }
  const text = found.toString();
  return `${BASE}/${path}${text ? `?${text}` : ""}`;
}

/** The address of a picture or a film: the browser sends no header of ours, so the query says why.
 * @param {string} path @param {Query} [query] */
export const media = (path, query = {}) => address(path, { ...query, ...because() });

/** Why somebody looks, for a query: a picture that is kept for one purpose is not shown for another. @returns {Query} */
export function because() {
  const { purpose: why, case: what } = purpose.value;
  return { "x-purpose": why || null, "x-case": what || null };
}

function headers() {
  const { purpose: why, case: what } = purpose.peek();
  /** @type {Record<string, string>} */
  const made = {};
  if (why) made["X-Purpose"] = encodeLatin(why);
  if (what) made["X-Case"] = encodeLatin(what);
  const csrf = session.peek()?.csrf_token;
  if (csrf) made["X-CSRF-Token"] = csrf;
  return made;
}

/** A header holds bytes; the API reads them as UTF-8. @param {string} text */
const encodeLatin = (text) => String.fromCharCode(...new TextEncoder().encode(text));

const MOST_SKEW_MS = 2000;
let skewMs = 0;
/** What the API's clock says: a viewer's clock may be minutes off. */
export const serverNow = () => Date.now() + skewMs;

/** @param {Response} answer */
function learnClock(answer) {
  const off = Date.parse(answer.headers.get("Date") ?? "") - Date.now();
  // the header has whole seconds, and an answer takes a while
  if (Number.isFinite(off)) skewMs = Math.abs(off) > MOST_SKEW_MS ? off : 0;
}

/** Asks; what only looks is asked for once more where a server is busy.
 * @param {string} method @param {string} url @param {RequestInit} [given]
 * @param {number} [patienceMs] 0: as long as it takes @returns {Promise<Response>} */
async function request(method, url, given = {}, patienceMs = PATIENCE_MS) {
  const began = performance.now();
  let answer = await asked(method, url, given, patienceMs, began);
  if (answer.status === 503 && method === "GET") {
    await new Promise((done) => setTimeout(done, BUSY_MS));
    answer = await asked(method, url, given, patienceMs, began);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) session.value = null;
  if (AWAY.includes(answer.status)) void lookAgain(answer.status, began);
  throw new Problem(answer.status, told.detail ?? answer.statusText, told.errors ?? []);
}

/** @param {string} method @param {string} url @param {RequestInit} given @param {number} patienceMs @param {number} began */
async function asked(method, url, given, patienceMs, began) {
  const limit = patienceMs ? AbortSignal.timeout(patienceMs) : null;
  const stop = AbortSignal.any([given.signal, limit].flatMap((each) => each ?? []));
  let answer;
  try {
    answer = await fetch(url, {
      ...given,
      method,
      signal: stop,
      headers: { ...headers(), .../** @type {any} */ (given.headers) },
    });
  } catch (error) {
    if (given.signal?.aborted) throw error;
    void lookAgain(limit?.aborted ? SLOW : 0, began);
    throw new Problem(0, "");
  }
  learnClock(answer);
  return answer;
}

/** What an answer holds; one that breaks off is none. @template T @param {Promise<Response>} coming
 * @param {(answer: Response) => Promise<T>} read @param {AbortSignal | null} [stop] @returns {Promise<T>} */
async function held(coming, read, stop) {
  const began = performance.now();
  const answer = await coming;
  try {
    return await read(answer);
  } catch (error) {
    if (stop?.aborted) throw error;
    void lookAgain(SLOW, began);
    throw new Problem(0, "");
  }
}

/** @template [T=any] @param {string} path @param {Query} [query] @param {AbortSignal} [stop] @returns {Promise<T>} */
export async function get(path, query, stop) {
  return held(request("GET", address(path, query), { signal: stop }), (answer) => answer.json(), stop);
}

/** @param {string} path @param {RequestInit} [given] @param {Query} [query] @returns {Promise<ArrayBuffer>} */
export async function bytes(path, given, query) {
  return held(request("GET", address(path, query), given), (answer) => answer.arrayBuffer(), given?.signal);
}

/** Whether a file can be had now, by its first byte; else why not, as a `Problem`. @param {string} path @param {Query} query */
export const reach = (path, query) => bytes(path, { headers: { Range: "bytes=0-0" } }, { ...query, ...because() });

/** @param {string} path @returns {Promise<string>} */
export async function text(path) {
  return held(request("GET", address(path)), (answer) => answer.text());
}

/** A file of another kind than JSON, however long it takes. @param {string} path @param {Query} query
 * @param {string} accept @returns {Promise<Blob>} */
export async function file(path, query, accept) {
  return held(request("GET", address(path, query), { headers: { Accept: accept } }, 0), (answer) => answer.blob());
}

/** Sends a change. A body that is no text goes as JSON. @template [T=any]
 * @param {"POST" | "PATCH" | "DELETE"} method @param {string} path @param {any} [body] @param {Query} [query]
 * @returns {Promise<T>} */
export async function send(method, path, body, query) {
  const isText = typeof body === "string" || body instanceof Blob;
  const answer = await request(method, address(path, query), {
    body: body === undefined ? undefined : isText ? body : JSON.stringify(body),
    headers: body === undefined || isText ? {} : { "Content-Type": "application/json" },
  });
  return answer.status === 204 ? /** @type {any} */ (null) : held(Promise.resolve(answer), (given) => given.json());
}

let looking = false;
let waitMs = LOOK_MS;
let backAt = -Infinity;
/** Asks now, not only when it is time. */
export let retry = () => {};
const pause = (/** @type {number} */ ms) =>
  new Promise((done) => {
    retry = () => done(undefined);
    setTimeout(done, ms);
  });
const isReady = async () => (await fetch("/readyz", { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => null))?.ok ?? false;
/** Waits until the API answers again, then has everything asked for that did not come. Where it says that it is
 * ready, it was busy: no banner says that it is away. @param {number} status of the answer; 0: none
 * @param {number} began when it was asked for */
async function lookAgain(status, began) {
  if (status === 0) away.value ??= Date.now();
  if (looking) {
    if (status === 0) retry(); // a long wait is for who answers
    return;
  }
  looking = true;
  // what fails again as soon as it is asked for is asked for ever more seldom
  waitMs = began - backAt < SOON_MS ? Math.min(MOST_WAIT_MS, waitMs * 2) : LOOK_MS;
  if (status !== 0 && !(await isReady())) away.value ??= Date.now();
  do await pause(away.peek() === null ? waitMs : LOOK_MS);
  while (away.peek() !== null && !(await isReady()));
  away.value = null;
  looking = false;
  backAt = performance.now();
  returns.value += 1;
}

/** @returns {Promise<void>} who is looking; `session` is null where a key is needed. */
export async function whoAmI() {
  try {
    session.value = await get("session");
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
  }
}

/* ---- events ---- */

/** @type {Map<string, Set<(body: any) => void>>} */
const listeners = new Map();
/** @type {EventSource | null} */
let source = null;
let wanted = false;
let lost = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;
const AGAIN_MS = 2000;

/** Calls `work` with each event of these names; returns what ends that.
 * @param {string[]} names @param {(body: any) => void} work @returns {() => void} */
export function follow(names, work) {
  for (const name of names) {
    if (!listeners.has(name)) {
      listeners.set(name, new Set());
      source?.addEventListener(name, heard);
    }
    listeners.get(name)?.add(work);
  }
  return () => names.forEach((name) => listeners.get(name)?.delete(work));
}

/** Works once a moment after events of these names, however many come, until the effect or scope around ends.
 * @param {string[]} names @param {() => unknown} work @param {number} ms */
export function followSoon(names, work, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const later = () => {
    timer = undefined;
    void work();
  };
  ending(follow(names, () => (timer ??= setTimeout(later, ms))));
  ending(() => clearTimeout(timer));
}

/** @param {MessageEvent} event */
function heard(event) {
  const body = JSON.parse(event.data);
  for (const each of listeners.get(event.type) ?? []) each(body);
}

export function listenToEvents() {
  if (wanted) return;
  wanted = true;
  document.addEventListener("visibilitychange", seen);
  open();
}

export function stopEvents() {
  wanted = false;
  document.removeEventListener("visibilitychange", seen);
  clearTimeout(again);
  source?.close();
  source = null;
}

/** A browser has six connections to a host for all its tabs: one that nobody sees keeps none, unless it is to be heard. */
const unseen = () => document.visibilityState === "hidden" && !sound.peek();

function seen() {
  if (unseen()) {
    clearTimeout(again);
    source?.close();
    source = null;
    lost = true;
  } else if (wanted && !source) open();
}

function open() {
  if (!wanted) return;
  if (unseen()) {
    lost = true;
    return;
  }
  source?.close();
  const made = new EventSource(address("events"));
  source = made;
  for (const name of listeners.keys()) made.addEventListener(name, heard);
  made.onopen = () => {
    if (lost) returns.value += 1; // what happened meanwhile was not heard
    lost = false;
  };
  made.onerror = () => {
    lost = true;
    // a stream does not say why it ended: an answer does, where the API is away or the session is over
    if (away.peek() === null) void get("session").catch(() => undefined);
    if (made.readyState !== EventSource.CLOSED) return;
    made.close();
    again = setTimeout(open, AGAIN_MS);
  };
}
