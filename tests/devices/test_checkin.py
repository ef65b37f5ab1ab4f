"""Checking in at the dispenser: on the vendors' fakes, against an agenda of digests, without any network."""

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import checkin
from devices.agenda import MINUTE, Agenda, Booked, judge
from devices.bench.cards import CARDS
from devices.checkin import CheckInError, masked, read_words, typed_words
from devices.speech import Voice
from devices.words import WORDS
from firmware import wire
from tests.devices.test_dispenser import DAY, HOURS, TEN, Office
from tests.parts import wait_until

KEY = "kX3v9Zt0Qm4c7Yb1Rw8uJA"
DNI, LOCATOR = "12345678Z", "123456789"
OTHERS_TICKET = "5d0a5f3a-0c0f-4f43-8f5e-7e1b7a3c9d21"


@cache
def digest(words: str) -> str:
    return wire.digest(KEY, words)


def row(minutes: int = 0, id: str = "7c1e", document: str | None = DNI, **more: object) -> dict:
    """An appointment of the agenda so many minutes from ten o'clock."""
    one = {"id": id, "office": "mont-roig", "service": "padro", "start": wire.stamp(TEN + minutes * MINUTE)}
    one |= {"locator": digest(LOCATOR), "document": document and digest(document), "label": None, "ticket": None}
    return one | more


def agenda(*rows: dict, day: str = DAY, seq: int = 1) -> dict:
    offices = {"mont-roig": "OMAC Mont-roig", "miami-platja": "OMAC Miami Platja"}
    message = {"seq": seq, "day": day, "key": KEY, "offices": offices, "appointments": list(rows)}
    return wire.decode("agenda", wire.encode("agenda", message))


class Machine(Office):
    """A dispenser with a keypad, a reader and the day's agenda."""

    def given(self, *rows: dict, **more: object) -> "Machine":
        """The hub's config and agenda arrive, retained."""
        self.told()
        self.dispenser.appointments.came(agenda(*rows, **more), True)
        return self

    def button(self, name: str = "appointment") -> None:
        """One press."""
        self.dispenser._acts[name]()

    def types(self, keys: str) -> None:
        """Fingers on the keypad."""
        for key in keys:
            self.dispenser._typed(key)

    def identifies(self, keys: str = "12345678\n") -> None:
        """The button, and a document on the keypad."""
        self.button()
        self.types(keys)

    def lays(self, text: str) -> None:
        """Something on the reader."""
        self.dispenser._read(text)

    def waits(self) -> None:
        """So much time passes without a key as makes the machine ask, or give up."""
        self.dispenser.checkin.strike(self.dispenser.checkin.due + 0.1)
        self.dispenser.face.note_ends = 0.0
        self.dispenser._draw()

    @property
    def checked_in(self) -> list[dict]:
        return [fact for fact in self.facts if fact["fact"] == "appointment.checked_in"]

    @property
    def paper(self) -> str:
        """What stands on the last paper."""
        return self.port.tickets[-1].decode("latin-1")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    one = Machine(tmp_path)
    yield one
    one.dispenser.stop(clean=False)


# --- found ---


@pytest.mark.parametrize(
    "keys", ["12345678\n", "12345678Z\n", "1234\b\b\b\b12345678\n", "99*12345678\n", f"{LOCATOR}\n"]
)
def test_a_document_or_the_locator_on_the_keypad_gives_the_appointments_number(keys, machine):
    machine.given(row(), row(id="7c1f", document="X1234567L", locator=digest("987654321")))

    machine.identifies(keys)

    (fact,) = machine.checked_in
    assert (fact["appointment"], fact["label"], fact["day"]) == ("7c1e", "C001", DAY)
    assert len(fact["token"]) == 22
    assert machine.said == "C001 / Recolliu el paper"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_card_or_passport_on_the_reader_gives_it_without_any_button(card, machine):
    machine.given(row(document=card.number))

    machine.lays(card.zone)

    assert machine.checked_in[0]["label"] == "C001"


@pytest.mark.parametrize(
    "text",
    [
        f"torn:{LOCATOR}:kX3v9Zt0Qm4c7Yb1Rw8uJA",
        f"https://torn.example.cat/book/{LOCATOR}",
        LOCATOR,
        f"torn>{LOCATOR}>kX",
    ],
)
def test_the_confirmations_code_gives_it_too(text, machine):
    machine.given(row(document=None))

    machine.lays(text + "\r\n")

    assert machine.checked_in[0]["appointment"] == "7c1e"


def test_the_paper_says_number_hour_procedure_where_to_wait_and_has_the_code(machine):
    machine.given(row(10))

    machine.identifies()

    token = machine.checked_in[0]["token"]
    for words in ("C001", "Cita de les 10:10", "Espereu a la sala", "Padr", f"https://torn.example.cat/t/{token}"):
        assert words in machine.paper


def test_appointments_have_a_series_of_their_own_that_goes_on_after_a_power_cut(machine):
    machine.given(row(), row(id="7c1f", document="X1234567L", locator=digest("987654321")))
    machine.press()
    machine.identifies()

    machine.power_cut()
    machine.identifies("X1234567\n")

    assert [fact["label"] for fact in machine.facts] == ["P001", "C001", "C002"]


def test_with_the_network_down_and_after_a_power_cut_the_journaled_agenda_gives_the_same(machine):
    machine.given(row())

    machine.power_cut().identifies()

    assert machine.checked_in[0]["appointment"] == "7c1e"


# --- already in ---


def test_who_has_checked_in_here_without_the_hub_gets_the_same_number_again_and_no_other(machine):
    machine.given(row()).identifies()
    first = machine.paper

    machine.power_cut().identifies()

    assert len(machine.checked_in) == 1
    assert machine.said == "C001 / Ja teniu el número C 1. Us el tornem a imprimir"
    assert machine.checked_in[0]["token"] in first and machine.checked_in[0]["token"] in machine.paper


def test_who_has_checked_in_elsewhere_gets_that_number_again(machine):
    machine.given(row(label="C907", ticket=OTHERS_TICKET))

    machine.identifies()

    assert machine.facts == []
    assert "C907" in machine.paper and "Cita de les 10:00" in machine.paper
    assert machine.said.startswith("C907 / ")


def test_a_check_in_of_which_nothing_was_printed_is_voided_and_can_be_had_again(machine):
    machine.given(row())
    machine.port.gone = True
    looks = machine.dispenser.printer.look
    machine.dispenser.printer.look = lambda: type(looks())("ok", "")
    machine.identifies()
    machine.port.gone, machine.dispenser.printer.look = False, looks
    lost = machine.checked_in[0]["ticket"]

    machine.dispenser.appointments.came(agenda(row(label="C001", ticket=lost), seq=2), False)
    machine.identifies()

    kinds = [fact["fact"] for fact in machine.facts if fact["fact"] != "printer.changed"]
    assert kinds == ["appointment.checked_in", "ticket.voided", "appointment.checked_in"]
    assert [fact["label"] for fact in machine.checked_in] == ["C001", "C001"]


def test_a_number_whose_printing_broke_off_is_printed_again_when_asked(machine):
    machine.given(row())
    machine.port.breaks_after = 40
    machine.identifies()

    asked = machine.dispenser.reprint()

    assert asked and "C001" in machine.paper and "Cita de les 10:00" in machine.paper


def test_who_missed_the_call_comes_back_with_the_number_of_the_appointment(machine):
    machine.given(row()).identifies()
    machine.press()

    machine.types("*1\n")
    machine.button()

    assert machine.facts[-1]["fact"] == "ticket.rejoined"
    assert machine.facts[-1]["ticket"] == machine.checked_in[0]["ticket"]


# --- not now, not here, not found ---


@pytest.mark.parametrize(
    ("minutes", "said", "on_paper"),
    [
        (31, "La cita és a les 10:31: és d'hora. Premeu «Tinc cita» per esperar ara", "des de les 10:01"),
        (-16, "La cita era a les 09:44. Premeu «Tinc cita» i passareu amb els altres", "com qui no t"),
    ],
)
def test_who_is_early_or_late_is_told_and_gets_a_number_with_one_press(minutes, said, on_paper, machine):
    machine.given(row(minutes)).identifies()
    told, before = machine.said, machine.checked_in

    machine.button()

    assert (told, before) == (said, [])
    assert machine.checked_in[0]["appointment"] == "7c1e" and on_paper in machine.paper


@pytest.mark.parametrize("minutes", [30, 0, -15])
def test_within_the_bounds_nobody_is_early_or_late(minutes, machine):
    machine.given(row(minutes)).identifies()

    assert len(machine.checked_in) == 1


def test_who_called_to_say_that_they_run_late_is_not_late(machine):
    machine.given(row(-25, grace=10)).identifies()

    assert len(machine.checked_in) == 1


def test_without_a_clock_that_can_be_believed_nobody_is_early_or_late(machine):
    machine.given(row(200))
    machine.press()
    machine.clock_is_set = False

    machine.identifies()

    assert len(machine.checked_in) == 1


def test_at_the_wrong_office_one_is_told_where_and_when_and_gets_a_walk_in_number_with_one_press(machine):
    machine.given(row(90, office="miami-platja")).identifies()
    told = machine.said

    machine.button()

    assert told == "Cita a les 11:30, OMAC Miami Platja. Premeu «Tinc cita»: número aquí"
    assert [(fact["fact"], fact["label"]) for fact in machine.facts] == [("ticket.issued", "P001")]


def test_a_procedure_that_is_not_served_now_is_told_and_another_can_be_pressed(machine):
    machine.given(row(service="cadastre")).identifies()
    told = machine.said

    machine.press("registre")

    assert told == "El tràmit de la cita no es fa ara. Premeu-ne un altre o aneu a recepció"
    assert machine.facts[0]["label"] == "R001"


def test_who_is_not_found_is_offered_the_locator_then_reception_and_always_a_walk_in_number(machine):
    machine.given(row(document="X1234567L"))

    machine.identifies()
    first = machine.said
    machine.types("111111111\n")
    second = machine.said
    label = machine.press()

    assert first == "No trobem la cita. Proveu el localitzador de 9 xifres, o premeu el tràmit"
    assert second == "No trobem la cita. Aneu a recepció, o premeu el tràmit"
    assert label == "P001" and machine.checked_in == []


def test_after_a_failure_the_locator_gives_the_number(machine):
    machine.given(row(document=None)).identifies()

    machine.types(f"{LOCATOR}\n")

    assert len(machine.checked_in) == 1


@pytest.mark.parametrize("keys", ["123\n", "12345678X\n", "XX123\n", "1X234567\n"])
def test_what_can_be_no_document_is_told_and_may_be_tried_again(keys, machine):
    machine.given(row()).identifies(keys)
    told = machine.said

    machine.types("12345678\n")

    assert told == "No s'ha entès. Torneu-hi, o teclegeu el localitzador"
    assert len(machine.checked_in) == 1


def test_a_zone_that_was_misread_is_told_and_may_be_laid_again(machine):
    machine.given(row())

    machine.lays(CARDS[0].zone.replace("12345678Z", "12345679Z"))
    told = machine.said
    machine.lays(CARDS[0].zone)

    assert told.startswith("No s'ha entès")
    assert len(machine.checked_in) == 1


@pytest.mark.parametrize("day", ["2026-11-23", None])
def test_without_todays_agenda_one_is_told_at_once_and_walk_ins_go_on(day, machine):
    machine.given(row(), day=day) if day else machine.told()

    machine.identifies()

    assert machine.said == "Ara no puc veure les cites: premeu el tràmit o aneu a recepció"
    assert machine.checked_in == [] and machine.press() == "P001"


def test_out_of_hours_and_without_paper_nobody_is_asked_for_a_document(machine):
    machine.told(hours=HOURS)
    machine.dispenser.appointments.came(agenda(row()), True)
    machine.now = TEN - 90 * MINUTE
    machine.lays(CARDS[0].zone)
    shut = machine.said
    machine.now = TEN
    machine.port.paper = "out"
    machine.button()

    assert (shut, machine.said) == ("Tancat. Obrim avui a les 09:00", "No hi ha paper: aneu a recepció")
    assert machine.dispenser.checkin.talk is None and machine.checked_in == []


def test_of_two_appointments_the_one_that_is_due_and_has_no_number_is_meant(machine):
    machine.given(row(-5, label="C001", ticket=OTHERS_TICKET), row(10, id="7c1f"), row(120, id="7c20"))

    machine.identifies()

    assert machine.checked_in[0]["appointment"] == "7c1f"


# --- the conversation ---


def test_what_is_typed_is_masked_and_the_letter_that_was_worked_out_is_shown(machine):
    machine.given(row()).identifies("1234567")
    seven = machine.said

    machine.types("8")

    assert (seven, machine.said) == ("•••••••", "•••••••• Z")


def test_after_twenty_seconds_of_silence_it_asks_by_light_and_then_forgets(machine):
    machine.given(row()).identifies("1234")

    machine.waits()
    asked, light = machine.said, machine.dispenser.face._lit
    machine.waits()

    assert (asked, light) == ("Necessiteu més temps? Premeu una tecla", "blink")
    assert machine.dispenser.checkin.talk is None
    assert machine.said.startswith("Premeu el botó") and machine.dispenser.face._lit == "on"


def test_a_key_means_that_more_time_is_needed_and_nothing_is_lost(machine):
    machine.given(row()).identifies("1234")
    machine.waits()

    machine.types("5678\n")

    assert len(machine.checked_in) == 1


def test_the_silence_strikes_by_itself_within_its_time(machine):
    machine.given(row())
    before = time.monotonic()

    machine.button()

    assert checkin.SILENCE == 20.0
    assert before + 20 <= machine.dispenser.checkin.due <= time.monotonic() + 20
    assert machine.dispenser._due() <= machine.dispenser.checkin.due


def test_the_question_is_spoken_in_the_language_of_the_conversation(machine, tmp_path):
    said = tmp_path / "said"
    (tmp_path / "say").write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    (tmp_path / "say").chmod(0o755)
    machine.dispenser.face._voice = voice = Voice(command=(str(tmp_path / "say"),))
    machine.given(row())

    machine.button()
    machine.button("language")
    machine.types("12345678")
    machine.waits()
    machine.types("\n")

    wait_until(lambda: said.exists() and len(said.read_text().splitlines()) == 4)
    voice.close()
    lines = said.read_text().splitlines()
    assert lines[2] == "-v es -- ¿Necesita más tiempo? Pulse una tecla"
    assert lines[3].startswith("-v es -- Su número es el C 1")
    assert machine.checked_in[0]["language"] == "es"
    assert "12345678" not in said.read_text()


def test_a_service_pressed_in_the_middle_ends_the_conversation_in_its_language(machine):
    machine.given(row()).button("language")
    machine.identifies("1234")

    label = machine.press()
    machine.types("5678\n")

    assert (label, machine.checked_in) == ("P001", [])
    assert machine.facts[0]["language"] == "es"


# --- nothing of anybody is kept ---


def test_no_document_or_locator_is_stored_logged_printed_or_shown(machine, tmp_path, caplog):
    caplog.set_level("DEBUG")
    machine.given(row())
    shown: list[str] = []
    draw = machine.dispenser.face._draw
    machine.dispenser.face._draw = lambda lines: (shown.extend(lines), draw(lines))[1]

    machine.identifies("12345678X\n")
    machine.types("87654321\n")
    machine.types(f"{LOCATOR}\n")
    machine.lays(CARDS[0].zone)
    machine.lays(f"torn:{LOCATOR}:kX3v9Zt0Qm4c7Yb1Rw8u")

    assert len(machine.checked_in) == 1
    places = [*machine.port.tickets, caplog.text.encode(), "".join(shown).encode(), repr(machine.facts).encode()]
    places += [file.read_bytes() for file in tmp_path.iterdir()]
    for number in (b"12345678", b"87654321", b"123456789", b"BAA000589"):
        assert not [place for place in places if number in place]
    assert "12345678" not in repr(vars(machine.dispenser)) + repr(machine.dispenser.checkin.talk)


def test_yesterdays_agenda_is_gone_from_the_journal_with_the_next_one(machine, tmp_path):
    machine.given(row(), day="2026-11-23")

    machine.dispenser.appointments.came(agenda(row(id="9f9f"), seq=2), False)
    machine.dispenser.appointments.came(agenda(row(id="0000"), seq=1), False)

    assert [each["id"] for each in machine.dispenser.journal.agenda["appointments"]] == ["9f9f"]


# --- the rules alone ---

BOOKED = st.builds(
    Booked,
    id=st.uuids().map(str),
    office=st.sampled_from(["mont-roig", "miami-platja"]),
    service=st.sampled_from(["padro", "cadastre"]),
    start=st.integers(-300, 300).map(lambda minutes: TEN + minutes * MINUTE),
    locator=st.just("x"),
    label=st.sampled_from([None, "C007"]),
)


@given(st.lists(BOOKED, max_size=4).map(tuple), st.permutations(range(4)))
def test_the_verdict_does_not_depend_on_the_order_of_the_agenda(found, order):
    shuffled = tuple(found[i] for i in order if i < len(found))
    if len({(each.start, each.label) for each in found}) < len(found):
        return

    one, other = (judge(each, "mont-roig", {"padro": {}}, TEN, 30, 15) for each in (found, shuffled))

    assert one.how == other.how


@given(st.lists(BOOKED, min_size=1, max_size=4).map(tuple))
def test_nobody_is_sent_elsewhere_who_has_an_appointment_here(found):
    verdict = judge(found, "mont-roig", {"padro": {}}, TEN, 30, 15)

    assert (verdict.how == "elsewhere") == all(each.office != "mont-roig" for each in found)
    assert verdict.how != "not_found" and verdict.booked in found


@pytest.mark.parametrize(
    ("typed", "words"),
    [("12345678", DNI), ("1234567", "01234567L"), ("X1234567", "X1234567L"), ("Y0000000Z", "Y0000000Z")],
)
def test_a_letter_is_worked_out_and_missing_zeros_are_put_in_front(typed, words):
    assert typed_words(typed) == words


@given(st.text(max_size=60))
def test_any_text_is_a_document_a_locator_or_an_error_that_does_not_repeat_it(text):
    try:
        words = read_words(text)
    except CheckInError as error:
        assert str(error) == "neither a DNI or NIE nor a locator of nine digits"
    else:
        assert words.isalnum() and words == words.upper()


@given(st.text("0123456789XYZ", max_size=9))
def test_the_mask_shows_no_key_that_was_typed(typed):
    shown = masked(typed)

    assert shown.count("•") == len(typed) and not set(shown[: len(typed)]) & set("0123456789XYZ")


def test_an_agenda_is_read_as_it_is_said():
    one = Agenda.of(agenda(row(grace=5), row(id="7c1f", office="miami-platja")))

    assert one.appointments[0] == Booked("7c1e", "mont-roig", "padro", TEN, digest(LOCATOR), digest(DNI), None, None, 5)
    assert [each.id for each in one.find(DNI)] == ["7c1e", "7c1f"]
    assert one.find("00000000T") == ()


def test_all_languages_have_the_same_sentences():
    assert {tuple(words) for words in WORDS.values()} == {tuple(WORDS["ca"])}
