"""Who stands in the hall: speaks as any machine, hears all that passes, and judges it by the contract."""

import json
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import paho.mqtt.client as mqtt

from firmware import wire
from hub.clock import now
from hub.line.plan import Plan, day_of
from hub.offices import read_offices
from tests.contract import validate
from tests.parts import ROUND_THE_CLOCK, NotInTime

OFFICE = "mont-roig"
DISPENSER = "montroig-dispenser-1"
LINE = wire.line_topic(OFFICE)
Message = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """One message as it came; `message` is None for an empty payload."""

    topic: str
    message: Message | None
    retained: bool
    at: float  # monotonic seconds


@cache
def _plan() -> Plan:
    return read_offices(ROUND_THE_CLOCK).plans[OFFICE]


def today() -> str:
    """The offices' day now."""
    return day_of(_plan(), now())


def issued(seq: int, label: str = "", *, journal: str = "j1", service: str = "padro", **more: Any) -> Message:
    """The fact that a ticket was given out; what is not named is new and right."""
    fact = {"journal": journal, "seq": seq, "at": wire.stamp(now()), "day": today(), "fact": "ticket.issued"}
    fact |= {"ticket": str(uuid.uuid4()), "token": uuid.uuid4().hex, "service": service}
    return fact | {"label": label or f"P{seq:03d}"} | more


def told(seq: int, kind: str, *, journal: str = "j1", **more: Any) -> Message:
    """Any other fact."""
    return {"journal": journal, "seq": seq, "at": wire.stamp(now()), "day": today(), "fact": kind} | more


class Witness:
    """A client of the broker at `port` of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self.faults: list[str] = []  # what the hub said against the contract
        self._news = threading.Condition()
        self._own: set[str] = set()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(5000)
        self._client.on_socket_open = lambda c, u, s: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("torn/#", qos=1)
        self._client.on_message = self._came
        self._client.reconnect_delay_set(0.1, 0.5)
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(10)

    def close(self) -> None:
        """Hears no more."""
        self._client.disconnect()
        self._client.loop_stop()

    def _came(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        fault, said = "", None
        if message.topic not in self._own:
            try:
                validate(message.topic, message.payload)
                said = json.loads(message.payload) if message.payload else None
            except (ValueError, RecursionError) as error:
                fault = str(error)
        with self._news:
            self.heard.append(Heard(message.topic, said, message.retain, time.monotonic()))
            self.faults += [fault] if fault else []
            self._news.notify_all()

    # --- hearing --------------------------------------------------------------------------

    def wait(self, condition: Any, seconds: float = 30, what: str = "what was waited for") -> Any:
        """The condition's first true answer; it is asked again at each message."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not (found := condition()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NotInTime(f"{what} did not come about in {seconds} s; heard last: {self.heard[-5:]}")
                self._news.wait(min(left, 0.2))
            return found

    def of(self, topic: str, since: int = 0) -> list[Message]:
        """What came on a topic, after the first `since` messages of all; empty payloads left out."""
        return [each.message for each in self.heard[since:] if each.topic == topic and each.message is not None]

    def newest(self, topic: str) -> Message:
        """What a topic holds; waits for it to hold something."""
        return self.wait(lambda: self.of(topic)[-1:], what=f"a message on {topic}")[0]

    def until(self, topic: str, fits: Any, seconds: float = 30) -> Message:
        """The newest of a topic, once it fits."""
        return self.wait(
            lambda: next((message for message in self.of(topic)[-1:] if fits(message)), None),
            seconds,
            f"{topic} to fit",
        )

    def stored(self, journal: str, seq: int, device: str = DISPENSER) -> None:
        """Waits until the hub says that the journal is safe up to `seq`."""
        self.until(wire.device_topic(device, "stored"), lambda m: m == {"journal": journal, "seq": seq})

    def here(self) -> int:
        """How many messages were heard so far: from here on is what comes now."""
        return len(self.heard)

    # --- speaking -------------------------------------------------------------------------

    def say(self, topic: str, payload: bytes | Message, retain: bool = False) -> None:
        """Publishes; what is said is not judged by the contract."""
        self._own.add(topic)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(topic, body, qos=1, retain=retain).wait_for_publish(5)

    def tell(self, *facts: Message, device: str = DISPENSER) -> None:
        """Facts of a dispenser, without waiting between them."""
        topic = wire.device_topic(device, "fact")
        self._own.add(topic)
        sent = [self._client.publish(topic, json.dumps(fact).encode(), qos=1) for fact in facts]
        sent[-1].wait_for_publish(5)

    def insist(self, *facts: Message) -> None:
        """Facts as a dispenser tells them: again, while the hub does not say that they are stored."""
        last = {"journal": facts[-1]["journal"], "seq": facts[-1]["seq"]}
        deadline = time.monotonic() + 30
        while last not in self.of(wire.device_topic(DISPENSER, "stored")):
            if time.monotonic() > deadline:
                raise NotInTime("the facts were not stored in 30 s")
            self.tell(*facts)
            since = self.here()
            with suppress(NotInTime):
                self.wait(lambda since=since: self.of(wire.device_topic(DISPENSER, "stored"), since), 1)

    def ask(self, press: str = "next", desk: str = "1", device: str = "", **more: Any) -> str:
        """Presses a button with what the sign shows, and returns the press's id."""
        device = device or f"montroig-desk-{desk}"
        asked: Message = {"id": uuid.uuid4().hex, "press": press, "now": wire.stamp(now())} | more
        if "version" not in asked:
            asked["version"] = self.newest(wire.desk_topic(OFFICE, desk))["version"]
        self.say(wire.device_topic(device, "press"), asked)
        return asked["id"]

    def answers(self, id: str) -> list[Message]:
        """All answers to one press so far."""
        return [each.message for each in self.heard if each.topic.endswith("/answer") and each.message["id"] == id]

    def press(self, press: str = "next", desk: str = "1", device: str = "", **more: Any) -> Message:
        """Presses, and waits for the answer; returns it without its id."""
        since = self.here()
        id = self.ask(press, desk, device, **more)
        topic = wire.device_topic(device or f"montroig-desk-{desk}", "answer")
        answer = self.wait(lambda: [m for m in self.of(topic, since) if m["id"] == id], what=f"an answer to {press}")[0]
        return {key: value for key, value in answer.items() if key != "id"}

    def settled(self, desk: str, label: str | None) -> Message:
        """The desk's document, once it shows the label."""
        return self.until(wire.desk_topic(OFFICE, desk), lambda m: m["label"] == label)
