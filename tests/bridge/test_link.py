"""The hub's connection to its broker: for ever, whatever a handler does."""

import threading

import pytest
import structlog

from hub.link import Broker, Link
from tests.bridge.witness import Witness
from tests.e2e.cable import Cable
from tests.parts import Mosquitto, free_port, wait_until


@pytest.fixture
def broken(mosquitto: Mosquitto) -> tuple[Link, list[str], threading.Event]:
    """A link whose handler fails at the word "bad", what it took, and the sign that it took "good"."""
    link, took, good = Link(Broker("127.0.0.1", mosquitto.port), "test"), [], threading.Event()

    def handler(topic: str, payload: bytes, retained: bool) -> None:
        took.append(payload.decode())
        if payload == b"bad":
            raise RuntimeError("a defect of ours")
        good.set()

    link.on("torn/v1/try", handler)
    return link, took, good


def test_a_handler_that_fails_is_logged_and_the_next_message_is_heard(
    broken: tuple[Link, list[str], threading.Event], mosquitto: Mosquitto
) -> None:
    link, took, good = broken
    with structlog.testing.capture_logs() as lines:
        link.start()
        wait_until(lambda: link.connected)

        link.publish("torn/v1/try", b"bad")
        link.publish("torn/v1/try", b"good")

        assert good.wait(5)
    link.stop()
    assert took == ["bad", "good"]
    assert [line["event"] for line in lines] == ["an MQTT callback failed"]


def test_a_link_finds_a_broker_that_starts_later_and_subscribes_again_after_each_loss(
    mosquitto: Mosquitto,
) -> None:
    mosquitto.stop()
    link, heard, connections = Link(Broker("127.0.0.1", mosquitto.port), "test"), threading.Event(), []
    link.on("torn/v1/try", lambda *_: heard.set())
    link.on_connected(lambda: connections.append(1))
    link.start()
    assert link.publish("torn/v1/try", b"into the void") is None

    mosquitto.start()
    wait_until(lambda: len(connections) == 1)
    mosquitto.restart_empty()
    wait_until(lambda: len(connections) == 2)
    link.publish("torn/v1/try", b"here")

    assert heard.wait(5)
    link.stop()


def test_a_will_is_kept_by_the_broker_when_the_link_is_cut(mosquitto: Mosquitto) -> None:
    witness, cable = Witness(mosquitto.port), Cable(mosquitto.port)
    link = Link(Broker("127.0.0.1", cable.port), "test", will=("torn/v1/hub", b'{"state":"lost"}'))
    link.start()
    wait_until(lambda: link.connected)

    cable.stop()

    assert witness.newest("torn/v1/hub") == {"state": "lost"}
    link.stop()
    witness.close()


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("10.0.0.5:1883", Broker("10.0.0.5", 1883)),
        ("broker.local", Broker("broker.local", 1883)),
        ("mqtt://hub:p%40ss@b:2000", Broker("b", 2000, "hub", "p@ss")),
        ("mqtts://hub@b", Broker("b", 8883, "hub", None, True)),
        ("[::1]:1883", Broker("::1", 1883)),
    ],
)
def test_an_address_of_a_broker_is_read(text: str, broker: Broker) -> None:
    assert Broker.at(text) == broker


@pytest.mark.parametrize("text", ["", "http://b:1", "mqtt://", "b:port", "b:99999"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Broker.at(text)


def test_a_link_that_is_ended_before_its_broker_was_there_leaves_no_thread() -> None:
    link = Link(Broker("127.0.0.1", free_port()), "test")
    link.start()

    link.stop()

    assert not [thread for thread in threading.enumerate() if "paho" in thread.name]
