// One ticket, live. The server has written every face of the page; this shows the right one.

import { clock, follow, now as hubNow, onOld, span } from "./stream.js";
import { offerPush } from "./push.js";
import { allowSound, chime, sounds } from "./sound.js";

const root = document.getElementById("ticket");
const soundButton = root.querySelector("[data-sound]");
const VIBRATION = [400, 150, 400, 150, 800];
const MINUTE = 60000;
const walk = remembered("walk");
const warn = remembered("warn");
const settingsChanged = offerPush(root, () => ({ walk: Number(walk.value), warn: Number(warn.value) }));
let last = null;
let returned = false; // "come back now" has sounded
let warned = false;

// A choice that this phone keeps for the next ticket, too.
function remembered(name) {
  const choice = root.querySelector(`[data-${name}]`);
  const kept = localStorage.getItem(`torn-${name}`);
  if (kept !== null && !location.search.includes(`${name}=`)) choice.value = kept;
  choice.addEventListener("change", () => {
    localStorage.setItem(`torn-${name}`, choice.value);
    [returned, warned] = [false, false];
    if (last) away(last);
    settingsChanged();
  });
  return choice;
}

function face(ticket) {
  if (ticket.state !== "waiting") return ticket.state;
  if (ticket.ahead === null) return "parked";
  return ticket.ahead === 0 ? "next" : "waiting";
}

function show(ticket) {
  if (root.dataset.face === "unknown" && ticket.state !== "unknown") return location.reload();
  const now = face(ticket);
  root.dataset.face = now;
  for (const part of root.querySelectorAll("[data-when]")) {
    const hide = !part.dataset.when.split(" ").includes(now);
    if (part.hidden !== hide) part.hidden = hide;
  }
  fill(ticket);
  if (last && ticket.state === "called" && last.state !== "called") called();
  const heading = root.querySelector(".states section:not([hidden]) h1");
  document.title = [ticket.label, now === "waiting" ? ticket.ahead : null, heading?.textContent].filter((word) => word !== null).join(" · ");
  last = ticket;
}

function fill(ticket) {
  const words = {
    label: ticket.label,
    ahead: ticket.ahead,
    desk: ticket.desk,
    paused: ticket.paused,
    wait: span(ticket.wait, root.dataset),
    back_by: ticket.back_by && clock(ticket.back_by, root.dataset.timezone),
  };
  for (const place of root.querySelectorAll("[data-field]")) {
    const text = String(words[place.dataset.field] ?? "");
    if (place.textContent !== text) place.textContent = text;
  }
  root.querySelector("[data-field=wait]").classList.toggle("unknown", !ticket.wait);
  for (const part of root.querySelectorAll("[data-has]")) part.hidden = !ticket[part.dataset.has];
  away(ticket);
}

// When to set off, for whoever has said how long the way back is; and the warnings, once each.
function away(ticket) {
  const minutes = Number(walk.value);
  const waits = ticket.state === "waiting" && ticket.ahead !== null;
  const leave = waits && minutes && ticket.back_by ? Date.parse(ticket.back_by) - minutes * MINUTE : null;
  const left = leave && Math.floor((leave - hubNow()) / MINUTE);
  root.querySelector("[data-leave]").hidden = leave === null || leave === 0;
  root.querySelector("[data-field=leave]").textContent = leave ? clock(leave, root.dataset.timezone) : "";
  root.querySelector("[data-field=soon]").textContent = leave && left > 0 ? root.dataset.soon.replace("{minutes}", left) : "";
  const now = Boolean(leave) && leave <= hubNow();
  root.querySelector("[data-return]").hidden = !now;
  const near = waits && Number(warn.value) > 0 && ticket.ahead <= Number(warn.value);
  if ((now && !returned) || (near && !warned)) called();
  returned ||= now;
  warned ||= near;
}

function called() {
  chime();
  navigator.vibrate?.(VIBRATION);
}

function showSound() {
  const on = sounds();
  soundButton.setAttribute("aria-pressed", String(on));
  soundButton.querySelector("[data-off]").hidden = on;
  soundButton.querySelector("[data-on]").hidden = !on;
}

root.querySelector("[data-set]").hidden = true;
root.querySelector("[data-warning]").hidden = false;
setInterval(() => last && away(last), 10000);
soundButton.hidden = !("AudioContext" in window);
soundButton.addEventListener("click", async () => {
  if (await allowSound()) called();
  showSound();
});
document.addEventListener("visibilitychange", showSound);

follow(
  root.dataset.events,
  { ticket: show },
  {
    old: onOld(root.querySelector("[data-old]"), root.dataset.timezone),
    lost: (isLost) => (root.querySelector("[data-lost]").hidden = !isLost),
  },
);
