// The telephone's pages: single keys, hours that follow what is chosen, live waits, a live list of the day.
// Everything works without this too, by plain links and forms.

import { follow } from "./stream.js";

const KEYS_OFF = "torn-keys-off"; // as on the desk's page
const MOST_STREAMS = 4; // a browser opens six connections to one server; the others show what they had at first
const HOURS = "input[name=start]";
document.documentElement.classList.add("scripted");
document.querySelector("[data-print]")?.addEventListener("click", () => print());

// --- the free hours ---

const choose = document.getElementById("choose");
const free = document.getElementById("free");
let reading = null;
let byKey = false; // a single key chose: then the hours come next; who uses Tab and Space stays where they are

// Reads the free hours for what is chosen; what was typed about the person stays.
async function read(more = {}) {
  const goOn = byKey || free.contains(document.activeElement);
  reading?.abort();
  const mine = (reading = new AbortController());
  const words = new URLSearchParams(new FormData(choose));
  for (const [name, value] of Object.entries(more)) words.set(name, value);
  const answer = await fetch(`${free.dataset.part}&${words}`, { signal: mine.signal }).catch(() => null);
  if (mine.signal.aborted) return;
  if (!answer) return (document.querySelector("[data-old]").hidden = false);
  if (!answer.ok || answer.url.includes("/sign-in")) return choose.submit(); // the server says what is the matter
  free.innerHTML = await answer.text();
  history.replaceState(null, "", `${location.pathname}?${words}`);
  if (goOn) (free.querySelector(`${HOURS}:checked`) ?? free.querySelector(HOURS))?.focus();
}

if (choose) {
  choose.addEventListener("change", () => read());
  free.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    const office = choose.querySelector(`[name=office][value="${CSS.escape(link.dataset.office ?? "")}"]`);
    if (office) office.checked = true;
    read(link.dataset.page ? { from: new URL(link.href).searchParams.get("from") } : {});
  });
}

// Up and down go through a day, left and right to the next one.
function walk(event) {
  const [at, step] = { ArrowLeft: [1, -1], ArrowRight: [1, 1], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
  if (step === undefined) return false;
  const days = [...document.querySelectorAll(".day")].map((day) => [...day.querySelectorAll(HOURS)]);
  const day = days.findIndex((hours) => hours.includes(event.target));
  const hour = days[day].indexOf(event.target);
  const next = at ? nearest(days[day + step], event.target) : days[day][hour + step];
  if (next) {
    next.checked = true;
    next.focus();
  }
  return true;
}

function nearest(hours, from) {
  const clock = (radio) => radio.parentElement.textContent.trim().slice(0, 5);
  return hours?.find((radio) => clock(radio) >= clock(from)) ?? hours?.at(-1);
}

// --- keys ---

const typing = (element) => element.closest("input:not([type=radio], [type=checkbox]), select, textarea");

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.target.matches(HOURS)) {
    if (walk(event)) return event.preventDefault();
    const name = document.getElementById("name");
    if (event.key === "Enter" && name) {
      event.preventDefault();
      return name.focus();
    }
  }
  if (typing(event.target)) return event.key === "Escape" && event.target.blur();
  if (localStorage.getItem(KEYS_OFF)) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target || target.disabled) return;
  event.preventDefault();
  if (target.matches("input:not([type=radio], [type=checkbox])")) return target.select();
  byKey = true;
  target.click();
  byKey = false;
  target.closest("details")?.querySelector("form button")?.focus();
}

document.addEventListener("keydown", press);
const keys = document.querySelector("[data-keys]");
if (keys) {
  keys.checked = !localStorage.getItem(KEYS_OFF);
  keys.addEventListener("change", () => (keys.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1")));
}

// --- what is live ---

const silent = new Set();
function watch(element, line) {
  const name = element.dataset.events;
  const say = (kind, isSo) => {
    silent[isSo ? "add" : "delete"](`${kind} ${name}`);
    document.querySelector("[data-old]").hidden = silent.size === 0;
  };
  const ended = () => location.reload();
  follow(name, { line }, { old: (since) => say("old", since !== null), lost: (lost) => say("lost", lost), ended });
}

function show({ office, waiting, services }) {
  document.querySelector(`[data-total="${CSS.escape(office)}"] strong`).textContent = waiting;
  for (const [id, { waiting, wait }] of Object.entries(services)) {
    const cell = document.querySelector(`[data-office="${CSS.escape(office)}"][data-service="${CSS.escape(id)}"]`);
    if (!cell?.querySelector("b")) continue;
    cell.querySelector("b").textContent = waiting;
    cell.querySelector("small").textContent = wait ? `${wait.p10}–${wait.p90} min` : "";
  }
}

[...document.querySelectorAll("th[data-events]")].slice(0, MOST_STREAMS).forEach((office) => watch(office, show));

const list = document.querySelector("[data-live]");
let timer = 0;

async function refresh() {
  clearTimeout(timer);
  const answer = await fetch(list.dataset.live).catch(() => null);
  if (answer?.ok && answer.url.includes("/sign-in")) return location.assign(answer.url);
  if (answer?.ok) {
    const focus = list.contains(document.activeElement) ? document.activeElement.id : "";
    const html = await answer.text();
    list.innerHTML = html;
    if (focus) document.getElementById(focus)?.focus();
  }
  later();
}

// Hours pass, and others book: neither is in the line's stream.
function later() {
  timer = setTimeout(refresh, Number(list.querySelector("[data-changes]").dataset.changes));
}

if (list) {
  watch(list, refresh);
  later();
}
