"""The drill: the hub's disk is lost; from the backup, and from what the dispensers keep, nothing printed is lost."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from tests.e2e.dispensers import Dispenser
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, program, wait_until

DEVICE = "montroig-dispenser-1"
PERSON = {"document": {"kind": "dni", "number": "12345678Z"}, "name": "Maria Vidal Roca"}


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hub]:
    hub = Hub(tmp_path / "data", broker=mosquitto.url).start()
    yield hub
    hub.stop()


def key_pair(folder: Path) -> tuple[Path, Path]:
    """As docs/hub.md says: made elsewhere, and only the public half comes to the hub's machine."""
    private, public = folder / "backup.key", folder / "backup.pub"
    subprocess.run([program("openssl"), "genpkey", "-algorithm", "x25519", "-out", private], check=True)
    subprocess.run([program("openssl"), "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


def stored(hub: Hub, papers: list[tuple[str, str]]) -> bool:
    """Whether the hub knows every ticket that was printed, by its very label."""
    answers = [(label, requests.get(hub.url(f"/api/v1/tickets/{token}"), timeout=5)) for label, token in papers]
    return all(answer.status_code == 200 and answer.json()["label"] == label for label, answer in answers)


def booked(hub: Hub) -> str:
    """Somebody books for the day after tomorrow; the appointment's id."""
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    asked = {"service": "padro", "from": day, "to": day}
    slots = requests.get(hub.url("/api/v1/offices/mont-roig/slots"), asked, timeout=10).json()["slots"]
    wish = {"office": "mont-roig", "service": "padro", "start": slots[0]["start"], **PERSON}
    answer = requests.post(hub.url("/api/v1/appointments"), json=wish, timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.json()["appointment"]


def people(folder: Path) -> int:
    """Of how many appointments the database knows whose they are."""
    with sa.create_engine(f"sqlite:///{folder / 'torn.db'}").connect() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM people")).scalar()


def test_after_the_loss_of_the_hubs_disk_nothing_printed_is_lost_and_what_was_erased_stays_erased(
    house: Hub, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    private, public = key_pair(tmp_path)
    dispenser = Dispenser(DEVICE, tmp_path / "device", mosquitto.port, 24, 7).start()
    appointment = booked(house)
    wait_until(lambda: len(dispenser.papers) >= 8 and stored(house, dispenser.papers), 60, "eight tickets")
    backup = house.command_line("backup", str(tmp_path / "backups"), "--recipient", str(public))
    wait_until(lambda: dispenser.finished and stored(house, dispenser.papers), 60, "the rest of the tickets")

    house.kill()
    shutil.rmtree(house.folder)
    (tmp_path / "erased").write_text(f"{appointment}\n")
    where = ("--key", str(private), "--offices", str(ROUND_THE_CLOCK), "--erased", str(tmp_path / "erased"))
    said = house.command_line("restore", backup, *where)
    assert people(house.folder) == 0
    house.start()

    assert re.search(r"; [1-9]\d* with the data of people who were erased since are not", said)
    wait_until(lambda: stored(house, dispenser.papers), 60, "all that was printed, sent again by the dispenser")
    assert max(Counter(label for label, _ in dispenser.papers).values()) == 1
    dispenser.kill()
    dispenser.presses += 6
    dispenser.start()
    wait_until(lambda: dispenser.finished and stored(house, dispenser.papers), 60, "six more tickets")
    dispenser.stop()
    assert max(Counter(label for label, _ in dispenser.papers).values()) == 1
