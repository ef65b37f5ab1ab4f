"""The machines of an office without their hardware, as fast as the broker takes what they say."""

import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware import wire

Heard = Callable[[str, bytes], None]
WITHIN = 30.0  # seconds for anything to happen


class Late(RuntimeError):
    """What should have happened did not happen in time."""


def waited(event: threading.Event, what: str) -> None:
    """Waits for an event; raises Late, which says for what."""
    if not event.wait(WITHIN):
        raise Late(f"{what} did not come in {WITHIN:.0f} s")


class Machines:
    """One connection to the broker that may speak for every machine."""

    def __init__(self, port: int) -> None:
        self._heard: dict[str, Heard] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(1000)
        self._client.on_message = self._came
        self._client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self._client.on_publish = lambda client, *_: client.socket().setsockopt(
            socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def hear(self, topic: str, heard: Heard) -> None:
        """Calls `heard(topic, payload)`, in the network's thread, for each message; returns once subscribed."""
        subscribed = threading.Event()
        self._heard[topic] = heard
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.subscribe(topic, qos=1)
        waited(subscribed, f"the subscription to {topic}")

    def say(self, topic: str, payload: bytes) -> None:
        """Publishes with QoS 1 and returns at once."""
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Leaves."""
        self._client.disconnect()
        self._client.loop_stop()

    def _came(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._heard[message.topic](message.topic, message.payload)


def now() -> str:
    """The time as messages carry it."""
    return wire.stamp(time.time_ns() // 1_000_000)


class Dispenser:
    """Sends numbered facts, at most `IN_FLIGHT` at once, and hears how far they are stored."""

    IN_FLIGHT = 20

    def __init__(self, machines: Machines, device: str, day: str, first: int = 1) -> None:
        self.machines, self.device, self.day, self.first = machines, device, day, first
        self.journal = uuid.uuid4().hex[:8]
        self.written = self._sent = self._stored = 0
        self._facts: list[bytes] = []
        self._sending = threading.Lock()  # the first facts are sent by the caller, the rest by the network's thread
        self._all_stored = threading.Event()
        machines.hear(wire.device_topic(device, "stored"), self._heard)

    def write(self, count: int, service: str = "padro") -> list[str]:
        """Writes so many tickets down, without sending them; their tokens."""
        return [self._written(service) for _ in range(count)]

    def send(self) -> None:
        """Begins to send what is written."""
        self._all_stored.clear()
        self._send()

    def wait(self) -> None:
        """Until all that is written is stored."""
        waited(self._all_stored, f"the storing of {self.written} facts")

    def give(self, count: int, service: str = "padro") -> list[str]:
        """Gives so many tickets; returns their tokens once all are stored."""
        tokens = self.write(count, service)
        self.send()
        self.wait()
        return tokens

    def _written(self, service: str) -> str:
        self.written += 1
        ticket = uuid.uuid4()
        label = f"P{self.first + self.written - 1:03d}"
        words = {"ticket": str(ticket), "token": ticket.hex, "service": service, "label": label}
        fact = {"journal": self.journal, "seq": self.written, "at": now(), "day": self.day, "fact": "ticket.issued"}
        self._facts.append(wire.encode("fact", fact | words))
        return ticket.hex

    def _send(self) -> None:
        with self._sending:
            while self._sent < min(self.written, self._stored + self.IN_FLIGHT):
                self.machines.say(wire.device_topic(self.device, "fact"), self._facts[self._sent])
                self._sent += 1

    def _heard(self, topic: str, payload: bytes) -> None:
        message = wire.decode("stored", payload)
        if message["journal"] == self.journal:
            self._stored = message["seq"]
            self._send()
            if self._stored == self.written:
                self._all_stored.set()


class Desk:
    """The button of a desk: presses, and hears the answer and what the desk then shows."""

    def __init__(self, machines: Machines, office: str, desk: str, device: str) -> None:
        self.machines, self.device = machines, device
        self._version = 0
        self._answer: tuple[float, dict[str, Any]] = (0.0, {})
        self._answered, self._shown = threading.Event(), threading.Event()
        machines.hear(wire.desk_topic(office, desk), self._desk_came)
        machines.hear(wire.device_topic(device, "answer"), self._answer_came)
        waited(self._shown, "the desk's document")

    def press(self) -> float:
        """Presses `next` once the desk shows what it does; the moment of the press."""
        waited(self._shown, "the desk's new document")
        self._shown.clear()
        self._answered.clear()
        press = {"id": uuid.uuid4().hex, "press": "next", "version": self._version, "now": now()}
        payload = wire.encode("press", press)
        begun = time.perf_counter()
        self.machines.say(wire.device_topic(self.device, "press"), payload)
        return begun

    def answered(self) -> float:
        """The moment of the answer; raises Late if it was no call."""
        waited(self._answered, "the answer to a press")
        moment, answer = self._answer
        if not answer["ok"]:
            raise Late(f"a press was refused: {answer}")
        return moment

    def _answer_came(self, topic: str, payload: bytes) -> None:
        self._answer = time.perf_counter(), wire.decode("answer", payload)
        self._answered.set()

    def _desk_came(self, topic: str, payload: bytes) -> None:
        version = wire.decode("desk", payload)["version"]
        if version != self._version or not self._version:
            self._version = version
            self._shown.set()
