"""Booking on the web, form by form: what is kept, what is said, and what nobody else learns."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import segno
import sqlalchemy as sa
from flask.testing import FlaskClient
from icalendar import Calendar
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from devices.checkin import read_words
from hub.booking.appointments import Appointment, Document, Kind, Person, Standing
from hub.clock import now
from hub.line.plan import HOUR, MINUTE, Moment, day_of, local
from hub.store import appointments as store_of
from hub.store import schema

from .conftest import Web

NAME, DNI = "Maria Vidal Pons", "12345678Z"
MARIA = {"kind": "dni", "number": DNI, "name": NAME, "email": "maria@example.cat", "phone": "600 123 456"}
WRONG_LETTER = {
    "ca": "La lletra no correspon al número",
    "es": "La letra no corresponde al número",
    "en": "The letter does not go with the number",
    "fr": "La lettre ne correspond pas au numéro",
}


@dataclass
class Citizen:
    """Somebody who books with a browser that runs no script."""

    client: FlaskClient

    def get(self, address: str, status: int = 200) -> str:
        answer = self.client.get(address)
        assert answer.status_code == status, answer.text
        return html.unescape(answer.text)

    def post(self, address: str, **fields: Any) -> TestResponse:
        return self.client.post(address, data=fields)

    def offered(self) -> list[Moment]:
        """The hours of the day after tomorrow: today's may be few."""
        day = (datetime.now(UTC) + timedelta(days=2)).date()
        page = self.get(f"/book/when?office=mont-roig&service=padro&day={day}")
        return [int(start) for start in re.findall(r'name="start" value="(\d+)"', page)]

    def hold(self, start: Moment, service: str = "padro", **more: str) -> str:
        """Chooses an hour; the address of the form that follows."""
        return self.post("/book/hold", office="mont-roig", service=service, start=start, **more).location

    def fill_in(self, who: str, **fields: str) -> str:
        """Fills the form in; the address of the last look."""
        answer = self.post(who, **MARIA | fields)
        assert answer.status_code == 303, answer.text
        return answer.location

    def confirm(self, review: str, number: str = DNI) -> TestResponse:
        """Presses the last button of all."""
        return self.post(review, document=number)

    def book(self, start: Moment, number: str = DNI) -> str:
        """Books an hour; the address of the appointment's page."""
        answer = self.confirm(self.fill_in(self.hold(start), number=number), number)
        assert answer.status_code == 303, answer.text
        return answer.location


@pytest.fixture
def citizen(web: Web) -> Citizen:
    return Citizen(web.app.test_client())


@pytest.fixture
def other(web: Web) -> Citizen:
    return Citizen(web.app.test_client())


def rows(web: Web, table: sa.Table) -> list[Any]:
    with web.store.begin() as connection:
        return list(connection.execute(sa.select(table)))


def only(web: Web) -> Appointment:
    """The one appointment there is, with its owner."""
    [row] = rows(web, schema.appointments)
    return web.store.transact(lambda work: store_of.by_id(work, row.id))


def change(web: Web, **values: Any) -> None:
    """Changes all appointments there are, as time would."""
    with web.store.begin(write=True) as connection:
        connection.execute(schema.appointments.update().values(values))


def word(address: str, name: str) -> str:
    return parse_qs(urlsplit(address).query)[name][0]


def locator(mine: str) -> str:
    return urlsplit(mine).path.rsplit("/", 1)[1]


def on(mine: str, act: str) -> str:
    """The address of an act on an appointment."""
    return mine.replace("?", f"/{act}?")


# --- booking ----------------------------------------------------------------------------------


def test_an_appointment_is_booked_by_plain_forms_from_the_first_page_to_its_locator(web: Web, citizen: Citizen) -> None:
    assert "/book" in citizen.get("/")
    page = citizen.get("/book/where?service=padro&service=tributs")
    assert page.count("OMAC") >= 2
    start = re.search(r'name="start" value="(\d+)"', page)[1]

    who = citizen.post("/book/hold", office="mont-roig", service=["padro", "tributs"], start=start).location
    review = citizen.fill_in(who)
    assert NAME in citizen.get(review)
    booked = citizen.confirm(review)

    one = only(web)
    assert (one.standing, one.start, one.services) == (Standing.BOOKED, int(start), ("padro", "tributs"))
    assert one.person == Person(NAME, Document(Kind.DNI, DNI), MARIA["email"], MARIA["phone"])
    assert f"<span>{one.locator[:3]}</span> <span>{one.locator[3:6]}</span>" in citizen.get(booked.location)


def test_both_offices_are_shown_with_their_first_three_hours(citizen: Citizen) -> None:
    page = citizen.get("/book/where?service=padro")

    cards = page.split('<li class="card">')[1:]
    assert [len(re.findall('name="start"', card)) for card in cards] == [3, 3]
    assert all("977 83 70 05" in card and "Plaça de l'Ajuntament" in card for card in cards)


def test_the_papers_to_bring_are_said_in_the_readers_language(citizen: Citizen) -> None:
    assert "Escriptura o contracte de lloguer" in citizen.get("/book?lang=ca")
    assert "Titre de propriété ou bail" in citizen.get("/book/where?service=padro&lang=fr")


def test_nothing_chosen_is_asked_for_again(citizen: Citizen) -> None:
    assert "Trieu com a mínim un tràmit" in citizen.get("/book/where", 422)
    assert citizen.client.get("/book/when?office=mont-roig&service=nothing").status_code == 422
    assert citizen.client.get("/book/when?office=nowhere&service=padro").status_code == 404
    assert citizen.client.get("/book/who").location == "/book"


def test_a_form_sent_twice_books_once(web: Web, citizen: Citizen) -> None:
    review = citizen.fill_in(citizen.hold(citizen.offered()[0]))

    answers = [citizen.confirm(review) for _ in range(2)]

    assert answers[0].location == answers[1].location
    assert citizen.confirm(review, "00000001R").location.startswith("/book/who")
    assert [row.standing for row in rows(web, schema.appointments)] == ["booked"]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("number", "", "Escriviu el número del document."),
        ("number", "12345678A", WRONG_LETTER["ca"]),
        ("number", "X1234567A", WRONG_LETTER["ca"]),
        ("number", "x123", "Un NIE és X, Y o Z, set xifres i una lletra"),
        ("number", "AB-12", "Un DNI té vuit xifres i una lletra"),
        ("name", "  ", "Escriviu el nom i els cognoms"),
        ("email", "maria@", "No és una adreça electrònica"),
        ("phone", "call me", "No és un número de telèfon"),
        ("trap", "http://buy.example", "Deixeu aquest camp en blanc."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_all_else_is_kept(
    web: Web, citizen: Citizen, field: str, value: str, sentence: str
) -> None:
    who = citizen.hold(citizen.offered()[0])

    answer = citizen.post(who, **MARIA | {field: value})

    page = html.unescape(answer.text)
    assert answer.status_code == 422
    assert f'<a href="#{field}">{sentence}' in page
    assert re.search(rf'id="{field}-wrong">{re.escape(sentence)}', page) or field == "trap"
    assert all(f'value="{kept}"' in page for name, kept in MARIA.items() if name not in (field, "kind"))
    assert [row.standing for row in rows(web, schema.appointments)] == ["held"]


def test_a_passport_has_its_own_rule(citizen: Citizen) -> None:
    who = citizen.hold(citizen.offered()[0])

    wrong = citizen.post(who, **MARIA | {"kind": "passport", "number": "A-1"})
    right = citizen.post(who, **MARIA | {"kind": "passport", "number": "aa 1234567"})

    assert "Un número de passaport té de 5 a 15 lletres i xifres." in wrong.text
    assert right.status_code == 303


@pytest.mark.parametrize("language", ["ca", "es", "en", "fr"])
def test_what_is_wrong_is_said_in_the_readers_language(citizen: Citizen, language: str) -> None:
    who = citizen.hold(citizen.offered()[0])

    answer = citizen.post(f"{who}&lang={language}", **MARIA | {"number": "12345678A"})

    assert WRONG_LETTER[language] in answer.text


def test_a_document_with_an_open_appointment_is_led_to_it(citizen: Citizen) -> None:
    first, second = citizen.offered()[:2]
    citizen.book(first)

    answer = citizen.confirm(citizen.fill_in(citizen.hold(second)))

    assert answer.status_code == 409
    assert "ja té una cita pendent" in answer.text
    assert 'href="/book/mine"' in answer.text


# --- the place that is kept -------------------------------------------------------------------


def test_a_place_is_kept_for_who_fills_in_the_form_and_says_until_when(web: Web, citizen: Citizen) -> None:
    start = citizen.offered()[0]
    places = [citizen.hold(start) for _ in range(3)]

    assert start not in citizen.offered()
    until = rows(web, schema.appointments)[-1].held_until
    assert 0 < until - now() <= 10 * MINUTE
    clock = local(web.fleet.plans["mont-roig"], until).strftime("%H:%M")
    assert f"Us guardem aquesta hora fins a les {clock}." in citizen.get(places[-1])


def test_another_choice_gives_the_first_one_up(web: Web, citizen: Citizen) -> None:
    first, second = citizen.offered()[:2]
    who = citizen.hold(first)

    citizen.hold(second, hold=word(who, "hold"))

    assert [row.start for row in rows(web, schema.appointments)] == [second]


def test_who_was_too_late_for_a_place_is_shown_the_nearest_ones(web: Web, citizen: Citizen, other: Citizen) -> None:
    hours = citizen.offered()
    start = hours[5]
    for _ in range(3):
        other.hold(start)

    back = citizen.hold(start)

    page = citizen.get(back)
    assert "Aquesta hora ja no és lliure." in page
    near = page[page.index('id="nearest"') : page.index("</section>")]
    assert {int(at) for at in re.findall(r'value="(\d+)"', near)} <= {*hours[3:5], *hours[6:8]}


@pytest.mark.parametrize("forgotten", [False, True])
def test_once_the_ten_minutes_are_over_a_free_place_is_booked_all_the_same(
    web: Web, citizen: Citizen, forgotten: bool
) -> None:
    who = citizen.hold(citizen.offered()[0])
    change(web, held_until=now() - 1)
    if forgotten:
        with web.store.begin(write=True) as connection:
            connection.execute(schema.appointments.delete())

    assert "Els deu minuts s'han acabat" in citizen.get(who)
    answer = citizen.confirm(citizen.fill_in(who))

    assert answer.location.startswith("/book/")
    assert [row.standing for row in rows(web, schema.appointments)] == ["booked"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_once_somebody_else_has_the_place_what_was_typed_goes_on_to_another_hour(
    web: Web, citizen: Citizen, other: Citizen, when: str
) -> None:
    start = citizen.offered()[4]
    who = citizen.hold(start)
    review = citizen.fill_in(who) if when == "after" else ""
    change(web, held_until=now() - 1)
    for number in ("00000001R", "00000002W", "00000003A"):
        other.book(start, number)

    lost = citizen.confirm(review).location if review else citizen.fill_in(who)
    page = citizen.get(lost)
    assert "Es conserva tot el que heu escrit." in page
    nearest = int(re.search(r'name="start" value="(\d+)"', page)[1])
    review = citizen.hold(nearest, hold=word(lost, "hold"))
    assert NAME in citizen.get(review)
    mine = citizen.confirm(review).location

    [row] = [row for row in rows(web, schema.appointments) if row.locator == locator(mine)]
    assert (row.standing, row.start) == ("booked", nearest)
    assert nearest != start


def test_another_tab_does_not_change_what_this_one_books(web: Web, citizen: Citizen) -> None:
    first, second = citizen.offered()[:2]
    review = citizen.fill_in(citizen.hold(first))
    citizen.hold(second, hold=word(review, "hold"))

    back = citizen.confirm(review).location
    mine = citizen.confirm(citizen.fill_in(back)).location

    assert back.startswith("/book/who")
    assert {row.start for row in rows(web, schema.appointments) if row.locator == locator(mine)} == {first}


def test_what_was_filled_in_stands_there_when_one_comes_back_until_it_is_booked(web: Web, citizen: Citizen) -> None:
    who = citizen.hold(citizen.offered()[0])
    review = citizen.fill_in(who)

    assert f'value="{NAME}"' in citizen.get(who)
    citizen.confirm(review)

    assert NAME not in citizen.get(who)
    assert citizen.client.get(review).location == "/book/mine"


def test_what_was_filled_in_and_never_booked_is_forgotten_with_the_place(web: Web, citizen: Citizen) -> None:
    citizen.fill_in(citizen.hold(citizen.offered()[0]))

    web.store.transact(lambda work: store_of.forget_holds(work, now() + HOUR + 11 * MINUTE))

    assert rows(web, schema.people) == []


def test_one_address_cannot_keep_every_place(citizen: Citizen) -> None:
    wanted = {"office": "mont-roig", "service": "padro"}

    held = [citizen.post("/book/hold", start=start, **wanted) for start in citizen.offered()[:61]]

    assert {answer.status_code for answer in held[:60]} == {303}
    assert held[60].status_code == 429


# --- one's own --------------------------------------------------------------------------------


def test_locator_and_document_open_it_and_whatever_is_wrong_is_answered_alike(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])
    known = locator(mine)
    unknown = "000000000" if known != "000000000" else "000000001"
    spoken = f"{known[:3]} {known[3:6]} {known[6:]}"

    opened = citizen.post("/book/mine", locator=spoken, document="12.345.678-z")
    wrong = [
        citizen.post("/book/mine", locator=known, document="00000001R"),
        citizen.post("/book/mine", locator=unknown, document=DNI),
        citizen.client.get(f"/book/{known}?secret=wrong"),
        citizen.client.get(f"/book/{unknown}?secret=wrong"),
    ]

    assert opened.location == mine.removesuffix("&new=1")
    assert {answer.status_code for answer in wrong} == {404}
    assert len({re.sub(r"\d{9}|\?\S*lang", "", answer.text) for answer in wrong}) == 1


def test_the_locator_alone_asks_for_the_document_whether_it_is_there_or_not(citizen: Citizen) -> None:
    known = locator(citizen.book(citizen.offered()[0]))

    pages = [citizen.get(f"/book/{number}").replace(number, "") for number in (known, "000000000")]

    assert pages[0] == pages[1]


def test_guessing_is_slowed_down(citizen: Citizen) -> None:
    answers = [citizen.post("/book/mine", locator=f"{n:09d}", document=DNI).status_code for n in range(25)]

    assert (answers[0], answers[-1]) == (404, 429)


def test_cancelling_asks_first_and_then_frees_the_place_at_once(web: Web, citizen: Citizen) -> None:
    start = citizen.offered()[0]
    for _ in range(2):
        citizen.hold(start)
    mine = citizen.book(start)
    assert start not in citizen.offered()

    citizen.get(on(mine, "cancel"))
    assert start not in citizen.offered()
    citizen.post(on(mine, "cancel"))

    assert start in citizen.offered()
    assert "La vostra cita està anul·lada" in citizen.get(mine)
    assert citizen.post(on(mine, "move"), start=start).location == mine.removesuffix("&new=1")


def test_moving_asks_first_and_gives_the_old_hour_to_others(web: Web, citizen: Citizen) -> None:
    first, second = citizen.offered()[:2]
    mine = citizen.book(first)

    asked = citizen.get(on(mine, "move") + f"&start={second}")
    assert "Voleu canviar la cita?" in asked
    assert rows(web, schema.appointments)[0].start == first
    moved = citizen.post(on(mine, "move"), start=second)

    assert "S'ha canviat a aquesta hora." in citizen.get(moved.location)
    assert rows(web, schema.appointments)[0].start == second


def test_who_moves_to_an_hour_that_was_just_taken_keeps_the_old_one(web: Web, citizen: Citizen, other: Citizen) -> None:
    first, *_, taken = citizen.offered()[:6]
    mine = citizen.book(first)
    for _ in range(3):
        other.hold(taken)

    back = citizen.post(on(mine, "move"), start=taken)

    assert "Aquesta hora ja no és lliure." in citizen.get(back.location)
    assert rows(web, schema.appointments)[0].start == first


def test_the_consent_to_messages_can_be_taken_back(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])

    citizen.post(on(mine, "silence"))

    assert only(web).person == Person(NAME, Document(Kind.DNI, DNI))


def test_the_calendars_entry_says_when_and_where_and_neither_who_nor_the_secret(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(start := citizen.offered()[0])

    answer = citizen.client.get(on(mine, "calendar"))

    assert answer.content_type.startswith("text/calendar")
    [entry] = Calendar.from_ical(answer.data).walk("VEVENT")
    assert entry["DTSTART"].dt.timestamp() * 1000 == start
    assert (entry["DTEND"].dt - entry["DTSTART"].dt).seconds == 600
    assert "Mont-roig" in entry["LOCATION"]
    assert "Padró d'habitants" in entry["SUMMARY"]
    assert word(mine, "secret").encode() not in answer.data
    assert NAME.encode() not in answer.data


def test_the_confirmations_code_is_one_that_the_dispensers_reader_takes(citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])
    said = f"http://localhost/book/{locator(mine)}"

    assert segno.make(said, error="m").svg_data_uri(scale=6, border=2) in citizen.get(mine)
    assert read_words(said) == locator(mine)


# --- at the door ------------------------------------------------------------------------------


def soon(web: Web) -> Moment:
    """Two minutes from now, or two minutes ago while the office's day is about to end."""
    plan, at = web.fleet.plans["mont-roig"], now()
    later = at + 2 * MINUTE
    return later if day_of(plan, later) == day_of(plan, at) else at - 2 * MINUTE


def test_who_is_here_gets_a_number_of_receptions_and_follows_it(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])
    change(web, start=soon(web))
    assert "Ja soc aquí" in citizen.get(mine)

    first, again = citizen.post(on(mine, "here")), citizen.post(on(mine, "here"))

    ticket = web.ticket(first.location.removeprefix("/t/"))
    assert (ticket["label"], ticket["state"]) == ("C900", "waiting")
    assert again.location == mine.removesuffix("&new=1")
    page = citizen.get(mine)
    assert "C900" in page and first.location in page
    assert "Trieu una altra hora" not in page


def test_nobody_is_here_before_the_last_hour(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])
    change(web, start=now() + HOUR + MINUTE)

    assert "Ja soc aquí" not in citizen.get(mine)
    assert citizen.post(on(mine, "here")).location == mine.removesuffix("&new=1")

    assert rows(web, schema.appointments)[0].standing == "booked"


def test_an_appointment_that_is_over_can_only_be_looked_at(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])
    change(web, start=now() - 48 * HOUR)

    page = citizen.get(mine)
    citizen.post(on(mine, "cancel"))
    citizen.post(on(mine, "here"))

    assert "Aquesta cita ja ha passat" in page
    assert "<button" not in page
    assert rows(web, schema.appointments)[0].standing == "booked"


EARLY, LATE = "Arribeu d'hora: fins a les", "La vostra hora ha passat"


@pytest.mark.parametrize(("minutes", "said"), [(45, [EARLY]), (5, []), (-5, []), (-20, [LATE])])
def test_who_is_early_or_late_is_told_beforehand_with_whom_they_wait(
    web: Web, citizen: Citizen, minutes: int, said: list[str]
) -> None:
    plan, at = web.fleet.plans["mont-roig"], now()
    far = (local(plan, at).hour + 12) % 24 * 60  # when the office's day ends, whatever the hour of this test
    web.fleet.plans["mont-roig"] = replace(plan, day_starts=far)
    mine = citizen.book(citizen.offered()[0])
    change(web, start=at + minutes * MINUTE)

    page = citizen.get(mine)

    assert "Ja soc aquí" in page
    assert [words for words in (EARLY, LATE) if words in page] == said


def test_who_checked_in_on_another_day_is_not_in_the_line(web: Web, citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])
    change(web, start=soon(web))
    citizen.post(on(mine, "here"))
    assert "Ja heu avisat que sou aquí" in citizen.get(mine)

    change(web, start=now() - 48 * HOUR)

    assert "Aquesta cita ja ha passat" in citizen.get(mine)


# --- what nobody learns -----------------------------------------------------------------------


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as written:
        yield written


def test_no_address_and_no_log_says_who_comes(logs: list[Any], web: Web, citizen: Citizen) -> None:
    who = citizen.hold(citizen.offered()[0])
    review = citizen.fill_in(who)
    mine = citizen.confirm(review).location
    citizen.post("/book/mine", locator=locator(mine), document="wrong")
    citizen.client.get(f"/book/{locator(mine)}/nothing?secret={word(mine, 'secret')}")
    citizen.client.put(f"/book/{locator(mine)}?secret={word(mine, 'secret')}")

    said = repr((who, review, mine, logs))
    assert logs
    assert not [secret for secret in (NAME, DNI, "maria", "600 123") if secret in said]
    assert word(mine, "secret") not in repr(logs)
    assert locator(mine) not in repr(logs)


def test_an_appointments_page_is_told_to_nobody_and_stored_nowhere(citizen: Citizen) -> None:
    headers = citizen.client.get(citizen.book(citizen.offered()[0])).headers

    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Robots-Tag"] == "noindex"


def test_the_first_layer_says_who_answers_for_the_data_on_what_ground_and_how_long(citizen: Citizen) -> None:
    page = citizen.get(citizen.hold(citizen.offered()[0]))

    assert "Ajuntament de Mont-roig del Camp" in page
    assert "article 6.1.e del RGPD" in page
    assert "S'esborren 30 dies després de la cita." in page


def test_another_language_keeps_where_one_is(citizen: Citizen) -> None:
    mine = citizen.book(citizen.offered()[0])

    page = citizen.get(mine)

    spanish = html.unescape(re.search(r'href="(\?[^"]*lang=es)"', page)[1])
    assert "Su cita está reservada" in citizen.get(urlsplit(mine).path + spanish)


def test_what_is_no_hour_leads_back_to_choosing_one(citizen: Citizen) -> None:
    for start in ("", "tomorrow", "-1", "9" * 14, "9" * 40, "٣"):
        answer = citizen.post("/book/hold", office="mont-roig", service="padro", start=start)
        assert answer.status_code == 303
        assert citizen.client.get(answer.location).status_code == 200
