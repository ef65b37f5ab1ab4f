// The desk page: single keys, and a page that is always as the line is now. Everything works without this too.

import { follow, now } from "./stream.js";

const desk = document.getElementById("desk");
const help = document.getElementById("help");
const KEYS_OFF = "torn-keys-off";
let sending = false;
let reading = null;
let again = false;

document.documentElement.classList.add("scripted");
document.querySelector("[data-print]")?.addEventListener("click", () => print());

// --- the part of the page that changes ---

function keep() {
  const fields = [...desk.querySelectorAll("input[id], select[id]")].map((field) => [field.id, field.value]);
  const open = [...desk.querySelectorAll("details[open]")].map((each) => each.id);
  const focus = desk.contains(document.activeElement) ? document.activeElement : null;
  return { fields, open, focus: focus && (focus.id || focus.dataset.key), scroll: desk.querySelector(".scroll")?.scrollTop };
}

function restore({ fields, open, focus, scroll }) {
  for (const id of open) desk.querySelector(`details#${id}`)?.setAttribute("open", "");
  for (const [id, value] of fields) {
    const field = desk.querySelector(`#${id}`);
    if (field) field.value = value;
  }
  if (scroll) desk.querySelector(".scroll")?.scrollTo(0, scroll);
  if (focus) desk.querySelector(`#${CSS.escape(focus)}, [data-key="${CSS.escape(focus)}"]`)?.focus();
}

async function replace(answer, kept, signal) {
  if (answer.url.includes("/staff/sign-in")) return location.assign(answer.url);
  if (answer.status >= 400 && answer.status !== 409) return location.reload();
  const html = await answer.text();
  if (signal?.aborted) return;
  const before = kept();
  desk.innerHTML = html;
  restore(before);
  tick();
}

// Reads the desk anew; a press of ours goes before it.
async function refresh() {
  if (sending) return (again = true);
  reading?.abort();
  const mine = (reading = new AbortController());
  try {
    const answer = await fetch(desk.dataset.part, { signal: mine.signal });
    if (!mine.signal.aborted) await replace(answer, keep, mine.signal);
  } catch (error) {
    if (error.name !== "AbortError") document.querySelector("[data-old]").hidden = false;
  }
}

// One press at a time; what changes meanwhile is read once more afterwards.
async function send(form, button) {
  if (sending) return;
  sending = true;
  reading?.abort();
  const body = new FormData(form, button);
  const where = new URL(form.action);
  where.searchParams.set("part", "1");
  try {
    await replace(await fetch(where, { method: "POST", body }), () => ({ ...keep(), open: [], fields: [] }));
  } catch {
    document.querySelector("[data-old]").hidden = false;
  } finally {
    sending = false;
  }
  if (again) {
    again = false;
    refresh();
  }
}

function tick() {
  for (const timer of document.querySelectorAll(".timer")) {
    const seconds = Math.max(0, Math.floor((now() - Number(timer.dataset.from)) / 1000));
    timer.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
  for (const row of document.querySelectorAll("tr[data-issued]")) {
    const minutes = Math.floor((now() - Number(row.dataset.issued)) / 60000);
    row.querySelector("[data-minutes]").textContent = Math.max(0, minutes);
    const late = Boolean(row.dataset.alert) && minutes >= Number(row.dataset.alert);
    row.classList.toggle("late", late);
    row.querySelector("[data-late]").hidden = !late;
  }
}

// --- keys ---

const typing = (element) => element.closest("input, select, textarea, dialog[open]");

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || typing(event.target)) return;
  if (localStorage.getItem(KEYS_OFF)) return;
  const target = desk.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target || target.disabled || sending) return;
  event.preventDefault();
  target.click();
  target.closest("details")?.querySelector("input:not([type=hidden]), select")?.focus();
}

if (desk) {
  document.addEventListener("keydown", press);
  desk.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, event.submitter);
  });
  desk.addEventListener("click", (event) => event.target.closest("[data-help]") && help.showModal());
  const keys = help.querySelector("[data-keys]");
  keys.checked = !localStorage.getItem(KEYS_OFF);
  keys.addEventListener("change", () => (keys.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1")));
  const old = document.querySelector("[data-old]");
  let isOld = false;
  let isLost = false;
  const showOld = () => (old.hidden = !(isOld || isLost));
  follow(
    desk.dataset.events,
    { line: refresh },
    {
      old: (since) => showOld((isOld = since !== null)),
      lost: (lost) => showOld((isLost = lost)),
      ended: () => location.reload(),
    },
  );
  tick();
  setInterval(tick, 1000);
}
