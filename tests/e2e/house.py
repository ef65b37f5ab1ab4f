"""Two offices at work: the hub, a broker, and the bench with every machine on it, each pressed through its doors."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from firmware import wire
from tests.e2e.recorder import Recorder
from tests.parts import ROUND_THE_CLOCK, Bench, Hub, Mosquitto, wait_until

OFFICE, DISPENSER, DESK, BOARD = "mont-roig", "montroig-dispenser-1", "montroig-desk-1", "montroig-board-1"


class House:
    """What one can do and see in it."""

    def __init__(self, hub: Hub, bench: Bench, recorder: Recorder) -> None:
        self.hub, self.bench, self.recorder = hub, bench, recorder
        self.header = {"Authorization": f"Bearer {hub.token('clerk')}"}

    def hand(self, *path: str) -> None:
        """A hand on the bench: ("press", device, button), ("break", device, fault)…"""
        requests.post(self.bench.url("/" + "/".join(path)), timeout=10).raise_for_status()

    def clerk_presses(self, gesture: str) -> None:
        """A gesture at the first desk's one button; again, as a clerk would, while the sign says that it changed."""
        wait_until(lambda: self._answer_to(gesture).get("why") != "out_of_date", what=f"a {gesture} press in time")

    def _answer_to(self, gesture: str) -> dict[str, Any]:
        asked = wire.device_topic(DESK, "answer")
        before = len(self.recorder.of(asked))
        self.hand("press", DESK, "next", gesture)
        wait_until(lambda: len(self.recorder.of(asked)) > before, what="the answer to a press")
        return self.recorder.of(asked)[before]

    def view(self, machine: str) -> dict[str, Any]:
        """What is to be seen of a machine."""
        machines = requests.get(self.bench.url("/machines"), timeout=5).json()["machines"]
        return next(each for each in machines if each["id"] == machine)

    def take_paper(self, service: str = "padro") -> str:
        """Presses a service's button; the address behind the QR of the slip that comes out."""
        before = _newest(self.view(DISPENSER))
        self.hand("press", DISPENSER, service)
        wait_until(lambda: _newest(self.view(DISPENSER)) > before, 10, "the paper")
        return self.view(DISPENSER)["papers"][-1]["links"][0]

    def at_desk(self, act: str, desk: str = "1", **body: object) -> requests.Response:
        """A desk's act by API."""
        address = self.hub.url(f"/api/v1/offices/{OFFICE}/desks/{desk}/{act}")
        return requests.post(address, json=body, headers=self.header, timeout=10)

    def give_ticket(self, service: str = "padro") -> requests.Response:
        """A ticket of reception's."""
        address = self.hub.url(f"/api/v1/offices/{OFFICE}/tickets")
        return requests.post(address, json={"service": service}, headers=self.header, timeout=10)

    def ticket(self, token: str) -> dict[str, Any]:
        """What the phone of a ticket is told; an empty answer while the hub does not know of it."""
        answer = requests.get(self.hub.url(f"/api/v1/tickets/{token}"), timeout=10)
        return answer.json() if answer.ok else {}

    def ready(self) -> int:
        """The status of /readyz; 0 while nobody answers."""
        try:
            return requests.get(self.hub.url("/readyz"), timeout=10).status_code
        except requests.RequestException:
            return 0

    def all_here(self) -> bool:
        """Whether every machine on the bench hears the hub."""
        machines = requests.get(self.bench.url("/machines"), timeout=5).json()["machines"]
        return all(each["connected"] for each in machines)


def _newest(view: dict[str, Any]) -> int:
    return view["papers"][-1]["n"] if view["papers"] else 0


def token_of(address: str) -> str:
    """The ticket's token in a tracking address."""
    return address.rsplit("/", 1)[1]


@contextmanager
def a_house(
    folder: Path, broker: Mosquitto | None, machines_at: int | None = None, database: str | None = None
) -> Iterator[House]:
    """A house with all its machines connected. Without a broker the hub brings its own.

    `machines_at` is the port that the machines believe to be the broker's.
    """
    with ExitStack() as closing:
        hub = Hub(folder / "hub", broker=broker.url if broker else None, database=database)
        closing.callback(hub.stop)
        hub.start()
        port = broker.port if broker else hub.mqtt
        recorder = Recorder(port)
        closing.callback(recorder.stop)
        recorder.start()
        bench = Bench(machines_at or port, ROUND_THE_CLOCK, "--data", folder / "cards")
        closing.callback(bench.stop)
        house = House(hub, bench.start(), recorder)
        wait_until(house.all_here, 20, "the machines' connection")
        wait_until(lambda: house.view(DISPENSER)["light"], 10, "the dispenser's lamps")
        yield house
