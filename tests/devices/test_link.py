"""The device's end of a real broker."""

import json
import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.link import Link, LinkError
from devices.settings import Broker
from firmware import wire
from tests.devices.voice import HubVoice
from tests.parts import Mosquitto, program, wait_until

ANSWER = wire.device_topic("desk-1", "answer")
PRESS = {"id": "a-1", "press": "next", "version": 1, "now": "2026-11-24T10:00:00.000Z"}


@pytest.fixture
def hub(mosquitto: Mosquitto) -> Iterator[HubVoice]:
    voice = HubVoice(mosquitto.port)
    yield voice
    voice.stop()


@pytest.fixture
def link(mosquitto: Mosquitto) -> Iterator[Link]:
    one = Link("desk-1", "desk", Broker(port=mosquitto.port))
    yield one
    one.stop()


def started(link: Link) -> Link:
    link.start()
    wait_until(lambda: link.connected, what="the connection")
    return link


def raw(hub: HubVoice, topic: str, payload: bytes) -> None:
    hub._client.publish(topic, payload, qos=1).wait_for_publish(5)


def test_on_every_connect_the_state_document_says_who_is_here(link, hub):
    started(link)

    (state,) = hub.wait_for("state")
    assert {"state": "ready", "kind": "desk", "boot": link.boot, "conn": 1}.items() <= state.items()


def test_a_cut_cable_leaves_the_will_of_that_very_connection_and_the_next_one_counts_on(link, hub):
    started(link)
    hub.wait_for("state")

    link.cut()
    will = hub.wait_for("state", 2)[1]
    link.mend()
    state = hub.wait_for("state", 3)[2]

    assert will == {"state": "lost", "boot": link.boot, "conn": 1}
    assert (state["state"], state["conn"]) == ("ready", 2)


def test_a_clean_exit_says_lost_itself_and_leaves_no_will(link, hub):
    started(link)
    hub.wait_for("state")

    link.stop()

    last = hub.wait_for("state", 2)[-1]
    assert (last["state"], last["kind"]) == ("lost", "desk")
    raw(hub, wire.device_topic("other", "state"), wire.encode("state", {**last, "boot": "zz"}))
    assert [state["boot"] for state in hub.wait_for("state", 3)] == [link.boot, link.boot, "zz"]


def test_a_press_without_a_connection_is_refused_and_never_sent_later(link, hub):
    started(link)
    link.cut()
    wait_until(lambda: not link.connected)

    handed_over = link.publish(wire.device_topic("desk-1", "press"), "press", PRESS)
    link.mend()
    wait_until(lambda: link.connected)
    link.publish(wire.device_topic("desk-1", "press"), "press", {**PRESS, "id": "a-2"})

    assert handed_over is False
    assert [press["id"] for press in hub.wait_for("press")] == ["a-2"]


def test_a_malformed_message_is_one_line_in_the_log_and_the_next_one_is_heard(link, hub, caplog):
    heard: list[dict] = []
    link.on(ANSWER, "answer", lambda message, retained: heard.append(message))
    started(link)

    with caplog.at_level(logging.WARNING, "torn.link"):
        raw(hub, ANSWER, b'{"id":"x"}')
        raw(hub, ANSWER, b"\xff" * 2000)
        raw(hub, ANSWER, b'{"id":"x","ok":true}')
        wait_until(lambda: heard)

    assert [record.getMessage() for record in caplog.records] == [
        f"desk-1: a message on {ANSWER} is ignored: ok: is missing",
        f"desk-1: a message on {ANSWER} is ignored: 2000 bytes, at most 1024",
    ]


def test_a_handler_that_raises_does_not_stop_the_client(link, hub):
    heard: list[str] = []

    def handler(message: dict, _retained: bool) -> None:
        heard.append(message["id"])
        raise RuntimeError("a mistake of ours")

    link.on(ANSWER, "answer", handler)
    started(link)

    raw(hub, ANSWER, b'{"id":"x","ok":true}')
    raw(hub, ANSWER, b'{"id":"y","ok":true}')

    wait_until(lambda: heard == ["x", "y"])


def test_a_topic_asked_for_while_connected_is_heard_and_one_given_up_is_not(link, hub):
    heard: list[str] = []
    started(link)

    link.on(ANSWER, "answer", lambda message, retained: heard.append(message["id"]))
    hub.wait_for("state")
    wait_until(lambda: raw(hub, ANSWER, b'{"id":"x","ok":true}') or heard)
    link.off(ANSWER)
    link.publish(wire.device_topic("desk-1", "press"), "press", PRESS)  # after it the broker has let the topic go
    hub.wait_for("press")
    before = list(heard)
    raw(hub, ANSWER, b'{"id":"y","ok":true}')
    link.publish(wire.device_topic("desk-1", "press"), "press", {**PRESS, "id": "a-2"})
    hub.wait_for("press", 2)

    assert heard == before


def test_a_retained_beat_proves_nothing_and_a_live_one_lasts_six_seconds(link, hub):
    hub.silent()
    told = threading.Event()
    old = {"state": "ready", "now": "2026-11-24T10:00:00.000Z", "beat": 1}
    hub.say(wire.HUB_TOPIC, "hub", old, retain=True)
    seen: list[bool] = []
    link.on_change(told.set)
    link.on(wire.device_topic("desk-1", "config"), "config", lambda *_: seen.append(link.hub_here()))
    hub.config("desk-1", "desk", desk="1")
    started(link)
    wait_until(lambda: seen)
    told.clear()

    hub.awake()
    told.wait(5)

    assert seen == [False]
    now = time.monotonic()
    assert link.hub_here(now) and not link.hub_here(now + 6)
    assert abs(link.hub_now() - time.time_ns() // 1_000_000) < 1000


def test_watchers_are_told_within_seven_seconds_that_the_hub_fell_silent(link, hub):
    started(link)
    wait_until(link.hub_here)
    changes: list[bool] = []
    link.on_change(lambda: changes.append(link.hub_here()))

    hub.silent()

    wait_until(lambda: changes == [False], 7.5, "the hub's loss")


def test_a_broker_that_comes_back_empty_is_told_everything_again(mosquitto, link):
    started(link)

    mosquitto.restart_empty()
    hub = HubVoice(mosquitto.port)
    try:
        assert hub.wait_for("state", 1, 15)[0]["conn"] > 1
    finally:
        hub.stop()


def test_only_what_is_unsent_may_wait_a_second_everything_else_is_told_at_once(link, hub):
    started(link)
    hub.wait_for("state")

    link.report(paper="out", state="degraded")

    state = hub.wait_for("state", 2)[1]
    assert (state["paper"], state["state"]) == ("out", "degraded")


def test_a_broker_that_is_away_stops_nobody_from_starting_and_ending():
    link = Link("desk-1", "desk", Broker(port=1))

    link.start()
    sent = link.publish(wire.device_topic("desk-1", "press"), "press", PRESS)
    link.stop()

    assert not sent and not link.connected


def test_what_is_not_a_message_of_the_contract_cannot_be_published(link):
    with pytest.raises(ValueError, match="press: must be one of"):
        link.publish(wire.device_topic("desk-1", "press"), "press", {**PRESS, "press": "jump"})

    assert json.loads(wire.encode("press", PRESS)) == PRESS


def certificates(folder: Path) -> None:
    """An authority, and certificates of the broker and of desk-1 that it has signed."""
    openssl, days = program("openssl"), ["-days", "1", "-nodes"]
    subject = ["-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", *days, *subject], cwd=folder, check=True)
    for name, common in (("broker", "127.0.0.1"), ("desk", "desk-1")):
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-subj", f"/CN={common}", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", *days, *signed, *files], cwd=folder, check=True)


def test_with_certificates_the_device_is_who_its_certificate_says(tmp_path):
    certificates(tmp_path)
    tls = f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key\n"
    broker = Mosquitto(tmp_path / "m", config=tls + "require_certificate true\nuse_identity_as_username true").start()
    files = [f"{tmp_path}/{name}" for name in ("ca.pem", "desk.pem", "desk.key")]
    link = Link("desk-1", "desk", Broker("127.0.0.1", broker.port, "", *files))
    try:
        link.start()
        wait_until(lambda: link.connected, 10, "the connection")
    finally:
        link.stop()
        broker.stop()

    assert "u'desk-1'" in (tmp_path / "m" / "mosquitto.log").read_text()


def test_a_certificate_that_is_not_there_is_one_sentence_at_the_start():
    with pytest.raises(LinkError, match="broker: ca, certificate or key cannot be used"):
        Link("desk-1", "desk", Broker(ca="/no/such/ca.pem"))
