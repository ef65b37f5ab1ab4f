// Shows what is pushed to a locked phone, and leads from there to its ticket's page. Keeps nothing, fetches nothing.

const VIBRATION = [400, 150, 400, 150, 800];

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => {
  const { title, text, language, topic, url } = event.data.json();
  const shown = { body: text, lang: language, tag: topic, renotify: true, requireInteraction: true, vibrate: VIBRATION };
  event.waitUntil(self.registration.showNotification(title, { ...shown, icon: "/static/torn.svg", data: { url } }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data.url));
});

async function show(url) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((one) => new URL(one.url).pathname === url);
  return page ? page.focus() : self.clients.openWindow(url);
}
