
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const video = byId("video"), canvas = byId("boxes"), pen = canvas.getContext("2d");
const HOLD_MS = 300, JOIN_MS = 1000;
const startMs = Date.parse(data.first_frame_at);
const frameSeconds = 1 / data.fps;

function add(parent, tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

function offsetText(ms) {
  return (ms / 1000).toFixed(2) + " s";
}

function seek(seconds) {
  video.pause();
  const last = Number.isFinite(video.duration) ? video.duration : data.duration_seconds;
  video.currentTime = Math.min(Math.max(0, seconds), Math.max(0, last - 0.001));
}

function seekButton(parent, text, ms) {
  const item = add(parent, "li", "");
  const button = add(item, "button", text);
  button.type = "button";
  button.addEventListener("click", () => seek(ms / 1000 + 0.001));
  return item;
}

/* ---- films ---- */
const buttons = data.films.map((film) => {
  const button = add(byId("films"), "button", film.title);
  button.type = "button";
  button.addEventListener("click", () => show(film, video.currentTime));
  return button;
});
let film = null;

function show(wanted, seconds) {
  film = wanted;
  buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(data.films[at] === film)));
  byId("refused").hidden = true;
  video.src = film.name.split("/").map(encodeURIComponent).join("/");
  video.addEventListener("loadedmetadata", () => seek(seconds), { once: true });
}

video.addEventListener("error", () => {
  const told = "This browser cannot play " + film.name + " (" + film.codec + "). Is the archive unpacked? ";
  byId("refused").textContent = told + "Another film of it, or another player, may do.";
  byId("refused").hidden = false;
});

/* ---- what is drawn ---- */
function boxAt(places, atMs) {
  let before = null, after = null;
  for (const place of places) {
    if (place.at_ms <= atMs) before = place;
    else { after = place; break; }
  }
  if (before && after && after.at_ms - before.at_ms <= JOIN_MS) {
    const share = (atMs - before.at_ms) / (after.at_ms - before.at_ms);
    return before.box.map((value, at) => value + (after.box[at] - value) * share);
  }
  const near = [before, after].filter(Boolean)
    .sort((one, other) => Math.abs(one.at_ms - atMs) - Math.abs(other.at_ms - atMs))[0];
  return near && Math.abs(near.at_ms - atMs) <= HOLD_MS ? near.box : null;
}

function drawBoxes(atMs) {
  const width = canvas.clientWidth * devicePixelRatio, height = canvas.clientHeight * devicePixelRatio;
  if (canvas.width !== Math.round(width) || canvas.height !== Math.round(height)) {
    canvas.width = Math.round(width);
    canvas.height = Math.round(height);
  }
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!film || film.drawn || !data.width) return 0;
  const across = canvas.width / data.width, down = canvas.height / data.height;
  let drawn = 0;
  for (const track of data.tracks) {
    const box = boxAt(track.places, atMs);
    if (!box) continue;
    drawn += 1;
    const [x, y, w, h] = [box[0] * across, box[1] * down, box[2] * across, box[3] * down];
    pen.lineWidth = 3 * devicePixelRatio;
    pen.strokeStyle = "#0f0";
    pen.strokeRect(x, y, w, h);
    pen.font = "600 " + 15 * devicePixelRatio + "px system-ui, sans-serif";
    const textWidth = pen.measureText(track.label).width, row = 20 * devicePixelRatio;
    const top = y - row - 3 >= 0 ? y - row - 3 : y + h + 3;
    pen.fillStyle = "#000";
    pen.fillRect(x, top, textWidth + 8, row);
    pen.fillStyle = "#fff";
    pen.fillText(track.label, x + 4, top + row * 0.75);
  }
  return drawn;
}

function local(ms) {
  const format = { timeZone: data.time_zone, dateStyle: "medium", timeStyle: "medium" };
  try { return new Intl.DateTimeFormat(undefined, format).format(ms); } catch { return ""; }
}

function clockText(atMs) {
  const now = startMs + atMs;
  let told = new Date(now).toISOString().replace("T", " ").replace("Z", " UTC");
  if (data.time_zone !== "UTC" && local(now)) told += "\n" + local(now) + " " + data.time_zone;
  return told;
}

let lastMs = -1, lastSize = 0;
function refresh() {
  const atMs = Math.round(video.currentTime * 1000);
  if (atMs !== lastMs || canvas.clientWidth !== lastSize) {
    lastMs = atMs;
    lastSize = canvas.clientWidth;
    byId("clock").textContent = clockText(atMs);
    canvas.dataset.drawn = String(drawBoxes(atMs));
    readItems.forEach(([item, read]) =>
      item.classList.toggle("now", Math.abs(read.offset_ms - atMs) <= HOLD_MS));
  }
  requestAnimationFrame(refresh);
}

/* ---- keys ---- */
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const onButton = event.target instanceof HTMLButtonElement;
  if (event.key === " " && !onButton) {
    if (video.paused) video.play().catch(() => undefined);
    else video.pause();
  } else if (event.key === "ArrowLeft") seek(video.currentTime - 1);
  else if (event.key === "ArrowRight") seek(video.currentTime + 1);
  else if (event.key === ",") seek(video.currentTime - frameSeconds);
  else if (event.key === ".") seek(video.currentTime + frameSeconds);
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);

/* ---- lists ---- */
byId("title").textContent = data.camera_id + ", " + clockText(0).split("\n")[0];
byId("made").textContent = "Segment " + data.segment_id + " of deployment " + data.deployment +
  ", exported " + data.made_at + " by " + data.made_by;
document.title = byId("title").textContent;

const readItems = data.reads.map((read) => {
  const where = read.bbox ? "" : ", without a box";
  const text = offsetText(read.offset_ms) + "  " + (read.plate || "?") + "  " +
    Math.round(read.confidence * 100) + " %" + where;
  const item = seekButton(byId("reads"), text, read.offset_ms);
  item.dataset.detection = read.detection_id;
  return [item, read];
});
if (!data.reads.length) add(byId("reads"), "li", "none");

for (const found of data.passes) {
  const item = add(byId("passes"), "li", (found.plate || "?") + ": " + found.reads + (found.reads === 1 ? " read" : " reads"));
  const more = [];
  if (found.hit) more.push("on a watch list");
  if (found.corrected_plate) more.push("corrected, read as " + found.read_plate);
  if (found.review) more.push(found.review);
  for (const hit of found.hits) more.push("list " + hit.list_name);
  if (found.variants.length > 1) more.push("read as " + found.variants.map((one) => one.plate).join(", "));
  if (found.note) more.push("note: " + found.note);
  for (const line of found.reviews) {
    more.push(line.at + " " + line.who + ": " + line.review + (line.note ? " (" + line.note + ")" : ""));
  }
  if (more.length) add(item, "div", more.join("; "));
}
if (!data.passes.length) add(byId("passes"), "li", "none");

for (const gap of data.gaps) {
  const text = gap.frames + " frames from " + gap.from + " to " + gap.to + ": " + gap.cause;
  seekButton(byId("gaps"), text, Date.parse(gap.from) - startMs);
}
if (!data.gaps.length) add(byId("gaps"), "li", "none: no frame is missing");

for (const server of data.clocks.servers) {
  const told = server.offset_ms === null ? server.problem
    : (server.offset_ms >= 0 ? "+" : "") + server.offset_ms + " ms (± " + server.uncertainty_ms + ")";
  add(byId("clocks"), "li", server.name + " against the exporting host: " + told);
}
add(byId("clocks"), "li", data.clocks.camera.told);
add(byId("clocks"), "li", "Measured " + data.clocks.measured_at + ", not when the clip was recorded.");

for (const line of data.log.lines) {
  const details = Object.keys(line.details).length ? " " + JSON.stringify(line.details) : "";
  add(byId("log"), "li", line.at + " " + line.who + ": " + line.action + details);
}

const warnings = [];
if (!data.clip.included) {
  warnings.push("The clip as it was recorded is not in this archive; its SHA-256 is " + data.clip.sha256 + ".");
}
if (data.redaction) {
  const kept = data.redaction.plate ? "all but " + data.redaction.plate : "all";
  warnings.push("Plates are blurred in redacted.mp4: " + kept + ", as far as detectors read them.");
  for (const each of data.redaction.not_blurred) {
    warnings.push("NOT blurred: pass " + each.pass_id + " (" + each.reason + ").");
  }
  if (data.redaction.reads_not_blurred) {
    warnings.push("NOT blurred: " + data.redaction.reads_not_blurred + " reads without a box.");
  }
  if (data.redaction.reads_not_kept) warnings.push("The camera did not keep all reads: other plates may be visible.");
}
byId("warning").textContent = warnings.join(" ");
byId("warning").hidden = !warnings.length;

byId("signed").textContent = "manifest.json lists the files below and this page; manifest.sig signs it with the key " +
  data.fingerprint + ". Get that fingerprint from the deployment, not from here, and check the archive as it came: " +
  "platereel verify FILE --key FINGERPRINT. This page proves nothing by itself.";
for (const file of data.files) {
  const row = add(byId("files").tBodies[0], "tr", "");
  for (const text of [file.name, String(file.bytes), file.sha256]) add(row, "td", text);
}

show(data.films[0], 0);
refresh();
