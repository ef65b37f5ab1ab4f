// The live waits of one office.

import { listCalls } from "./calls.js";
import { follow, span } from "./stream.js";

const root = document.getElementById("line");
const part = (name) => root.querySelector(`[data-${name}]`);
let shown = "";

function show(line) {
  part("waiting").textContent = line.waiting;
  part("paused").hidden = !line.paused;
  part("paused").textContent = line.paused || "";
  part("open").hidden = !line.open;
  part("closed").hidden = line.open;
  const foreseen = Object.values(line.services).some((service) => service.wait);
  for (const [id, service] of Object.entries(line.services)) showService(id, service, foreseen);
  part("waits").hidden = !foreseen;
  part("unforeseen").hidden = foreseen || !line.open;
  const calls = JSON.stringify(line.calls);
  if (calls !== shown) listCalls(part("calls"), line.calls);
  part("none").hidden = line.calls.length > 0;
  shown = calls;
}

function showService(id, { waiting, wait }, foreseen) {
  const row = root.querySelector(`[data-service="${CSS.escape(id)}"]`);
  if (!row) return;
  row.querySelector("[data-waiting]").textContent = waiting;
  const forecast = row.querySelector("[data-wait]");
  forecast.hidden = !foreseen;
  forecast.textContent = span(wait, root.dataset);
}

const old = part("old");
let isOld = false;
let isLost = false;
const showOld = () => (old.hidden = !(isOld || isLost));
follow(
  root.dataset.events,
  { line: show },
  { old: (since) => showOld((isOld = since !== null)), lost: (lost) => showOld((isLost = lost)) },
);
