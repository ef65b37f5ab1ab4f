// Asks, on a tap alone, that this phone be told of its ticket even when it is locked.

const KEPT = "torn-push"; // the tickets that this phone is told of, newest last
const MOST = 5;

// `settings()` is what the person has set. Returns what is to be called when that changes.
export function offerPush(root, settings) {
  const { push: address, pushKey: key } = root.dataset;
  const button = root.querySelector("[data-locked]");
  const trouble = root.querySelector("[data-locked-trouble]");
  if (!key || !("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) return () => {};

  const kept = () => JSON.parse(localStorage.getItem(KEPT) ?? "[]");
  const isOn = () => Notification.permission === "granted" && kept().includes(address);

  function keep(on) {
    const others = kept().filter((one) => one !== address);
    localStorage.setItem(KEPT, JSON.stringify(on ? [...others, address].slice(-MOST) : others));
  }

  function show() {
    const on = isOn();
    button.hidden = false;
    button.setAttribute("aria-pressed", String(on));
    button.querySelector("[data-off]").hidden = on;
    button.querySelector("[data-on]").hidden = !on;
  }

  function explain(what) {
    trouble.hidden = !what;
    trouble.textContent = what ? root.dataset[what] : "";
  }

  async function subscription() {
    await navigator.serviceWorker.register("/t/worker.js");
    const { pushManager } = await navigator.serviceWorker.ready;
    const old = await pushManager.getSubscription();
    if (old && encoded(old.options.applicationServerKey) === key) return old;
    await old?.unsubscribe(); // the office's key has changed
    return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  }

  async function say(method, body) {
    const answer = await fetch(address, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
  }

  async function tellMe() {
    const { endpoint, keys } = (await subscription()).toJSON();
    await say("POST", { endpoint, keys, ...settings() });
    keep(true);
  }

  async function tellMeNoMore() {
    const { endpoint } = await subscription();
    keep(false);
    await say("DELETE", { endpoint });
  }

  async function pressed() {
    explain(null);
    if ((await Notification.requestPermission()) !== "granted") return explain("blocked");
    button.disabled = true;
    try {
      await (isOn() ? tellMeNoMore() : tellMe());
    } catch {
      explain("failed"); // no push service, no connection, or too many phones: the page itself goes on
    }
    button.disabled = false;
    show();
  }

  const again = () => isOn() && tellMe().catch(() => {}); // what was set has changed, or the office's key
  button.addEventListener("click", pressed);
  show();
  again();
  return again;
}

function encoded(key) {
  const text = btoa(String.fromCharCode(...new Uint8Array(key ?? [])));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
