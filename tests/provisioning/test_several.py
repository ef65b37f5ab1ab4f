"""Several processes on PostgreSQL behind the made nginx: each is restarted in turn while people are called."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from provisioning.fleet import Fleet
from provisioning.keys import Keys
from tests.parts import Hub, Mosquitto, wait_until
from tests.provisioning.nginx import Nginx
from tests.provisioning.test_server import several

DESK = "/api/v1/offices/mont-roig/desks/1"
PEOPLE = 20
PARTS = {"bridge-1": "bridge", "bridge-2": "bridge", "web-1": "web", "web-2": "web", "forecaster": "forecast run"}
PATIENCE = 20  # seconds for an answer, however often it has to be asked for


class Phone(threading.Thread):
    """Holds its ticket's stream open through nginx, and comes back at once when it ends; `told` is what it was told."""

    def __init__(self, nginx: Nginx, token: str) -> None:
        super().__init__(daemon=True)
        self.url, self.ca, self.told, self.away = nginx.url(f"/t/{token}/events"), nginx.folder / "ca.pem", [], [0.0]
        self.ending = threading.Event()

    def run(self) -> None:
        """Until `ending`."""
        cut = time.monotonic()
        while not self.ending.is_set():
            try:
                with requests.get(self.url, verify=self.ca, stream=True, timeout=(2, 20)) as stream:
                    for line in stream.iter_lines(chunk_size=1):
                        if line.startswith(b"data: "):
                            self.told.append(json.loads(line[6:]))
                            self.away.append(time.monotonic() - cut if cut else 0.0)
                            cut = 0.0
                        if self.ending.is_set():
                            return
            except requests.RequestException:
                self.ending.wait(0.05)
            cut = cut or time.monotonic()


class Clerk:
    """Posts through nginx; what is not answered is sent again under the same key, as our own pages do."""

    def __init__(self, nginx: Nginx, token: str) -> None:
        self.nginx, self.session = nginx, requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.ca = str(nginx.folder / "ca.pem")

    def post(self, path: str, key: str, body: dict | None = None) -> dict:
        """The answer."""
        return wait_until(lambda: self._once(path, key, body), PATIENCE, f"an answer to {path}")

    def _once(self, path: str, key: str, body: dict | None) -> dict | None:
        try:
            headers = {"Idempotency-Key": key}
            answer = self.session.post(
                self.nginx.url(path), json=body or {}, headers=headers, verify=self.ca, timeout=5
            )
        except requests.RequestException:
            return None
        assert answer.status_code < 400 or answer.status_code >= 500, answer.text
        return answer.json() if answer.status_code in (200, 201) else None


@pytest.fixture
def parts(tmp_path: Path, postgres_url: str, mosquitto: Mosquitto) -> Iterator[dict[str, Hub]]:
    """Two web and two bridge processes and a forecaster on one database and one broker."""
    running = {
        name: Hub(tmp_path / name, part=part, broker=mosquitto.url, database=postgres_url)
        for name, part in PARTS.items()
    }
    for part in running.values():
        part.start()
    yield running
    for part in running.values():
        part.stop(PATIENCE * 2)  # the forecaster lets everybody else go first


@pytest.fixture
def front(parts: dict[str, Hub], fleet: Fleet, keys: Keys, tmp_path: Path) -> Iterator[Nginx]:
    nginx = Nginx(tmp_path, several(fleet), keys, [parts["web-1"].http, parts["web-2"].http]).start()
    yield nginx
    nginx.stop()


@pytest.mark.timeout(180)
def test_while_every_process_is_restarted_in_turn_no_call_is_lost_and_every_phone_learns_of_its_own(
    parts: dict[str, Hub], front: Nginx
) -> None:
    clerk = Clerk(front, parts["web-1"].token("clerk"))
    given = [clerk.post("/api/v1/offices/mont-roig/tickets", f"t{n}", {"service": "padro"}) for n in range(PEOPLE)]
    phones = {ticket["label"]: Phone(front, ticket["token"]) for ticket in given}
    for phone in phones.values():
        phone.start()
    called: list[str] = []

    for name in ("web-1", "bridge-1", "web-2", "bridge-2", "forecaster"):
        restarting = threading.Thread(target=lambda part=parts[name]: (part.stop(PATIENCE * 2), part.start()))
        restarting.start()
        called += [clerk.post(f"{DESK}/next", f"{name}-{n}")["label"] for n in range(3)]
        restarting.join(60)
        called.append(clerk.post(f"{DESK}/next", f"{name}-after")["label"])

    assert called == [ticket["label"] for ticket in given]  # each once, in the order they came
    for label in called:
        told, last = phones[label].told, "called" if label == called[-1] else "done"
        wait_until(lambda told=told, last=last: told and told[-1]["state"] == last, 20, f"{label}: {last}")
    wait_until(lambda: "ready" in parts["forecaster"].lines, 30, "the forecaster's being ready again")
    for phone in phones.values():
        phone.ending.set()
    assert max(away for phone in phones.values() for away in phone.away) < 5  # seconds; the page says so after six
