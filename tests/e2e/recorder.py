"""An ear at the broker: all that is said on torn/#, judged against the AsyncAPI document."""

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware import wire
from tests.contract import validate


class Said(NamedTuple):
    """One message as it came."""

    topic: str
    payload: bytes
    retained: bool


class Recorder:
    """Hears everything, and hears it again after the broker was away; speaks only what a test gives it to say."""

    def __init__(self, port: int) -> None:
        self.said: list[Said] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"recorder-{id(self)}")
        self._client.reconnect_delay_set(0.1, 0.5)
        self._client.on_connect = lambda client, *_: client.subscribe("torn/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._heard
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def start(self) -> "Recorder":
        """Returns once it hears."""
        assert self._subscribed.wait(10), "the broker does not let us listen"
        return self

    def stop(self) -> None:
        """Leaves."""
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publishes with QoS 1, and returns once the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def of(self, topic: str) -> list[dict[str, Any]]:
        """The messages of one topic, decoded, in order."""
        kind, _ = wire.route(topic)
        return [wire.decode(kind, each.payload) for each in list(self.said) if each.topic == topic and each.payload]

    def last(self, topic: str) -> dict[str, Any]:
        """The newest message of one topic; an empty one before the first."""
        return next(iter(reversed(self.of(topic))), {})

    def faults(self, besides: Iterable[bytes] = ()) -> list[str]:
        """What is wrong with what was said, a line each; `besides` are payloads that the test itself made up."""
        made_up = set(besides)
        return [fault for each in list(self.said) if each.payload not in made_up and (fault := _fault(each))]

    def _heard(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.said.append(Said(message.topic, message.payload, message.retain))


def _fault(said: Said) -> str:
    try:
        validate(said.topic, said.payload)
        return ""
    except ValueError as error:
        return f"{error}: {said.payload[:200]!r}"
