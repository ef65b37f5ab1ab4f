"""A locked phone is told by Web Push: from the press at a desk to the message that only this phone can read."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from structlog.testing import capture_logs

from hub.bridge.bridge import adopt
from hub.clock import now
from hub.line import commands as c
from hub.line.order import ahead
from hub.line.views import UNEXPECTED, Expected
from hub.messages import push
from hub.messages.alerts import Notice, Told, beginning, is_true, news, seen, worded
from hub.messages.post import Away, BadSettings, Refused
from hub.messages.push import Push, is_public
from hub.messages.pusher import Pusher
from hub.offices import read_offices
from hub.store import Store, schema, subscriptions
from hub.store.keys import Key
from hub.store.upgrade import upgrade
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, wait_until
from tests.web.listening import Clerk

from .pushing import Handset, PushService

OFFICE = "mont-roig"
URL = "http://127.0.0.1:1"


@pytest.fixture
def clerk(hub: Hub) -> Clerk:
    return Clerk(hub)


def follow(hub: Hub, service: PushService, token: str, phone: Handset, **more: Any) -> requests.Response:
    """What the page does once the person has tapped."""
    page = requests.get(hub.url(f"/t/{token}?lang={more.pop('lang', 'ca')}"), timeout=10)
    service.signer = re.search('data-push-key="([^"]+)"', page.text)[1]
    answer = requests.post(
        hub.url(f"/t/{token}/push"), json=phone.subscription | more, cookies=page.cookies, timeout=10
    )
    assert answer.status_code == 204, answer.text
    return answer


def left(folder: Path) -> int:
    """How many phones the hub knows."""
    engine = sa.create_engine(f"sqlite:///{folder / 'torn.db'}")
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(schema.subscriptions)).scalar()


def test_a_call_and_a_call_again_come_to_the_locked_phone_and_it_is_forgotten_with_the_ticket(
    hub: Hub, clerk: Clerk, service: PushService
) -> None:
    given, phone = clerk.give(), service.phone()
    follow(hub, service, given["token"], phone)

    clerk.desk("next")
    called = phone.until(1)
    clerk.desk("recall")
    again = phone.until(2)
    clerk.desk("done")

    assert (called["title"], called["text"]) == (f"{given['label']}: és el vostre torn", "Taula 1")
    assert again["title"] == f"{given['label']}: us tornen a cridar"
    assert called["url"] == f"/t/{given['token']}"
    assert 0 < int(called["headers"]["TTL"]) <= 120
    assert called["headers"]["Topic"] == again["headers"]["Topic"]  # the new one replaces the old
    assert called["headers"]["Content-Length"] == again["headers"]["Content-Length"]
    wait_until(lambda: left(hub.folder) == 0, what="the phone is forgotten")
    assert (len(phone.came), service.faults) == (2, [])


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("ca", "aviat us toca"),
        ("es", "pronto será su turno"),
        ("en", "it is nearly your turn"),
        ("fr", "c'est bientôt votre tour"),
    ],
)
def test_who_asked_to_be_warned_is_told_in_the_language_of_their_page(
    hub: Hub, clerk: Clerk, service: PushService, language: str, title: str
) -> None:
    for _ in range(2):
        clerk.give()
    given, phone = clerk.give(), service.phone()
    follow(hub, service, given["token"], phone, lang=language, warn=1)

    clerk.desk("next")

    warned = phone.until(1)
    assert warned["title"].endswith(title)
    assert warned["text"].endswith(": 1")
    assert warned["language"] == language


def test_who_has_to_set_off_and_who_waits_while_the_office_stands_still_are_told(
    hub: Hub, clerk: Clerk, service: PushService
) -> None:
    clerk.desk("open")
    given = [clerk.give() for _ in range(3)][-1]
    far, near = service.phone(), service.phone()
    follow(hub, service, given["token"], near, walk=0)
    follow(hub, service, given["token"], far, walk=120)

    assert far.until(1)["title"] == f"{given['label']}: torneu ara"
    assert re.fullmatch(r"Torneu abans de les \d\d:\d\d\.", far.until(1)["text"])
    clerk.session.post(hub.url(f"/api/v1/offices/{OFFICE}/pause"), json={"message": "Simulacre"}, timeout=10)
    assert near.until(1)["text"] == "Simulacre Us guardem el lloc."
    clerk.session.post(hub.url(f"/api/v1/offices/{OFFICE}/resume"), timeout=10)
    assert near.until(2)["title"] == f"{given['label']}: l'atenció continua"


def test_a_phone_that_is_gone_is_forgotten_and_one_whose_service_was_away_is_told_once(
    hub: Hub, clerk: Clerk, service: PushService
) -> None:
    token = clerk.give()["token"]
    gone, busy = service.phone(410), service.phone(503, 429)
    for phone in (gone, busy):
        follow(hub, service, token, phone)

    clerk.desk("next")

    busy.until(1)
    wait_until(lambda: left(hub.folder) == 1, what="one phone is left")
    assert (gone.tried, busy.tried, len(busy.came)) == (1, 3, 1)


def test_the_key_by_which_phones_know_us_outlives_a_restart(hub: Hub, clerk: Clerk, service: PushService) -> None:
    token, phone = clerk.give()["token"], service.phone()
    follow(hub, service, token, phone)
    before = service.signer

    assert hub.stop() == 0
    hub.start()
    clerk.desk("next")

    assert phone.until(1)["url"] == f"/t/{token}"
    page = requests.get(hub.url(f"/t/{clerk.give()['token']}"), timeout=10).text
    assert f'data-push-key="{before}"' in page


def test_a_hub_that_may_not_push_offers_no_button(tmp_path: Path, mosquitto: Mosquitto, service: PushService) -> None:
    hub = Hub(tmp_path / "quiet", broker=mosquitto.url, environment={"TORN_PUSH": "off"}).start()
    token = Clerk(hub).give()["token"]

    page = requests.get(hub.url(f"/t/{token}"), timeout=10).text
    answer = requests.post(hub.url(f"/t/{token}/push"), json=service.phone().subscription, timeout=10)

    assert 'data-push-key=""' in page
    assert answer.status_code == 409
    assert hub.stop() == 0


# --- without processes ----------------------------------------------------------------------


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Once on SQLite, once on PostgreSQL."""
    store = Store(database)
    upgrade(store)
    for office in (fleet := read_offices(ROUND_THE_CLOCK)).plans:
        adopt(store, fleet, office)
    yield store
    store.dispose()


def does(store: Store, command: c.Command) -> None:
    store.transact(lambda work: work.do(OFFICE, command, now()))


def takes(store: Store, number: int) -> str:
    id = f"00000000-0000-4000-8000-{number:012d}"
    does(store, c.Issue("reception", id, f"token-{number:022d}", f"P{number:03d}", ("padro",)))
    return id


def phone_of(store: Store, ticket: str, phone: Handset, service: PushService, **more: Any) -> None:
    """Keeps a subscription as the web process does."""
    service.signer = subscriptions.signer(store)
    told = beginning(store.state(OFFICE)).packed()
    id = subscriptions.name(ticket, phone.endpoint)
    one = subscriptions.Subscription(
        id, OFFICE, ticket, "en", **{"walk": 0, "warn": 0, "told": told, "notice": None} | more
    )
    address = subscriptions.Address(phone.endpoint, *_keys(phone))
    store.transact(lambda work: subscriptions.keep(work, one, address, now()), one_view=False)


def _keys(phone: Handset) -> tuple[bytes, bytes]:
    known = Push(frozenset({phone.endpoint.split("/")[2]})).address(phone.endpoint, **phone.subscription["keys"])
    return known.p256dh, known.auth


def pusher(store: Store, service: PushService, monkeypatch: pytest.MonkeyPatch) -> Pusher:
    monkeypatch.setenv("SSL_CERT_FILE", service.environment["SSL_CERT_FILE"])
    return Pusher(store, push.from_environment(service.environment), URL, lambda: [OFFICE], lambda _: UNEXPECTED)


def test_of_two_bridges_that_both_believe_to_work_for_an_office_one_tells(
    store: Store, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones = {takes(store, number): service.phone() for number in range(1, 7)}
    for ticket, phone in phones.items():
        phone_of(store, ticket, phone, service)
    both = [pusher(store, service, monkeypatch) for _ in range(2)]
    for desk in "123":
        does(store, c.Next("anna", desk))

    looks = [threading.Thread(target=each.look) for each in both]
    for look in looks:
        look.start()
    for look in looks:
        look.join(20)
    called = list(phones.values())[:3]
    for phone in called:
        phone.until(1)
    for each in both:
        each.look()

    assert [len(phone.came) for phone in phones.values()] == [1, 1, 1, 0, 0, 0]
    assert service.faults == []


def test_what_a_killed_bridge_had_claimed_is_pushed_by_another(
    store: Store, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, phone = takes(store, 1), service.phone()
    phone_of(store, ticket, phone, service)
    does(store, c.Next("anna", "1"))
    (one,) = subscriptions.of(store, [OFFICE])
    store.transact(partial(subscriptions.tell, one=one, told=_told(store, one), notice="called"), one_view=False)
    assert len(store.transact(partial(subscriptions.claim, most=8), one_view=False)) == 1  # and it dies

    other = pusher(store, service, monkeypatch)
    other.look()
    assert phone.tried == 0
    _put(store, next_at=0)  # half a minute later
    other.look()

    assert phone.until(1)["title"] == "P001: it is your turn"


def test_a_call_that_could_not_be_told_in_time_is_not_told_at_all(
    store: Store, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, phone = takes(store, 1), service.phone()
    phone_of(store, ticket, phone, service)
    does(store, c.Next("anna", "1"))
    (one,) = subscriptions.of(store, [OFFICE])
    store.transact(partial(subscriptions.tell, one=one, told=_told(store, one), notice="called"), one_view=False)
    _put(store, due=1000)

    with capture_logs() as lines:
        pusher(store, service, monkeypatch).look()
        wait_until(lambda: subscriptions.of(store, [OFFICE])[0].notice is None)

    assert [line["event"] for line in lines] == ["a push is dropped: it is too late"]
    assert phone.tried == 0


def test_a_service_that_says_nothing_holds_nobody_elses_news_up(
    store: Store, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = service.phone(), service.phone()
    slow.waits = threading.Event()
    for number, phone in enumerate((slow, quick), 1):
        phone_of(store, takes(store, number), phone, service)
    for desk in "12":
        does(store, c.Next("anna", desk))

    pusher(store, service, monkeypatch).look()

    quick.until(1)
    assert slow.came == []
    slow.waits.set()


@pytest.mark.parametrize("words", [b"HTTP/1.", b""])
def test_a_service_that_answers_letter_by_letter_is_left(
    tmp_path: Path, service: PushService, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    """Without TLS' handshake it says a letter now and then, too: no single step takes long."""
    monkeypatch.setattr(push, "DEADLINE", 1.0)
    monkeypatch.setenv("SSL_CERT_FILE", service.environment["SSL_CERT_FILE"])
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        sock, _ = server.accept()
        with suppress(OSError):
            sock = service.context.wrap_socket(sock, server_side=True) if words else sock
            sock.sendall(words or b"\x16\x03\x03\x40\x00")  # a record of 16 KiB begins
            while not ended.wait(0.1):
                sock.sendall(b"x")
        sock.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        phone = Handset(f"https://localhost:{port}/x")
        address = subscriptions.Address(phone.endpoint, *_keys(phone))
        key = Key(b"k" * 32)

        with pytest.raises(Away):
            Push(frozenset({f"localhost:{port}"})).send(address, key, URL, "t", {"title": "x"}, 60)

        ended.set()
        thread.join(10)


def test_a_service_that_sends_elsewhere_is_not_followed(
    store: Store, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = service.phone(307)
    phone_of(store, takes(store, 1), phone, service)
    does(store, c.Next("anna", "1"))

    with capture_logs() as lines:
        pusher(store, service, monkeypatch).look()
        wait_until(lambda: subscriptions.of(store, [OFFICE]) == [])

    assert [(line["event"], line["reason"]) for line in lines] == [("a push was refused", "the push service said 307")]
    assert phone.tried == 1


def _told(store: Store, one: subscriptions.Subscription) -> str:
    state = store.state(OFFICE)
    ticket = state.tickets[one.ticket]
    return news(one, seen(state, ticket, None, UNEXPECTED), now())[1].packed()


def _put(store: Store, **values: int) -> None:
    with store.begin(write=True) as connection:
        connection.execute(schema.subscriptions.update().values(values))


def test_where_a_phone_is_reached_is_encrypted(store: Store, service: PushService) -> None:
    phone = service.phone()
    phone_of(store, takes(store, 1), phone, service)

    with store.begin() as connection:
        (row,) = connection.execute(sa.select(schema.subscriptions)).all()

    assert b"localhost" not in row.parcel
    assert "localhost" not in str(row._asdict() | {"parcel": ""})


# --- what is told, and when -----------------------------------------------------------------


def test_who_let_others_pass_is_told_anew_and_nobody_is_told_twice(store: Store) -> None:
    ticket = takes(store, 1)
    for number in range(2, 6):
        takes(store, number)
    one = subscriptions.Subscription("x", OFFICE, ticket, "ca", 10, 1, Told().packed())

    def told(minutes: int = 60) -> Notice | None:
        nonlocal one
        state, at = store.state(OFFICE), now()
        wait = {"p5": minutes, "p10": minutes, "p50": minutes, "p90": minutes}
        shown = seen(state, state.tickets[ticket], ahead(state, at).get(ticket), Expected(at, {}, {ticket: wait}))
        notice, after = news(one, shown, at)
        one = replace(one, told=after.packed())
        return notice

    assert [told(), told()] == [Notice.NEAR, None]
    assert [told(8), told(8)] == [Notice.RETURN, None]  # eight minutes, and ten to walk
    does(store, c.LetPass("citizen", ticket))
    assert told(60) is None
    for desk in "123":
        does(store, c.Next("anna", desk))
    assert told(8) is Notice.RETURN  # the more pressing of two; the other counts as told
    does(store, c.Next("anna", "1"))
    assert [told(), told()] == [Notice.CALLED, None]


def test_who_has_to_set_off_is_told_so_even_if_there_is_no_forecast_a_moment_later(store: Store) -> None:
    ticket = takes(store, 1)
    state = store.state(OFFICE)
    one = subscriptions.Subscription("x", OFFICE, ticket, "en", 10, 0, Told().packed())

    later = seen(state, state.tickets[ticket], 1, UNEXPECTED)

    assert is_true(Notice.RETURN, later)
    assert worded(Notice.RETURN, one, later) == {"title": "P001: come back now", "text": "", "language": "en"}


# --- at the door ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "192.168.0.9", "172.16.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
        "100.64.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::",
    ],
)  # fmt: skip
def test_no_address_of_this_machine_or_network_is_pushed_to(address: str) -> None:
    assert not is_public(address)


def test_addresses_of_the_internet_are_pushed_to() -> None:
    assert [is_public(address) for address in ("8.8.8.8", "2a00:1450:4003:80e::200e")] == [True, True]


def test_a_name_that_leads_to_this_machine_is_not_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = push.urlsplit(f"https://localhost:{server.getsockname()[1]}/x")

        with pytest.raises(Refused, match="no public address"):
            Push()._connected(url)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.cat/x",
        "https://push.example.cat:8443/x",
        "https://user@push.example.cat/x",
        "https://localhost/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://[::1]/x",
        "https://push.example.cat./x",
        "https://push.example.cat/x y",
        "https://push.example.cat/x\r\nHost: y",
        "https://push.example.cat:x/",
        "https://[/x",
        "https://push.exàmple.cat/x",
        "https:///x",
        "file:///etc/passwd",
        "https://push.example.cat/" + "x" * 1000,
        "",
    ],
)
def test_an_endpoint_that_leads_elsewhere_than_to_a_public_https_host_is_none(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"must be|too long|Invalid|Port|label"):
        Push().judged(endpoint)


def test_a_ticket_has_three_phones_at_most_and_keys_are_judged(hub: Hub, clerk: Clerk, service: PushService) -> None:
    token = clerk.give()["token"]
    phones = [service.phone() for _ in range(4)]
    headers = {"Accept": "application/json"}

    def post(phone: Handset, token: str = token, method: str = "POST", **keys: str) -> requests.Response:
        body = phone.subscription | {"keys": phone.subscription["keys"] | keys}
        return requests.request(method, hub.url(f"/t/{token}/push"), json=body, headers=headers, timeout=10)

    assert [post(phone).status_code for phone in phones] == [204, 204, 204, 409]
    assert post(phones[0]).status_code == 204  # it is one of the three
    assert post(phones[1], method="DELETE").status_code == 204
    assert post(phones[3]).status_code == 204
    assert post(Handset("https://10.0.0.1/x")).json()["field"] == "endpoint"
    assert post(phones[0], p256dh="BBBB").json()["field"] == "keys.p256dh"
    assert post(phones[0], auth="AA").json()["field"] == "keys.auth"
    assert post(phones[0], token="x" * 22).status_code == 404
    requests.post(hub.url(f"/t/{token}/leave"), timeout=10)
    assert post(phones[0]).json()["code"] == "day_over"


@pytest.mark.parametrize(("name", "said"), [("TORN_PUSH_PRIVATE", "push.example.cat"), ("TORN_PUSH", "yes")])
def test_a_setting_that_cannot_be_read_stops_the_start(name: str, said: str) -> None:
    with pytest.raises(BadSettings, match=name):
        push.from_environment({name: said})

    assert push.from_environment({"TORN_PUSH_PRIVATE": "A.cat:443, b:1"}).private == {"a.cat:443", "b:1"}
