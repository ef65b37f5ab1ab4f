"""In Debian's Chromium: the page asks on a tap alone, its service worker shows what comes and leads back to the page.

Chromium's own push service is out of reach: `subscribe` gives a phone of ours instead, and what our service has read
is handed to the browser as its own service would (DevTools, ServiceWorker.deliverPushMessage).
"""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Worker, expect

from tests.parts import Hub, barriers, wait_until
from tests.web.listening import Clerk

from .pushing import Handset, PushService

BUTTON = "Aviseu-me en aquest telèfon encara que estigui bloquejat"
ON = "Aquest telèfon us avisa encara que estigui bloquejat"
SUBSCRIBES = """
window.asked = 0;
const ask = Notification.requestPermission.bind(Notification);
Notification.requestPermission = () => { window.asked += 1; return ask(); };
PushManager.prototype.subscribe = async function ({ userVisibleOnly, applicationServerKey }) {
  window.subscribedBy = [userVisibleOnly, applicationServerKey];
  return { toJSON: () => (%s), options: {}, unsubscribe: async () => true };
};
"""


@pytest.fixture
def clerk(hub: Hub) -> Clerk:
    return Clerk(hub)


@pytest.fixture
def phone(service: PushService) -> Handset:
    return service.phone()


@pytest.fixture
def context(chromium: Browser, phone: Handset) -> Iterator[BrowserContext]:
    """A phone's browser, which gives this subscription."""
    context = chromium.new_context(locale="ca-ES", viewport={"width": 390, "height": 844})
    context.add_init_script(SUBSCRIBES % json.dumps(phone.subscription))
    yield context
    context.close()


def opened(context: BrowserContext, hub: Hub, service: PushService, token: str) -> Page:
    page = context.new_page()
    page.goto(hub.url(f"/t/{token}"))
    service.signer = page.locator("#ticket").get_attribute("data-push-key")
    return page


def delivered(page: Page, hub: Hub, message: dict[str, object]) -> Worker:
    """Hands a message to the page's service worker, as the browser's push service does."""
    devtools, registrations = page.context.new_cdp_session(page), []
    devtools.on("ServiceWorker.workerRegistrationUpdated", lambda said: registrations.extend(said["registrations"]))
    devtools.send("ServiceWorker.enable")
    wait_until(lambda: page.wait_for_timeout(20) or registrations, what="the worker's registration")
    mine = next(each for each in registrations if each["scopeURL"] == hub.url("/t/"))
    known = {"origin": hub.url("").rstrip("/"), "registrationId": mine["registrationId"]}
    devtools.send("ServiceWorker.deliverPushMessage", known | {"data": json.dumps(message)})
    (worker,) = page.context.service_workers
    wait_until(lambda: worker.evaluate(SHOWN), what="the notification")
    return worker


SHOWN = """async () => (await self.registration.getNotifications())
  .map(({ title, body, lang, tag, data }) => ({ title, body, lang, tag, data }))"""
CLICKED = """async () => {
  // A person's click lets a worker open or focus a page; this one says which it would be.
  const said = [];
  WindowClient.prototype.focus = async function () { said.push("focus " + new URL(this.url).pathname); return this; };
  self.clients.openWindow = async (url) => { said.push("open " + url); return null; };
  const [notification] = await self.registration.getNotifications();
  const event = new NotificationEvent("notificationclick", { notification });
  const ends = [];
  event.waitUntil = (promise) => ends.push(promise);
  self.dispatchEvent(event);
  await Promise.all(ends);
  return [said, (await self.registration.getNotifications()).length];
}"""


def test_a_tap_asks_and_a_call_shows_on_the_locked_phone_and_leads_to_the_ticket(
    hub: Hub, clerk: Clerk, context: BrowserContext, service: PushService, phone: Handset
) -> None:
    given = clerk.give()
    page = opened(context, hub, service, given["token"])
    button = page.get_by_role("button", name=BUTTON)
    expect(button).to_be_visible()
    assert page.evaluate("window.asked") == 0
    assert barriers(page) == []
    context.grant_permissions(["notifications"], origin=hub.url("").rstrip("/"))

    button.click()
    expect(page.get_by_role("button", name=ON)).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("[window.asked, ...window.subscribedBy]") == [1, True, service.signer]
    clerk.desk("next")
    came = phone.until(1)
    worker = delivered(page, hub, {name: value for name, value in came.items() if name != "headers"})

    (shown,) = worker.evaluate(SHOWN)
    assert shown == {
        "title": f"{given['label']}: és el vostre torn",
        "body": "Taula 1",
        "lang": "ca",
        "tag": came["topic"],
        "data": {"url": f"/t/{given['token']}"},
    }
    assert worker.evaluate(CLICKED) == [[f"focus /t/{given['token']}"], 0]
    assert service.faults == []


def test_a_click_opens_the_tickets_page_where_it_is_not_open_and_a_new_message_replaces_the_old(
    hub: Hub, clerk: Clerk, context: BrowserContext, service: PushService
) -> None:
    page = opened(context, hub, service, clerk.give()["token"])
    context.grant_permissions(["notifications"], origin=hub.url("").rstrip("/"))
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("button", name=ON)).to_be_visible()
    message = {"text": "Taula 1", "language": "ca", "topic": "a", "url": "/t/another"}

    delivered(page, hub, message | {"title": "P009: és el vostre torn"})
    worker = delivered(page, hub, message | {"title": "P009: us tornen a cridar"})

    wait_until(lambda: [one["title"] for one in worker.evaluate(SHOWN)] == ["P009: us tornen a cridar"])
    assert worker.evaluate(CLICKED) == [["open /t/another"], 0]


def test_a_second_tap_ends_it_and_what_the_person_sets_is_told_to_the_hub(
    hub: Hub, clerk: Clerk, context: BrowserContext, service: PushService, phone: Handset
) -> None:
    for _ in range(3):
        clerk.give()
    page = opened(context, hub, service, clerk.give()["token"])
    context.grant_permissions(["notifications"], origin=hub.url("").rstrip("/"))
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("button", name=ON)).to_be_visible()

    page.get_by_label("Aviseu-me quan").select_option("3")
    assert phone.until(1)["text"] == "Persones davant vostre: 3"
    page.reload()
    page.get_by_role("button", name=ON).click()
    expect(page.get_by_role("button", name=BUTTON)).to_be_visible()
    for _ in range(2):
        clerk.desk("next")
    clerk.desk("next", desk="2")
    expect(page.locator("[data-field=ahead]")).to_have_text("0")

    assert len(phone.came) == 1


def test_a_browser_that_refuses_says_what_to_do_and_the_page_goes_on(
    hub: Hub, clerk: Clerk, context: BrowserContext, service: PushService
) -> None:
    page = opened(context, hub, service, clerk.give()["token"])
    page.evaluate("Notification.requestPermission = async () => 'denied'")

    page.get_by_role("button", name=BUTTON).click()

    expect(page.get_by_text("Aquest navegador no ens deixa avisar-vos.")).to_be_visible()
    assert barriers(page) == []
    clerk.desk("next")
    expect(page.get_by_role("heading", name="És el vostre torn")).to_be_visible()
