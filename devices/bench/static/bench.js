// The bench's page: a finger on the buttons, and an eye on what the camera sees. Nothing here decides anything.
"use strict";

const machines = new Map([...document.querySelectorAll("article[data-kind]")].map((each) => [each.id, each]));
let hand = Promise.resolve(); // what the hand does reaches the machines in the order it was done
let sound = null;

function ask(...path) {
  return tell(undefined, ...path);
}

function tell(body, ...path) {
  hand = hand.then(() => fetch("/" + path.map(encodeURIComponent).join("/"), { method: "POST", body })).catch(() => {});
  return hand;
}

// --- fingers: a button is down for as long as the mouse, the finger or the key holds it

function finger(button) {
  const { machine, button: name } = button.dataset;
  let down = false;
  const push = () => {
    if (down) return;
    down = true;
    button.classList.add("down");
    ask("push", machine, name);
  };
  const letGo = () => {
    if (!down) return;
    down = false;
    button.classList.remove("down");
    ask("let-go", machine, name);
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    push();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(end, letGo);
  button.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      push();
    }
  });
  button.addEventListener("keyup", letGo);
  button.addEventListener("blur", letGo);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}

for (const button of document.querySelectorAll("[data-button]")) {
  if (button.dataset.gesture) {
    const { machine, button: name, gesture } = button.dataset;
    button.addEventListener("click", () => ask("press", machine, name, gesture));
  } else {
    finger(button);
  }
}

// --- the keypad, and what is laid on the reader

for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => ask("type", button.dataset.machine, button.dataset.key));
}

function laid(button) {
  const reader = machines.get(button.dataset.machine).querySelector(".reader");
  reader.classList.remove("reads");
  void reader.offsetWidth; // lets the light run once more
  reader.classList.add("reads");
}

for (const button of document.querySelectorAll("[data-card]")) {
  button.addEventListener("click", () => {
    laid(button);
    ask("lay", button.dataset.machine, button.dataset.card);
  });
}

for (const button of document.querySelectorAll("[data-code]")) {
  const field = document.getElementById(button.dataset.code);
  const show = () => {
    if (!field.value) return;
    laid(button);
    tell(field.value, "show", button.dataset.machine);
  };
  button.addEventListener("click", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") show();
  });
}

for (const button of document.querySelectorAll("[data-fault]")) {
  button.addEventListener("click", () => {
    const broken = button.getAttribute("aria-pressed") === "true";
    ask(broken ? "mend" : "break", button.dataset.machine, button.dataset.fault);
  });
}

// --- eyes

function show(view) {
  const machine = machines.get(view.id);
  if (!machine) return;
  machine.classList.toggle("off", !view.on);
  machine.classList.toggle("connected", view.connected);
  machine.classList.toggle("lit", view.light);
  machine.classList.toggle("chiming", view.chime);
  if (view.chime) chime(machine);
  for (const part of ["screen", "matrix"]) picture(machine.querySelector("img." + part), view, part);
  for (const button of machine.querySelectorAll("[data-fault]")) {
    button.setAttribute("aria-pressed", String(view.faults.includes(button.dataset.fault)));
  }
  if (view.kind === "dispenser") papers(machine.querySelector(".papers"), view);
  machine.dataset.seen = "yes";
}

function picture(image, view, part) {
  if (!image) return;
  const number = view.pictures[part];
  image.hidden = number === 0;
  const address = `/picture/${view.id}/${part}.png?${number}`;
  if (number && image.getAttribute("src") !== address) image.src = address;
}

function papers(tray, view) {
  const known = new Set([...tray.children].map((each) => each.dataset.number));
  for (const paper of view.papers) {
    if (!known.has(String(paper.n))) tray.append(slip(tray, view.id, paper));
  }
  const shown = new Set(view.papers.map((paper) => String(paper.n)));
  for (const each of [...tray.children]) if (!shown.has(each.dataset.number)) each.remove();
}

function slip(tray, machine, paper) {
  const link = paper.links.find((each) => /^https?:\/\//.test(each));
  const element = document.createElement(link ? "a" : "div");
  element.className = "slip";
  element.dataset.number = paper.n;
  if (link) Object.assign(element, { href: link, target: "_blank", rel: "noopener" });
  const image = document.createElement("img");
  image.alt = tray.dataset.follow.replace("{}", paper.n);
  image.src = `/paper/${machine}/${paper.n}.png`;
  element.append(image);
  return element;
}

// --- ears

const ringing = new Set();

function chime(machine) {
  if (!sound || ringing.has(machine.id)) return;
  ringing.add(machine.id);
  setTimeout(() => ringing.delete(machine.id), 1200);
  [[659.3, 0], [523.3, 0.4]].forEach(([tone, after]) => {
    const voice = new OscillatorNode(sound, { frequency: tone });
    const loudness = new GainNode(sound, { gain: 0.15 });
    loudness.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + after + 0.8);
    voice.connect(loudness).connect(sound.destination);
    voice.start(sound.currentTime + after);
    voice.stop(sound.currentTime + after + 0.8);
  });
}

document.querySelector("#sound").addEventListener("click", (event) => {
  sound = sound ? null : new AudioContext();
  event.target.setAttribute("aria-pressed", String(Boolean(sound)));
});

const events = new EventSource("/events");
events.onmessage = (event) => show(JSON.parse(event.data));
events.onopen = () => document.body.classList.remove("gone");
events.onerror = () => document.body.classList.add("gone");
