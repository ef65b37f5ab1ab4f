// Follows a stream of server-sent events for as long as the page lives. Unlike EventSource it hears the
// comments too: they prove that the connection is alive, and say whether the hub is there.
//
//   follow("/t/…/events", { ticket: show }, { old: (since) => …, lost: (isLost) => …, ended: () => … })
//
// `old(since)` is called with the time of the last news when there has been none for too long, and with
// null when there is again; `ended` when the session of who looks is over.

const SILENT_AFTER = 35000; // ms; a comment comes every 15 s
const SHORTEST = 500; // ms before the first try again, then doubled, with jitter
const LONGEST = 20000;
let ahead = 0; // ms by which the server's clock is ahead of this machine's

// What time it is at the hub: a television's own clock may be wrong.
export function now() {
  return Date.now() + ahead;
}

export function follow(url, on, { old = () => {}, lost = () => {}, ended = () => {} } = {}) {
  let heard = Date.now();
  let wait = SHORTEST;
  let connection = null;
  let timer = 0;

  function alive() {
    heard = Date.now();
    wait = SHORTEST;
    old(null);
  }

  function block(text) {
    if (text.startsWith(":")) return lost(text.includes("hub lost"));
    const field = (name) => text.split("\n").find((line) => line.startsWith(name + ": "))?.slice(name.length + 2);
    const handler = on[field("event")];
    if (handler) handler(JSON.parse(field("data")));
  }

  async function read(signal) {
    const answer = await fetch(url, { signal, headers: { Accept: "text/event-stream" }, cache: "no-store" });
    if (answer.status === 401) ended();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    ahead = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(block);
    }
  }

  async function open() {
    clearTimeout(timer);
    connection?.abort();
    const mine = (connection = new AbortController());
    try {
      await read(mine.signal);
    } catch {
      // Away, asleep or cut: whatever it was, the next try tells.
    }
    if (mine !== connection) return;
    timer = setTimeout(open, wait * (0.5 + Math.random()));
    wait = Math.min(wait * 2, LONGEST);
  }

  function look() {
    if (Date.now() - heard < SILENT_AFTER) return;
    old(heard + ahead);
    if (connection && !document.hidden) open();
  }

  // A phone that wakes up cannot tell a dead connection from a quiet one: it asks anew.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - heard > 5000) open();
  });
  addEventListener("online", open);
  addEventListener("pageshow", (event) => event.persisted && open());
  setInterval(look, 5000);
  open();
}

export function onOld(element, timezone) {
  return (since) => {
    element.hidden = since === null;
    const time = element.querySelector("[data-since]");
    if (time && since !== null) time.textContent = clock(since, timezone);
  };
}

export function clock(moment, timezone) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(moment).toLocaleTimeString(document.documentElement.lang, { ...options, timeZone: timezone || undefined });
}

// A forecast as one says it: "15 to 25 min", by ones below 10, by fives to the hour, then by tens.
export function span(wait, { between, unknown }) {
  if (!wait) return unknown;
  const step = wait.p90 < 10 ? 1 : wait.p90 <= 60 ? 5 : 10;
  const low = Math.floor(wait.p10 / step) * step;
  const high = Math.ceil(wait.p90 / step) * step;
  return low < high ? between.replace("{low}", low).replace("{high}", high) : `${high}\u00a0min`;
}
