"""A morning with seeded people through the real processes: nothing of theirs is anywhere it should not be."""

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.booking.conftest import dni
from tests.booking.mailbox import Mailbox
from tests.booking.test_morning import OFFICE, Morning, at_work
from tests.parts import Hub, Mosquitto, wait_until, where_it_is_noon

API = "/api/v1/appointments"


@dataclass(frozen=True)
class Seeded:
    """Somebody whose data can be recognised wherever it turns up."""

    number: int

    @property
    def body(self) -> dict[str, Any]:
        """What they are asked for when they book."""
        n = self.number
        kept = {"name": f"Quimà{n} Folgueroles", "email": f"bustia{n}@correu.example", "phone": f"+34 699 {n:06d}"}
        document = {"kind": "dni", "number": self.document}
        return kept | {"document": document, "note": f"vinclòs{n}", "office": "mont-roig", "service": "padro"}

    @property
    def document(self) -> str:
        """A DNI like 70-000-001 with its letter."""
        return dni(70_000_000 + self.number)


# A document has its letter, and bare digits stand alone: so no clock and no random id looks like one.
LEAK = re.compile(
    r"Quim|Folguerol|bustia|correu\.example|correu%2E|vincl|7000\d{4}[A-Z]|\+34 ?699|(?<![\w-])699000\d{3}(?![\w-])"
)


def leaks(text: str) -> list[str]:
    """What of anybody's data can be read in a text, with a few letters around it."""
    return [text[max(0, found.start() - 60) : found.end() + 30] for found in LEAK.finditer(text)][:5]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server that refuses some, and repeats their address when it does."""
    running = Mailbox()
    yield running
    running.stop()


@pytest.fixture
def hub(tmp_path: Path, mosquitto: Mosquitto, mailbox: Mailbox) -> Iterator[Hub]:
    """The whole hub, which sends its messages."""
    settings = {"TORN_SMTP": f"smtp://127.0.0.1:{mailbox.port}", "TORN_MAIL_FROM": "no-reply@torn.cat"}
    offices = where_it_is_noon(tmp_path)
    running = Hub(tmp_path / "hub", offices=offices, broker=mosquitto.url, environment=settings).start()
    yield running
    running.stop()


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_of_a_whole_morning_no_persons_data_is_in_messages_tables_files_or_what_is_printed(
    hub: Hub, mosquitto: Mosquitto, mailbox: Mailbox, tmp_path: Path, count: int
) -> None:
    some = [Seeded(number) for number in range(1, count + 1)]
    personal = [some[0].body[name] for name in ("name", "email", "phone", "note", "document")]
    assert all(leaks(str(each)) for each in [*personal, "699000001"])

    with at_work(hub, mosquitto) as morning:
        booked = book(morning, some)
        move_and_cancel(morning, some, booked)
        come(morning, some, booked)
        go_wrong(morning, some, booked)
        wait_until(lambda: len(mailbox.mails) >= count, 60, "the confirmations")
        heard = "\n".join(f"{topic} {payload.decode()}" for topic, payload in morning.heard)
    hub.stop()

    rows = tables(tmp_path / "hub" / "torn.db")
    assert "C001" in heard and "C001" in rows["log"] and rows["people"] and rows["facts"] and rows["answers"]
    assert leaks(heard) == []
    assert {name: leaks(text) for name, text in rows.items() if leaks(text)} == {}
    assert leaks("\n".join(hub.lines)) == []
    files = [*(tmp_path / "hub").rglob("*"), *(tmp_path / "mosquitto").rglob("*")]
    assert [path.name for path in files if path.is_file() and leaks(read(path))] == []


def book(morning: Morning, some: list[Seeded]) -> list[dict[str, Any]]:
    """Everybody books: the first for now, the others for hours to come."""
    coming = [slot["start"] for slot in morning.api("get", f"{OFFICE}/slots?service=padro")["slots"]]
    starts = [*coming[:1] * 2, *coming[1:3] * 2, *coming[20:]]
    pairs = zip(some, starts, strict=False)
    return [morning.api("post", API, 201, json=each.body | {"start": start}) for each, start in pairs]


def move_and_cancel(morning: Morning, some: list[Seeded], booked: list[dict[str, Any]]) -> None:
    """Some change their mind, by staff, by their secret or by their document."""
    free = [slot["start"] for slot in morning.api("get", f"{OFFICE}/slots?service=padro")["slots"]]
    for one, start in zip(booked[10::7], free[3:], strict=False):
        morning.api("patch", f"{API}/{one['locator']}?secret={one['secret']}", json={"start": start})
    for each, one in list(zip(some, booked, strict=True))[11::7]:
        morning.api("delete", f"{API}/{one['locator']}?document={each.document}")


def come(morning: Morning, some: list[Seeded], booked: list[dict[str, Any]]) -> None:
    """Some come: to the dispenser, to reception, to a desk."""
    for label, one in enumerate(booked[:3], 1):
        morning.tell("appointment.checked_in", appointment=morning.listed(one)["id"], label=f"C{label:03d}")
    morning.tell("appointment.checked_in", appointment=booked[11]["appointment"], label="C009")  # cancelled
    here = {"document": {"kind": "dni", "number": some[3].document}}
    morning.api("post", f"{OFFICE}/check-ins", 201, json=here)
    morning.api("post", f"{OFFICE}/check-ins", 409, json=here)
    assert [morning.call()["label"][0] for _ in range(4)] == ["C"] * 4
    shown = morning.api("get", f"{OFFICE}/desks/1/person"), morning.api("get", f"{OFFICE}/expected")
    assert all(leaks(json.dumps(answer, ensure_ascii=False)) for answer in shown)
    assert leaks(morning.hub.command_line("people", "export", "--document", some[5].document))
    assert not leaks(morning.hub.command_line("people", "erase", "--document", some[5].document))


def go_wrong(morning: Morning, some: list[Seeded], booked: list[dict[str, Any]]) -> None:
    """What is refused names nobody either, to whom it is refused or in the log."""
    one = some[6]
    again = one.body | {"start": booked[6]["start"]}
    wrong_letter = {"kind": "dni", "number": one.document[:-1] + ("A" if one.document[-1] != "A" else "B")}
    refused = [
        (API, again),
        (API, again | {"document": wrong_letter}),
        (API, again | {"email": f"{one.body['email']} x", "phone": f"{one.body['phone']}x"}),
        (API, again | {"name": one.body["name"] * 40}),
        (API, again | {"office": one.body["name"]}),
        (API, [one.body]),
        (f"{API}/{one.document}", one.body),
        (f"{OFFICE}/check-ins", {"document": wrong_letter}),
        (f"{OFFICE}/check-ins", {"locator": one.document[:-1]}),
    ]
    staff = {"Authorization": f"Bearer {morning.token}"}
    for path, body in refused:
        assert requests.post(morning.hub.url(path), json=body, headers=staff, timeout=20).status_code >= 400
    for path in (f"/{one.document}", f"/t/{one.document}", f"{API}/000000000?document={one.document}"):
        requests.get(morning.hub.url(path), timeout=20)
    cut = json.dumps(one.body)[:-5]
    head = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    assert requests.post(morning.hub.url(API), data=cut, headers=head, timeout=20).status_code >= 400
    nobody = Seeded(999).body | {"email": "nobody.bustia@correu.example", "start": booked[-1]["start"]}
    morning.api("post", API, 201, json=nobody)
    wait_until(lambda: any("a message was not sent" in line for line in morning.hub.lines), 90, "the mail refused")


def tables(database: Path) -> dict[str, str]:
    """Each table's rows as text."""
    with sqlite3.connect(database) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}


def read(path: Path) -> str:
    """A file's bytes, each as one letter, and as UTF-8 where it is that."""
    raw = path.read_bytes()
    return raw.decode("latin-1") + raw.decode("utf-8", "ignore")
