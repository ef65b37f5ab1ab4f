"""A phone or board that is no browser: it reads a stream word by word."""

import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from firmware import wire
from hub.clock import now
from tests.parts import Hub, Mosquitto, wait_until

OFFICE = "/api/v1/offices/mont-roig"


class Stream:
    """An open stream of server-sent events; each read fails after 20 s of silence."""

    def __init__(self, hub: Hub, path: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", hub.http, timeout=20)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()

    def block(self) -> list[str]:
        """The lines of the next event or comment; ConnectionError if the stream has ended."""
        lines: list[str] = []
        while line := self.answer.readline():
            if line == b"\n":
                return lines
            lines.append(line.decode().rstrip("\n"))
        raise ConnectionError("the stream has ended")

    def comment(self) -> str:
        """The next comment."""
        while not (lines := self.block())[0].startswith(":"):
            pass
        return lines[0]

    def event(self) -> dict[str, Any]:
        """The data of the next event; its id must be its seq."""
        while (lines := self.block())[0].startswith(":"):
            pass
        fields = dict(line.split(": ", 1) for line in lines)
        data = json.loads(fields["data"])
        assert fields["id"] == str(data["seq"])
        return data | {"event": fields["event"]}

    def until(self, **wanted: Any) -> dict[str, Any]:
        """The first event from here on that says all this."""
        while True:
            event = self.event()
            if wanted.items() <= event.items():
                return event

    def close(self) -> None:
        """Hangs up."""
        self.answer.close()
        self.connection.close()


class Clerk:
    """Somebody with a token who uses the API of a running hub."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {hub.token('clerk')}"

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """A POST of the API; HTTPError for a refusal."""
        answer = self.session.post(self.hub.url(path), json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def give(self, service: str = "padro") -> dict[str, Any]:
        """A new ticket of reception."""
        return self.post(f"{OFFICE}/tickets", service=service)

    def desk(self, verb: str, desk: str = "1", **body: Any) -> dict[str, Any]:
        """A verb of a desk."""
        return self.post(f"{OFFICE}/desks/{desk}/{verb}", **body)


@contextmanager
def dispenser(mosquitto: Mosquitto) -> Iterator[mqtt.Client]:
    """A connection to the broker, as a dispenser has it."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="montroig-dispenser-1")
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    wait_until(client.is_connected, 10, "the dispenser's connection")
    yield client
    client.disconnect()
    client.loop_stop()


def issued(token: str, day: str, label: str = "P001") -> bytes:
    """A dispenser's first fact: it has given out this ticket."""
    fact = {"journal": "j1", "seq": 1, "at": wire.stamp(now()), "day": day, "fact": "ticket.issued"}
    ticket = {"ticket": str(uuid.uuid4()), "token": token, "service": "padro", "label": label}
    return wire.encode("fact", fact | ticket)
