// The board: announcements stand in a queue, so that simultaneous calls do not hide each other.

import { listCalls } from "./calls.js";
import { allowSound, chime, say, sounds } from "./sound.js";
import { clock, follow, now, span } from "./stream.js";

const ANNOUNCED_FOR = 5000; // ms that each new call stands alone in front
const TOO_OLD = 10000; // ms: an older call is shown and not announced
const FORGOTTEN = 12 * 3600 * 1000; // ms: nothing of yesterday
const BEFORE = 5; // calls shown beside the newest

const root = document.getElementById("board");
const part = (name) => document.querySelector(`[data-${name}]`);
const newest = part("newest");
const queue = [];
const known = new Set();
let calls = [];
let announcing = null;

// From the shortest to the longest wait of whoever would take a ticket now.
function range(waits) {
  if (!waits.length) return "";
  const wait = { p10: Math.min(...waits.map(({ p10 }) => p10)), p90: Math.max(...waits.map(({ p90 }) => p90)) };
  return `· ${span(wait, part("wait").dataset)}`;
}

const key = (call) => `${call.label} ${call.desk} ${call.at}`;

function show(line) {
  part("waiting").textContent = line.waiting;
  part("wait").textContent = range(Object.values(line.services).map((service) => service.wait).filter(Boolean));
  part("paused").hidden = !line.paused;
  part("paused").textContent = line.paused || "";
  const fresh = line.calls.filter((call) => !known.has(key(call)));
  calls = line.calls;
  known.clear();
  calls.forEach((call) => known.add(key(call)));
  for (const call of fresh.reverse()) if (now() - Date.parse(call.at) < TOO_OLD) queue.push(call);
  if (announcing === null) next();
}

// Shows the next call that waits to be announced, or else the newest one quietly.
function next() {
  announcing = queue.shift() || null;
  draw();
  if (announcing === null) return;
  chime();
  say(root.dataset.say.replace("{label}", spoken(announcing.label)).replace("{desk}", announcing.desk));
  setTimeout(next, ANNOUNCED_FOR);
}

function draw() {
  const recent = calls.filter((call) => now() - Date.parse(call.at) < FORGOTTEN);
  const first = announcing || recent[0];
  newest.hidden = !first;
  part("none").hidden = Boolean(first);
  newest.classList.toggle("flash", announcing !== null);
  if (first) {
    part("label").textContent = first.label;
    part("desk").textContent = first.desk;
  }
  const waiting = new Set(queue.map(key));
  const others = recent.filter((call) => call !== first && key(call) !== key(first) && !waiting.has(key(call)));
  listCalls(part("calls"), others.slice(0, BEFORE));
}

const spoken = (label) => label.replace(/^([A-Z]+)0*(\d+)$/, (_, letters, number) => `${[...letters].join(" ")} ${number}`);

function tick() {
  part("clock").textContent = clock(now(), root.dataset.timezone);
}

const soundButton = part("sound");
async function sound() {
  await allowSound();
  soundButton.hidden = sounds();
}
soundButton.addEventListener("click", sound);
sound(); // a television is set up to allow it; otherwise the button stays

const old = part("old");
let isOld = false;
let isLost = false;
const showOld = () => (old.hidden = !(isOld || isLost));
tick();
setInterval(tick, 1000);
setInterval(() => announcing === null && draw(), 60000);
follow(
  root.dataset.events,
  { line: show },
  { old: (since) => showOld((isOld = since !== null)), lost: (lost) => showOld((isLost = lost)) },
);
