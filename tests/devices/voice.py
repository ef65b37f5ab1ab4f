"""The hub's voice on a real broker: publishes what the hub would, and keeps what the devices say."""

import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware import wire
from tests.parts import wait_until

OFFICE = "mont-roig"
SERVICES = [
    {"id": "padro", "letter": "P", "name": {"ca": "Padró d'habitants", "en": "Residents' register"}},
    {"id": "registre", "letter": "R", "name": {"ca": "Registre d'entrada", "en": "Document registry"}},
]


def now() -> int:
    """The hub's time, in ms since 1970."""
    return time.time_ns() // 1_000_000


class HubVoice:
    """Beats every half second unless silenced; `heard` is every message from the devices, oldest first."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, dict]] = []
        self.answers: dict | None = {"ok": True, "label": "P012"}
        self.awry = 0  # ms by which its clock is off
        self._seq = 0
        self._silence = threading.Event()
        self._end = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="hub-voice")
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("torn/v1/dev/+/+", qos=1)
        self._client.loop_start()
        self._beats = threading.Thread(target=self._beat)
        self._beats.start()

    def stop(self) -> None:
        """Falls silent for good."""
        self._end.set()
        self._beats.join()
        self._client.disconnect()
        self._client.loop_stop()

    def silent(self) -> None:
        """Beats no more."""
        self._silence.set()

    def awake(self) -> None:
        """Beats again."""
        self._silence.clear()

    def say(self, topic: str, kind: str, message: dict, retain: bool = False) -> None:
        """Publishes one message, and waits until the broker has it."""
        self._client.publish(topic, wire.encode(kind, message), qos=1, retain=retain).wait_for_publish(5)

    def config(self, device: str, kind: str, **more: object) -> None:
        """A device's configuration."""
        self._seq += 1
        message = {"seq": self._seq, "kind": kind, "office": OFFICE, "name": "OMAC Mont-roig", "day": today()}
        message |= {"languages": ["ca", "es"], "timezone": "UTC", "day_starts": "00:00"}
        self.say(wire.device_topic(device, "config"), "config", message | more, retain=True)

    def desk(self, desk: str = "1", state: str = "free", label: str | None = None, **more: object) -> None:
        """A desk's document."""
        self._seq += 1
        message = {"seq": self._seq, "office": OFFICE, "desk": desk, "state": state, "label": label, "service": None}
        message |= {"since": wire.stamp(now()), "waiting": 5, "version": self._seq}
        self.say(wire.desk_topic(OFFICE, desk), "desk", message | more, retain=True)

    def line(self, *calls: tuple[str, str], **more: object) -> None:
        """The office's line with these calls (label, desk), newest first."""
        self._seq += 1
        message = {"seq": self._seq, "at": wire.stamp(now()), "office": OFFICE, "day": today(), "open": True}
        message |= {"paused": None, "waiting": 0, "services": {}, "desks": {}}
        message["calls"] = [{"label": label, "desk": desk, "at": wire.stamp(now())} for label, desk in calls]
        self.say(wire.line_topic(OFFICE), "line", message | more, retain=True)

    def call(self, label: str, desk: str, seq: int | None = None, at: int | None = None) -> None:
        """One call, for chime and flash."""
        self._seq += 1
        message = {
            "seq": seq or self._seq,
            "label": label,
            "desk": desk,
            "at": wire.stamp(at or now()),
            "recall": False,
        }
        self.say(wire.call_topic(OFFICE), "call", message)

    def calls(self, *called: tuple[str, str], at: int | None = None) -> None:
        """The office's last calls (label, desk), newest first."""
        self._seq += 1
        listed = [{"label": label, "desk": desk, "at": wire.stamp(at or now())} for label, desk in called]
        self.say(wire.calls_topic(OFFICE), "calls", {"seq": self._seq, "calls": listed}, retain=True)

    def of(self, leaf: str) -> list[dict]:
        """What the devices have said on one kind of topic."""
        return [message for topic, message in self.heard if topic.endswith("/" + leaf)]

    def wait_for(self, leaf: str, count: int = 1, seconds: float = 5) -> list[dict]:
        """The messages of a leaf, as soon as there are `count`."""
        return wait_until(lambda: (found := self.of(leaf)) and len(found) >= count and found, seconds, leaf)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        kind, (device,) = wire.route(message.topic)
        if kind not in ("press", "state", "fact") or not message.payload:
            return
        decoded = wire.decode(kind, message.payload)
        self.heard.append((message.topic, decoded))
        if kind == "press" and self.answers is not None:
            answer = wire.encode("answer", {"id": decoded["id"], **self.answers})
            self._client.publish(wire.device_topic(device, "answer"), answer, qos=1)

    def _beat(self) -> None:
        count = 0
        while not self._end.wait(0.2):
            count += 1
            if not self._silence.is_set():
                message = {"state": "ready", "now": wire.stamp(now() + self.awry), "beat": count}
                self._client.publish(wire.HUB_TOPIC, wire.encode("hub", message), qos=1, retain=True)


def today() -> str:
    """The day, where days begin at midnight UTC."""
    return wire.stamp(now())[:10]
