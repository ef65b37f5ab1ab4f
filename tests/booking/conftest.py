"""Offices to book at: a plan for the pure rules, a store on both databases, the application, the real hub."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hub.booking.appointments import Appointment, Person
from hub.booking.documents import document
from hub.bridge.bridge import adopt
from hub.clock import now
from hub.line.plan import DeskPlan, Moment, Plan, Rules, Service, local, moment
from hub.link import Broker, Link
from hub.offices import Fleet, read_offices
from hub.store import Store, staff
from hub.store import appointments as store_of
from hub.store.upgrade import upgrade
from hub.web.app import create_app
from hub.web.live import Live
from tests.parts import ROUND_THE_CLOCK, free_port

TUESDAY = date(2026, 11, 24)
LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def office(desks: int = 1, minutes: int = 10, **rules: Any) -> Plan:
    """An office open from 9 to 14 h on weekdays, whose desks all serve all; no share is kept unless asked for."""
    kept = {"walk_in_share": 0.0, "internal_share": 0.0, "lead_minutes": 0} | rules
    services = (
        Service("padro", "P", {"ca": "Padró"}, minutes),
        Service("tributs", "T", {"ca": "Tributs"}, 20),
        Service("registre", "R", {"ca": "Registre"}, 10),
        Service("informacio", "A", {"ca": "Informació"}, 5, bookable=False),
    )
    every = tuple(service.id for service in services)
    return Plan(
        office="mont-roig",
        name="OMAC",
        timezone="Europe/Madrid",
        services=services,
        desks=tuple(DeskPlan(str(number), every) for number in range(1, desks + 1)),
        hours=(((540, 840),),) * 5 + ((),) * 2,
        rules=Rules(**kept),
    )


def at(plan: Plan, hour: int, minute: int = 0, day: date = TUESDAY) -> Moment:
    """An hour on the office's clock."""
    return moment(plan, day, hour * 60 + minute)


def dni(number: int) -> str:
    """A DNI with the letter that goes with it."""
    return f"{number:08d}{LETTERS[number % 23]}"


def somebody(number: int = 12345678) -> Person:
    """A person with a DNI of their own."""
    return Person(f"Persona {number}", document("dni", dni(number)))


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """An empty database with its tables."""
    opened = Store(database)
    upgrade(opened)
    yield opened
    opened.dispose()


@dataclass
class Desk:
    """Books at one office of a store, at one moment."""

    store: Store
    plan: Plan
    now: Moment

    def book(self, start: Moment, number: int = 12345678, services: tuple[str, ...] = ("padro",)) -> Appointment:
        """Books for the person with this DNI."""
        asked = store_of.new(self.plan.office, services, start, person=somebody(number))
        return self.act(store_of.book, asked)

    def act(self, what: Any, *words: Any, **more: Any) -> Any:
        """Does something in one transaction, now."""
        return self.store.transact(lambda work: what(work, self.plan, *words, self.now, **more), one_view=False)

    def free(self, start: Moment, services: tuple[str, ...] = ("padro",)) -> int:
        """How many places the web offers at that time."""
        found = store_of.free_slots(self.store, self.plan, services, TUESDAY, TUESDAY, self.now)
        return next((slot.free for slot in found if slot.start == start), 0)

    def later(self, ms: int) -> "Desk":
        """The same, so much later."""
        return replace(self, now=self.now + ms)


@pytest.fixture
def desk(store: Store) -> Desk:
    """An office with one desk, on a Tuesday at eight."""
    plan = office()
    return Desk(store, plan, at(plan, 8))


# --- the application --------------------------------------------------------------------------


@dataclass
class Web:
    """The application, and who talks to it."""

    app: Flask
    store: Store
    fleet: Fleet

    def client(self, role: str | None = None, at_office: str | None = None) -> FlaskClient:
        """A program: nobody's, or with the token of a role."""
        client = self.app.test_client()
        if role:
            token = staff.new_token(self.store, role, now(), at_office)
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return client

    def slots(self, office: str = "mont-roig", service: str = "padro", **more: str) -> list[dict[str, Any]]:
        """What the web can book in the coming days."""
        answer = self.client().get(f"/api/v1/offices/{office}/slots", query_string={"service": service, **more})
        assert answer.status_code == 200, answer.text
        return answer.get_json()["slots"]

    def asked(self, number: int = 12345678, **more: Any) -> dict[str, Any]:
        """The body of a booking of the first place that is free for it."""
        wanted = {"office": "mont-roig", "service": "padro", "name": "Maria Vidal"} | more
        wanted.setdefault("document", {"kind": "dni", "number": dni(number)})
        if "start" not in wanted:
            services = [wanted["service"]] if isinstance(wanted["service"], str) else wanted["service"]
            wanted["start"] = self.slots(wanted["office"], ",".join(services))[0]["start"]
        return wanted


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """The application of the two sample offices, open round the clock."""
    store = Store(f"sqlite:///{tmp_path / 'torn.db'}")
    upgrade(store)
    fleet = open_now()
    for each in fleet.plans:
        adopt(store, fleet, each)
    link = Link(Broker("127.0.0.1", free_port()), "test")
    yield Web(create_app(store, fleet, Live(store, fleet, link), link, "http://localhost"), store, fleet)
    store.dispose()


def open_now() -> Fleet:
    """The two sample offices, open round the clock; their day does not end before the next hour that can be booked."""
    fleet = read_offices(ROUND_THE_CLOCK)
    return replace(fleet, plans={id: _not_about_to_end(plan) for id, plan in fleet.plans.items()})


def _not_about_to_end(plan: Plan) -> Plan:
    """The office with its day's end moved, if it were to come before the next hour that can be booked."""
    return replace(plan, day_starts=300) if local(plan, now()).hour == 3 else plan
