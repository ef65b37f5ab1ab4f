// One ticket, live. The server has written every face of the page; this shows the right one.

import { clock, follow, onOld } from "./stream.js";
import { allowSound, chime, sounds } from "./sound.js";

const root = document.getElementById("ticket");
const soundButton = root.querySelector("[data-sound]");
const VIBRATION = [400, 150, 400, 150, 800];
let last = null;

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
    wait: ticket.wait && `${ticket.wait.p10}–${ticket.wait.p90}`,
    back_by: ticket.back_by && clock(ticket.back_by, root.dataset.timezone),
  };
  for (const place of root.querySelectorAll("[data-field]")) {
    const text = String(words[place.dataset.field] ?? "");
    if (place.textContent !== text) place.textContent = text;
  }
  for (const part of root.querySelectorAll("[data-has]")) part.hidden = !ticket[part.dataset.has];
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
