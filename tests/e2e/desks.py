"""Desks at work: a clerk with a browser or a program, and a clerk with a button."""

import random
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from firmware import wire
from tests.parts import Hub

PAUSE = 0.05  # seconds until one asks again when there was no answer, or nobody waited
PATIENCE = 1.0  # seconds that a button waits for its answer


class Clerk(threading.Thread):
    """Works until `stop`. `called` holds the label of everybody that an answer gave, in order.

    A clerk mostly calls the next, now and then calls again, marks absent or finishes first.
    """

    def __init__(self, office: str, desk: str, seed: int) -> None:
        super().__init__(name=f"{office} {desk}", daemon=True)
        self.office, self.desk = office, desk
        self.called: list[str] = []
        self.wrong: list[str] = []  # answers that there should not have been
        self.chance = random.Random(f"{seed} {office} {desk}")
        self.ending = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        while not self.ending.is_set():
            label = self.press("next")
            if label is None:
                self.ending.wait(PAUSE)
            else:
                self.called.append(label)
                self.with_somebody()

    def with_somebody(self) -> None:
        """What follows a call."""
        for act in self.chance.choice([(), (), (), ("recall",), ("done",), ("absent",), ("recall", "absent")]):
            self.press(act)

    def press(self, act: str) -> str | None:
        """Presses; the label of whoever is at the desk then, or None."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends the clerk's day."""
        self.ending.set()
        if self.ident:
            self.join(15)


class Program:
    """Posts with a token; what is not answered is sent again under the same Idempotency-Key."""

    def __init__(self, token: str, ending: threading.Event) -> None:
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._ending = ending

    def post(self, address: str, body: dict[str, Any] | None = None) -> requests.Response | None:
        """The answer, however long the hub is away; None at the end of the day."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        while not self._ending.is_set():
            with suppress(requests.RequestException):  # it may have had its effect: the key tells
                answer = self._session.post(address, json=body or {}, headers=key, timeout=10)
                if answer.status_code != 503:
                    return answer
            self._ending.wait(PAUSE)
        return None


class Keyboard(Clerk):
    """A desk by API."""

    def __init__(self, hub: Hub, token: str, office: str, desk: str, seed: int = 0) -> None:
        super().__init__(office, desk, seed)
        self.address = hub.url(f"/api/v1/offices/{office}/desks/{desk}/")
        self._program = Program(token, self.ending)

    def press(self, act: str) -> str | None:
        """Presses until there is an answer; a refusal is written down as wrong: nobody else works here."""
        answer = self._program.post(self.address + act)
        if answer is not None and answer.status_code != 200:
            self.wrong.append(f"{self.name} {act}: {answer.status_code} {answer.text[:200]}")
        return answer.json().get("label") if answer is not None and answer.ok else None


class Reception(threading.Thread):
    """Gives tickets to whoever cannot use the machine. `given` holds their labels and tokens."""

    def __init__(self, hub: Hub, token: str, office: str, count: int) -> None:
        super().__init__(name=f"{office} reception", daemon=True)
        self.given: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self._address = hub.url(f"/api/v1/offices/{office}/tickets")
        self._count = count
        self._ending = threading.Event()
        self._program = Program(token, self._ending)

    def run(self) -> None:
        """One every half second."""
        for _ in range(self._count):
            answer = self._program.post(self._address, {"service": "padro"})
            if answer is not None and answer.status_code == 201:
                self.given.append((answer.json()["label"], answer.json()["token"]))
            elif answer is not None:
                self.wrong.append(f"{self.name}: {answer.status_code} {answer.text[:200]}")
            self._ending.wait(0.5)

    def stop(self) -> None:
        """Goes home."""
        self._ending.set()
        if self.ident:
            self.join(15)


class Button(Clerk):
    """A desk's button, to the contract: it sends what its sign shows, and repeats an unanswered press once."""

    def __init__(self, port: int, office: str, desk: str, device: str, seed: int = 0) -> None:
        super().__init__(office, desk, seed)
        self.device = device
        self.sign: dict[str, Any] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{device}-{id(self)}")
        self._client.reconnect_delay_set(0.1, 0.5)
        self._client.on_connect = self._connected
        self._client.on_message = self._heard
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def press(self, act: str) -> str | None:
        """Presses once; None where there is no answer in time, or a refusal."""
        with self._news:
            if not self._news.wait_for(lambda: self.sign, PATIENCE):
                return None
        answer = self.ask(self.press_of(act))
        if answer is None or not answer["ok"]:
            return None
        self.wait_for_sign(answer["label"])
        return answer["label"]

    def press_of(self, act: str) -> dict[str, Any]:
        """The message of a press made now."""
        now = wire.stamp(time.time_ns() // 1_000_000)
        return {"id": uuid.uuid4().hex, "press": act, "version": self.sign["version"], "now": now}

    def ask(self, press: dict[str, Any]) -> dict[str, Any] | None:
        """Sends a press, and once more if nobody answers; the answer, or None."""
        for _ in range(2):
            self._client.publish(wire.device_topic(self.device, "press"), wire.encode("press", press), qos=1)
            with self._news:
                if self._news.wait_for(lambda: press["id"] in self.answers, PATIENCE):
                    return self.answers[press["id"]]
        return None

    def wait_for_sign(self, label: str | None) -> None:
        """Until the sign shows this label, as a clerk would look up before pressing again."""
        with self._news:
            self._news.wait_for(lambda: self.sign.get("label") == label, PATIENCE)

    def stop(self) -> None:
        """Ends the clerk's day, and leaves the broker."""
        super().stop()
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(wire.desk_topic(self.office, self.desk), qos=1)
        client.subscribe(wire.device_topic(self.device, "answer"), qos=1)

    def _heard(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind, _ = wire.route(message.topic)
        try:
            document = wire.decode(kind, message.payload)
        except ValueError:
            return  # an attacker's: a machine passes over what it cannot read
        with self._news:
            if kind == "desk":
                self.sign = document
            elif self.answers.setdefault(document["id"], document) != document:
                self.wrong.append(f"{self.name}: two answers to one press: {self.answers[document['id']]}, {document}")
            self._news.notify_all()
