"""The dispensers' agenda: today's appointments as digests, made once, with a key of the day."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices import agenda as machines
from firmware import wire
from hub.booking.appointments import Appointment, Standing
from hub.booking.errors import NoAppointment
from hub.booking.slots import TAKEN_OVER
from hub.bridge.agenda import Agenda, entry
from hub.bridge.bridge import adopt
from hub.bridge.intake import take_facts
from hub.bridge.presence import topics_of
from hub.bridge.relay import config_document
from hub.clock import now
from hub.line.plan import MINUTE, Plan, day_of, local
from hub.offices import Fleet
from hub.store import Store, agendas, schema
from hub.store import appointments as store_of
from hub.store.upgrade import upgrade
from tests.booking.conftest import dni, open_now, somebody

DISPENSER = "montroig-dispenser-1"


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """The two sample offices, open round the clock."""
    return open_now()


@pytest.fixture
def shop(tmp_path: Path, fleet: Fleet) -> Iterator[Store]:
    """A database of the two offices, their day begun."""
    opened = Store(f"sqlite:///{tmp_path / 'torn.db'}")
    upgrade(opened)
    for office in fleet.plans:
        adopt(opened, fleet, office)
    yield opened
    opened.dispose()


def book(shop: Store, fleet: Fleet, number: int | None = 12345678, office: str = "mont-roig") -> Appointment:
    """An appointment in this minute, or the next; at midnight, if its ten minutes would end after that."""
    start = -(-now() // MINUTE) * MINUTE
    wall = local(fleet.plans[office], start)
    start += (60 - wall.minute) * MINUTE if (wall.hour, wall.minute > 50) == (23, True) else 0
    person = somebody(number) if number else replace(somebody(), document=None)
    asked = store_of.new(office, ("padro",), start, person=person, public=False)
    plan = fleet.plans[office]
    return shop.transact(lambda work: store_of.book(work, plan, asked, now(), TAKEN_OVER), one_view=False)


@pytest.fixture
def agenda(shop: Store, fleet: Fleet) -> Agenda:
    """An agenda that looks when it is told to."""
    return Agenda(shop, fleet, lambda: True)


def today(fleet: Fleet) -> str:
    """The offices' day."""
    return day_of(fleet.plans["mont-roig"], now())


def test_the_agenda_has_every_offices_appointments_as_digests_and_nobodys_data(
    agenda: Agenda, shop: Store, fleet: Fleet
) -> None:
    one, other = book(shop, fleet), book(shop, fleet, 87654321, "miami-platja")

    agenda.look()

    document = agenda.of(today(fleet))
    wire.check("agenda", document)
    entries = {entry["id"]: entry for entry in document["appointments"]}
    assert set(entries) == {one.id, other.id}
    assert entries[one.id]["document"] == wire.digest(document["key"], dni(12345678))
    assert entries[one.id]["locator"] == wire.digest(document["key"], one.locator)
    assert (entries[other.id]["office"], entries[one.id]["start"]) == ("miami-platja", wire.stamp(one.start))
    text = json.dumps(document)
    assert not [word for word in (dni(12345678), one.locator, one.secret, "Persona") if word in text]


def test_who_gave_no_document_is_found_by_locator_alone(agenda: Agenda, shop: Store, fleet: Fleet) -> None:
    book(shop, fleet, None)

    agenda.look()

    (entry,) = agenda.of(today(fleet))["appointments"]
    assert entry["document"] is None
    assert entry["locator"]


def test_a_cancelled_appointment_leaves_the_agenda_and_one_checked_in_says_its_number(
    agenda: Agenda, shop: Store, fleet: Fleet
) -> None:
    one, other = book(shop, fleet, 1), book(shop, fleet, 2)
    agenda.look()
    plan = fleet.plans["mont-roig"]
    shop.transact(lambda work: store_of.cancel(work, plan, one, now()), one_view=False)
    shop.transact(lambda work: take_facts(work, fleet.devices[DISPENSER], "j", [arrival(1, other, fleet)], now()))

    agenda.look()

    (entry,) = agenda.of(today(fleet))["appointments"]
    assert (entry["id"], entry["label"]) == (other.id, "C007")


def test_digests_are_made_once_and_serve_whoever_takes_over(agenda: Agenda, shop: Store, fleet: Fleet) -> None:
    one = book(shop, fleet)
    agenda.look()
    with shop.begin(write=True) as connection:  # a digest that nobody could have made again
        connection.execute(schema.digests.update().values(locator="made-before"))

    heir = Agenda(shop, fleet, lambda: True)
    heir.look()

    (entry,) = heir.of(today(fleet))["appointments"]
    assert (entry["id"], entry["locator"]) == (one.id, "made-before")


def test_a_look_without_news_makes_nothing_new(agenda: Agenda, shop: Store, fleet: Fleet) -> None:
    book(shop, fleet)
    agenda.look()
    before = agenda.of(today(fleet))

    agenda.look()

    assert agenda.of(today(fleet)) is before


def test_another_document_of_the_same_appointment_gets_another_digest(
    agenda: Agenda, shop: Store, fleet: Fleet
) -> None:
    one = book(shop, fleet, 1)
    agenda.look()
    plan = fleet.plans["mont-roig"]
    shop.transact(lambda work: store_of.change(work, plan, one, now(), person=somebody(2)), one_view=False)

    agenda.look()

    document = agenda.of(today(fleet))
    assert document["appointments"][0]["document"] == wire.digest(document["key"], dni(2))


def test_each_day_has_a_key_of_its_own_and_the_old_ones_are_forgotten(shop: Store) -> None:
    first = shop.transact(lambda work: agendas.key_of(work, "2026-11-24"))
    shop.transact(lambda work: agendas.keep(work, "2026-11-24", {"a": ("x", None)}))

    second = shop.transact(lambda work: agendas.key_of(work, "2026-11-25"))

    assert first != second
    assert shop.transact(lambda work: agendas.key_of(work, "2026-11-25")) == second
    with shop.begin() as connection:
        assert connection.execute(sa.select(schema.agendas.c.day)).scalars().all() == ["2026-11-25"]
        assert agendas.known(connection, "2026-11-24") == {}


def test_a_full_agenda_fits_into_one_message(agenda: Agenda, shop: Store, fleet: Fleet) -> None:
    one = book(shop, fleet)
    agenda.look()
    document = agenda.of(today(fleet))
    (entry,) = document["appointments"]

    full = document | {
        "appointments": [entry | {"label": "C007", "ticket": "0" * 8 + "-0000-0000-0000-" + "0" * 12}] * 500
    }

    assert len(wire.encode("agenda", full)) < wire.LARGE
    assert entry["id"] == one.id


def test_the_agenda_is_a_topic_of_every_dispenser_and_of_nothing_else(fleet: Fleet) -> None:
    found = {topic for topic in topics_of(fleet) if topic.endswith("/agenda")}

    assert found == {wire.device_topic(d.id, "agenda") for d in fleet.devices.values() if d.kind == "dispenser"}


def test_a_dispenser_is_told_when_one_is_early_or_late(shop: Store, fleet: Fleet) -> None:
    state = shop.state("mont-roig")

    document = config_document(state, fleet.devices[DISPENSER], now(), "http://localhost/t/")

    assert (document["early_minutes"], document["late_minutes"]) == (30, 15)


# --- facts ------------------------------------------------------------------------------------


def arrival(seq: int, one: Appointment, fleet: Fleet, **more: object) -> dict:
    """The fact that somebody checked in at the dispenser."""
    uuid = f"00000000-0000-0000-0000-{seq:012d}"
    fact = {"journal": "j", "seq": seq, "at": wire.stamp(now()), "day": today(fleet)}
    fact |= {"fact": "appointment.checked_in", "ticket": uuid, "token": f"token-{seq:020d}"}
    return fact | {"appointment": one.id, "label": f"C{6 + seq:03d}"} | more


def take(shop: Store, fleet: Fleet, *facts: dict) -> list[str | None]:
    """Hands facts to the intake; why each one was refused."""
    shop.transact(lambda work: take_facts(work, fleet.devices[DISPENSER], "j", list(facts), now()))
    with shop.begin() as connection:
        return list(connection.execute(sa.select(schema.facts.c.refused).order_by(schema.facts.c.seq)).scalars())


def test_a_check_in_at_the_dispenser_keeps_the_number_on_its_paper(shop: Store, fleet: Fleet) -> None:
    one = book(shop, fleet)

    assert take(shop, fleet, arrival(1, one, fleet, language="fr")) == [None]

    (ticket,) = shop.state("mont-roig").tickets.values()
    assert (ticket.label, ticket.services, ticket.language) == ("C007", ("padro",), "fr")
    assert (ticket.appointment.id, ticket.appointment.late) == (one.id, False)


def test_a_check_in_heard_of_late_by_a_network_that_was_down_is_not_late(shop: Store, fleet: Fleet) -> None:
    one = book(shop, fleet)
    fact = arrival(1, one, fleet, at=wire.stamp(one.start + MINUTE))

    shop.transact(lambda work: take_facts(work, fleet.devices[DISPENSER], "j", [fact], one.start + MINUTE * 20))

    (ticket,) = shop.state("mont-roig").tickets.values()
    assert not ticket.appointment.late


def test_what_cannot_be_checked_in_is_stored_as_refused_and_blocks_nothing(shop: Store, fleet: Fleet) -> None:
    plan = fleet.plans["mont-roig"]
    cancelled, elsewhere, fine = book(shop, fleet, 1), book(shop, fleet, 2, "miami-platja"), book(shop, fleet, 3)
    shop.transact(lambda work: store_of.cancel(work, plan, cancelled, now()), one_view=False)
    some = [cancelled, elsewhere, replace(fine, id="never-heard-of"), fine, fine]

    refused = take(shop, fleet, *(arrival(seq, one, fleet) for seq, one in enumerate(some, 1)))

    assert [reason is None for reason in refused] == [False, False, False, True, False]
    assert "no appointment" in refused[0]
    assert "already" in refused[4]
    assert [ticket.label for ticket in shop.state("mont-roig").tickets.values()] == ["C010"]


def test_a_paper_that_was_not_printed_lets_its_owner_check_in_again(shop: Store, fleet: Fleet) -> None:
    one = book(shop, fleet)
    first = arrival(1, one, fleet)
    void = {"journal": "j", "seq": 2, "at": first["at"], "day": first["day"], "fact": "ticket.voided"}

    refused = take(shop, fleet, first, void | {"ticket": first["ticket"], "why": "printer"}, arrival(3, one, fleet))

    assert refused == [None, None, None]
    assert [ticket.label for ticket in shop.state("mont-roig").tickets.values() if ticket.stage == "waiting"] == [
        "C009"
    ]


# --- the same answer everywhere ---------------------------------------------------------------

ONE = st.tuples(
    st.sampled_from(["mont-roig", "miami-platja"]),
    st.integers(-240, 240),  # minutes from now
    st.sampled_from([Standing.BOOKED, Standing.ARRIVED, Standing.CANCELLED]),
)


@given(st.lists(ONE, max_size=4))
@example([("mont-roig", -10, Standing.ARRIVED), ("mont-roig", 200, Standing.BOOKED)])
@example([("mont-roig", -10, Standing.ARRIVED), ("mont-roig", 20, Standing.BOOKED)])
@settings(max_examples=30)
def test_a_document_means_the_same_appointment_at_the_machine_without_a_network_and_at_reception(
    fleet: Fleet, some: list[tuple[str, int, Standing]]
) -> None:
    noon = wire.instant("2026-11-24T12:00:00.000Z")
    booked = [
        Appointment(f"a{n}", office, ("padro",), noon + minutes * MINUTE, f"{n:09d}", standing)
        for n, (office, minutes, standing) in enumerate(some)
    ]
    booked = [replace(one, label="C001" if one.standing is Standing.ARRIVED else None) for one in booked]

    assert at_the_machine(fleet.plans["mont-roig"], booked, noon) == at_reception(
        fleet.plans["mont-roig"], booked, noon
    )


def at_the_machine(plan: Plan, booked: list[Appointment], at: int) -> tuple[str, str]:
    """What the dispenser would do with the document, and with which appointment."""
    digest = digest_of(dni(12345678))
    entries = [entry(one, one.locator, digest) for one in booked if one.standing is not Standing.CANCELLED]
    message = {"day": "2026-11-24", "key": KEY, "appointments": entries}
    services, rules = dict.fromkeys(service.id for service in plan.services), plan.rules
    found = machines.Agenda.of(message).find(dni(12345678))
    verdict = machines.judge(found, plan.office, services, at, rules.early_minutes, rules.late_minutes)
    if verdict.booked is None or verdict.how == "elsewhere":
        return "none here", ""
    return "has a number" if verdict.how == "again" else "gets one", verdict.booked.id


def at_reception(plan: Plan, booked: list[Appointment], at: int) -> tuple[str, str]:
    """The same at reception's desk."""
    try:
        one = store_of.for_today(booked, plan, at)
    except NoAppointment:
        return "none here", ""
    return "has a number" if one.standing is Standing.ARRIVED else "gets one", one.id


KEY = "kX3v9Zt0Qm4c7Yb1Rw8uJA"


@cache
def digest_of(words: str) -> str:
    """Slow: once will do."""
    return wire.digest(KEY, words)
