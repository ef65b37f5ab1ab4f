"""The broker that the hub brings along, with many clients that come at once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from tests.parts import Process, free_port, listens, wait_until

RETAINED = [f"torn/v1/office/x/desk/{n}" for n in range(20)]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where it listens."""
    at = free_port()
    broker = Process("-c", f"from hub.broker import run; run('127.0.0.1', {at})").start()
    wait_until(lambda: listens(at), 20, "the broker's port")
    yield at
    broker.stop()
    assert [line for line in broker.lines if "Error" in line] == []


class Client:
    """Subscribes to a filter as soon as it is connected; all that it hears is in `heard`."""

    def __init__(self, port: int, topic_filter: str = "") -> None:
        self.heard: list[tuple[str, bool]] = []
        self.lost = 0
        self.here = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda c, u, message: self.heard.append((message.topic, message.retain))
        self.client.on_disconnect = self._gone
        if topic_filter:
            self.client.on_connect = lambda client, *_: client.subscribe(topic_filter, qos=1)
            self.client.on_subscribe = lambda *_: self.here.set()
        else:
            self.client.on_connect = lambda *_: self.here.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _gone(self, client: object, data: object, flags: object, reason: mqtt.ReasonCode, *_: object) -> None:
        self.lost += reason.is_failure

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def connect(port: int) -> Iterator[object]:
    with ExitStack() as closing:

        def connected(topic_filter: str = "") -> Client:
            client = Client(port, topic_filter)
            closing.callback(client.close)
            return client

        yield connected


def test_whoever_connects_hears_what_is_retained_once_and_only_what_they_asked_for(connect) -> None:
    everything = connect("torn/#")
    assert everything.here.wait(10)
    for topic in RETAINED:
        everything.client.publish(topic, b"{}", qos=1, retain=True).wait_for_publish(10)
    wait_until(lambda: len(everything.heard) == len(RETAINED), what="all messages")

    silent, one, other = connect(), connect(RETAINED[3]), connect("torn/#")
    assert all(client.here.wait(10) for client in (silent, one, other))
    wait_until(lambda: len(other.heard) >= len(RETAINED), what="what is retained")
    everything.client.publish("torn/v1/last", b"{}", qos=1).wait_for_publish(10)
    wait_until(lambda: ("torn/v1/last", False) in other.heard, what="the last message")

    assert silent.heard == []
    assert one.heard == [(RETAINED[3], True)]
    assert sorted(other.heard[:-1]) == sorted((topic, True) for topic in RETAINED)


def test_forty_who_come_at_once_all_stay(connect) -> None:
    clients = [connect(f"torn/v1/dev/d{n}/#") for n in range(40)]

    assert all(client.here.wait(20) for client in clients)

    clients[0].client.publish("torn/v1/dev/d39/config", b"{}", qos=1).wait_for_publish(10)
    wait_until(lambda: clients[39].heard, what="the message")
    assert [client.lost for client in clients] == [0] * 40
