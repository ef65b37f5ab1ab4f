"""The dispenser: what a press does, on the vendors' fakes; where the hub speaks, over a real broker."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from devices import hardware
from devices.day import Clock
from devices.dispenser import Dispenser, OnePush, carried, wired
from devices.hardware import Pins, composer
from devices.journal import Journal
from devices.link import Link
from devices.outbox import IN_FLIGHT
from devices.printer import FakePort, Printer
from devices.settings import Broker, Buttons, DispenserSettings
from devices.speech import Voice
from devices.words import LANGUAGES, WORDS
from firmware import wire
from tests.devices.voice import SERVICES, HubVoice, now, today
from tests.parts import Mosquitto, wait_until

DAY = "2026-11-24"
TEN = wire.instant("2026-11-24T09:00:00Z")  # ten o'clock in Madrid
MINUTE = 60_000
DAWN = "2026-11-24T04:00:00.000Z"
HOURS = [
    {"opens": "2026-11-24T08:00:00.000Z", "closes": "2026-11-24T13:00:00.000Z"},
    {"opens": "2026-11-25T08:00:00.000Z", "closes": "2026-11-25T13:00:00.000Z"},
    {"opens": "2026-12-07T08:00:00.000Z", "closes": "2026-12-07T13:00:00.000Z"},
]
CONFIG = {
    "seq": 1,
    "kind": "dispenser",
    "office": "mont-roig",
    "name": "OMAC Mont-roig",
    "day": DAY,
    "languages": ["ca", "es", "en", "fr"],
    "timezone": "Europe/Madrid",
    "day_starts": "04:00",
    "track": "https://torn.example.cat/t/",
    "services": SERVICES,
    "first_number": 1,
    "last_number": 499,
    "numbers": {},
    "priority": True,
}
BUTTONS = Buttons(services={"padro": 5, "registre": 6, "tributs": 13}, preferential=16, language=20, light=21)


class Office:
    """A dispenser alone with its journal: no broker, and the clock in our hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = TEN
        self.clock_is_set = True
        self.port = FakePort()
        self.dispenser = self._switched_on()

    def _switched_on(self) -> Dispenser:
        link = Link("d-1", "dispenser", Broker(port=1))
        clock = Clock(lambda: self.now if self.clock_is_set else None, synchronised=lambda: False)
        parts = (hardware.screen("fake"), Voice(False), Pins(fakes=True), BUTTONS, clock)
        return Dispenser(link, Journal(self.folder / "journal"), Printer(self.port, composer("default")), *parts)

    def told(self, **config: object) -> "Office":
        """The hub's config arrives, retained."""
        self.dispenser._configured({**CONFIG, **config}, True)
        return self

    def power_cut(self) -> "Office":
        """Off without a word, and on again."""
        self.dispenser.stop(clean=False)
        self.dispenser = self._switched_on()
        return self

    def press(self, service: str = "padro") -> str | None:
        """A press; the label it gave."""
        fact = self.dispenser.pressed(service)
        return fact and fact["label"]

    @property
    def facts(self) -> list[dict]:
        return self.dispenser.journal.facts(0, 1000)

    @property
    def said(self) -> str:
        return " / ".join(self.dispenser.face.shown)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    one = Office(tmp_path)
    yield one
    one.dispenser.stop(clean=False)


# --- numbers without any network ---


def test_a_press_gives_a_number_on_paper_and_a_fact_without_any_network(office):
    label = office.told().press()

    (fact,) = office.facts
    assert (label, fact["fact"], fact["label"], fact["service"], fact["day"]) == (
        "P001",
        "ticket.issued",
        "P001",
        "padro",
        DAY,
    )
    assert len(fact["token"]) == 22
    assert b"P001" in office.port.tickets[0] and f"/t/{fact['token']}".encode() in office.port.tickets[0]
    assert office.said == "P001 / Recolliu el paper"


def test_after_a_power_cut_numbers_go_on_without_the_hub(office):
    office.told().press()

    label = office.power_cut().press()

    assert label == "P002"
    assert b"OMAC Mont-roig" in office.port.tickets[1]


def test_a_new_card_waits_once_for_the_hub_to_tell_where_todays_numbers_stand(office):
    before = office.press()
    said = office.said
    office.told(numbers={"P": 41})

    assert (before, said, office.port.tickets) == (None, "Un moment: encara no està a punt", [])
    assert (office.press(), office.press("registre")) == ("P042", "R001")


def test_a_new_card_does_not_begin_with_the_config_of_yesterday(office):
    before = office.told(day="2026-11-23", numbers={}).press()

    after = office.told(numbers={"P": 7}).press()

    assert (before, after) == (None, "P008")


def test_a_new_card_without_a_set_clock_believes_the_configs_day_until_it_learns_better(office):
    office.clock_is_set = False
    first = office.told(day="2026-11-23", numbers={"P": 3}).press()

    office.clock_is_set = True
    waits = office.press()
    then = office.told(numbers={"P": 9}).press()

    assert (first, waits, then) == ("P004", None, "P010")
    assert [fact["day"] for fact in office.facts] == ["2026-11-23", DAY]


def test_at_four_in_the_morning_numbers_begin_again(office):
    office.told().press()

    office.now = wire.instant("2026-11-25T02:59:59Z")
    night = office.press()
    office.now = wire.instant("2026-11-25T03:00:00Z")
    morning = office.press()

    assert (night, morning) == ("P002", "P001")
    assert [fact["day"] for fact in office.facts] == [DAY, DAY, "2026-11-25"]


def test_a_day_never_goes_back_and_never_forward_by_a_clock_that_nobody_set(office):
    office.told().press()

    office.now = TEN - 24 * 60 * MINUTE
    back = office.press()
    office.clock_is_set = False
    unset = office.press()

    assert (back, unset) == ("P002", "P003")
    assert {fact["day"] for fact in office.facts} == {DAY}


def test_a_ticket_by_a_clock_that_nobody_set_carries_no_time(office):
    office.told()
    office.clock_is_set = False

    office.press()

    assert b"/2026" not in office.port.tickets[0] and b"/1970" not in office.port.tickets[0]


def test_when_the_range_is_used_up_people_are_sent_to_reception(office):
    label = office.told(numbers={"P": 499}).press()

    assert (label, office.said, office.facts) == (None, "No queden números: aneu a recepció", [])


def test_a_config_that_makes_no_sense_changes_nothing(office):
    office.told(name="Before")

    office.told(name="After", timezone="Europe/Mont-roig")
    office.told(name="After", services=[{"id": "padro", "letter": "padro", "name": {}}])
    office.told(name="After", day_starts="dawn")

    assert office.press() == "P001" and b"Before" in office.port.tickets[0]


def test_a_service_that_the_office_no_longer_has_gives_no_number(office):
    label = office.told().press("tributs")

    assert (label, office.said) == (None, "Aquest tràmit no es fa en aquesta oficina")


# --- hours ---


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-11-24T07:59:00Z", "Tancat. Obrim avui a les 09:00"),
        ("2026-11-24T13:00:00Z", "Tancat. Obrim demà a les 09:00"),
        ("2026-12-02T09:00:00Z", "Tancat. Obrim dilluns a les 09:00"),
        ("2026-11-25T13:00:00Z", "Tancat. Obrim dilluns 07/12 a les 09:00"),
    ],
)
def test_out_of_hours_it_says_when_the_office_opens(at, said, office):
    office.told(hours=HOURS)
    office.now = wire.instant(at)

    label = office.press()

    assert (label, office.said, office.dispenser.light.is_lit) == (None, said, False)


def test_after_the_last_hours_it_knows_of_it_gives_numbers(office):
    office.told(hours=HOURS)
    office.now = wire.instant("2026-12-07T13:00:00Z")

    assert office.press() == "P001"


# --- paper ---


@pytest.mark.parametrize(
    ("fault", "said", "paper"),
    [
        ({"paper": "out"}, "No hi ha paper: aneu a recepció", "out"),
        ({"cover_open": True}, "La impressora està oberta: aneu a recepció", "ok"),
        ({"gone": True}, "La impressora no respon: aneu a recepció", "unknown"),
    ],
)
def test_a_printer_that_cannot_print_takes_no_number_and_people_are_told(fault, said, paper, office):
    office.told().press()
    vars(office.port).update(fault)

    label = office.press()
    vars(office.port).update(paper="ok", cover_open=False, gone=False)

    assert (label, office.press()) == (None, "P002")
    told = [fact["paper"] for fact in office.facts if fact["fact"] == "printer.changed"]
    assert told == ([paper, "ok"] if paper != "ok" else [])


def test_what_the_printer_says_is_shown_to_people(office):
    office.told()
    office.port.paper = "out"

    office.press()

    assert office.said == "No hi ha paper: aneu a recepció"


def test_low_paper_is_told_to_the_hub_and_numbers_go_on(office):
    office.told()
    office.port.paper = "low"

    label = office.press()

    assert label == "P001"
    assert [fact["fact"] for fact in office.facts] == ["printer.changed", "ticket.issued"]


def test_paper_told_once_is_not_told_again_after_a_power_cut(office):
    office.port.paper = "low"
    office.told().press()

    office.power_cut().press()

    assert [fact["fact"] for fact in office.facts].count("printer.changed") == 1


class PulledAfterTheLook(FakePort):
    """A printer whose cable is pulled between its last answer and the ticket."""

    def ask(self, question: bytes) -> bytes:
        answer = super().ask(question)
        self.gone = question[2] == 4
        return answer


def test_a_number_of_which_no_byte_was_printed_is_voided_and_offered_again(tmp_path):
    office = Office(tmp_path)
    office.told()
    office.dispenser.printer.port = PulledAfterTheLook()

    label = office.press()

    office.dispenser.printer.port = FakePort()
    again = office.press()
    facts = [fact for fact in office.facts if fact["fact"] != "printer.changed"]
    office.dispenser.stop(clean=False)
    assert (label, again) == ("P001", "P001")
    assert [fact["fact"] for fact in facts] == ["ticket.issued", "ticket.voided", "ticket.issued"]
    assert facts[1]["ticket"] == facts[0]["ticket"] != facts[2]["ticket"]


def test_once_printing_began_the_ticket_stays_valid_and_is_printed_again_only_when_asked(office):
    office.told()
    office.port.breaks_after = 40

    label = office.press()
    said = office.said
    asked = office.power_cut().dispenser.reprint()
    again = office.dispenser.reprint()

    assert (label, said) == ("P001", "P001 / El número P 1 és vàlid encara que el paper no hagi sortit bé")
    assert (asked, again) == (True, False)
    assert b"P001" in office.port.tickets[1] and b"C\x95pia" in office.port.tickets[1]
    assert [fact["fact"] for fact in office.facts] == ["ticket.issued"]
    assert office.press() == "P002"


def test_a_full_disk_is_told_to_people_and_no_number_is_taken(office):
    office.told().press()
    database = office.dispenser.journal._db
    database.execute("PRAGMA wal_checkpoint")
    database.execute("PRAGMA max_page_count = 1")  # SQLite keeps to the pages that it has: SQLITE_FULL
    labels = [office.press() for _ in range(50)]

    said, state = office.said, office.dispenser.link._state["state"]
    database.execute("PRAGMA max_page_count = 100000")

    given = [label for label in labels if label]
    assert None in labels and (said, state) == ("No puc donar números: aneu a recepció", "degraded")
    assert office.press() == f"P{len(given) + 2:03d}"
    assert office.dispenser.link._state["state"] == "ready"


# --- choices ---


def test_the_preferential_button_holds_for_one_ticket(office):
    office.told()

    office.dispenser._acts["preferential"]()
    said = office.said
    office.press()
    office.press()

    assert said == "Torn preferent: premeu el botó del tràmit"
    assert [fact.get("priority") for fact in office.facts] == [True, None]
    assert b"Torn preferent" in office.port.tickets[0] and b"Torn preferent" not in office.port.tickets[1]


def test_an_office_without_preference_says_so(office):
    office.told(priority=False)

    office.dispenser._acts["preferential"]()
    said = office.said
    office.press()

    assert said == "En aquesta oficina no hi ha torn preferent"
    assert "priority" not in office.facts[0]


def test_a_language_chosen_holds_for_one_person_on_screen_and_paper(office):
    office.told()

    for _ in range(3):
        office.dispenser._acts["language"]()
    chosen = office.said
    office.press()
    said = office.said
    office.press()

    assert (chosen, said) == ("Français / Appuyez sur le bouton de votre démarche", "P001 / Prenez votre ticket")
    assert [fact.get("language") for fact in office.facts] == ["fr", None]
    assert b"Suivez votre tour" in office.port.tickets[0] and b"Suivez" not in office.port.tickets[1]


def test_who_comes_back_types_the_number_and_the_hub_is_asked(office):
    office.told().press()

    for key in "*001\n":
        office.dispenser._typed(key)

    issued, rejoined = office.facts
    assert (rejoined["fact"], rejoined["ticket"]) == ("ticket.rejoined", issued["ticket"])
    assert office.said == "P001 / Hem apuntat que el P 1 ha tornat"


def test_where_two_services_have_that_number_the_services_button_says_which(office):
    office.told().press()
    office.press("registre")

    for key in "*1\n":
        office.dispenser._typed(key)
    asked = office.said
    office.press("registre")

    assert asked == "Quin tràmit era? Premeu-ne el botó"
    assert [fact["fact"] for fact in office.facts] == ["ticket.issued"] * 2 + ["ticket.rejoined"]
    assert office.facts[2]["ticket"] == office.facts[1]["ticket"]


def test_a_number_that_this_machine_did_not_give_today_is_not_asked_about(office):
    office.told()

    for key in "7*077\n":
        office.dispenser._typed(key)

    assert (office.facts, office.said) == ([], "Avui no s'ha donat el número 77 en aquesta màquina")


# --- fingers ---


@pytest.mark.parametrize(
    ("edges", "pushes"),
    [
        ([(0.0, True), (0.001, False), (0.002, True), (0.004, False), (0.006, True)], 1),  # bounces when pushed
        ([(0.0, True), (9.0, False), (9.001, True), (9.003, False)], 1),  # held, and bounces when let go
        ([(0.0, True), (0.1, False), (0.5, True), (0.6, False)], 2),  # two people's worth
        ([(0.0, True), (0.1, False), (0.2, True), (0.3, False), (0.4, True)], 1),  # hammered
    ],
)
def test_held_and_bouncing_buttons_give_one_ticket(edges, pushes):
    push = OnePush()

    assert sum(push.begins(at) and down for at, down in edges) == pushes


def test_the_number_is_spoken_in_the_language_of_the_person(tmp_path):
    office = Office(tmp_path)
    office.told()
    said = tmp_path / "said"
    (tmp_path / "say").write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    (tmp_path / "say").chmod(0o755)
    office.dispenser.face._voice = Voice(command=(str(tmp_path / "say"),))

    office.dispenser._acts["language"]()
    office.press()

    wait_until(lambda: said.exists() and len(said.read_text().splitlines()) == 2)
    office.dispenser.face._voice.close()
    office.dispenser.stop(clean=False)
    assert said.read_text().splitlines() == [
        "-v es -- Pulse el botón de su trámite",
        "-v es -- Su número es el P 1. Recoja el papel",
    ]


def test_all_languages_say_the_same_sentences():
    assert {tuple(words) for words in WORDS.values()} == {tuple(WORDS["ca"])} and LANGUAGES.keys() == WORDS.keys()


# --- with the hub ---


class Storing(HubVoice):
    """A hub that stores facts as the contract says; the facts whose seq is in `lose` are lost once each."""

    def __init__(self, port: int) -> None:
        self.journals: dict[str, int] = {}
        self.stored: list[dict] = []
        self.lose: set[int] = set()
        self.deaf = False
        super().__init__(port)

    def _on_message(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        super()._on_message(client, data, message)
        if message.topic.endswith("/fact") and not self.deaf:
            self._store(wire.decode("fact", message.payload), message.topic.split("/")[3])

    def _store(self, fact: dict, device: str) -> None:
        if fact["seq"] in self.lose:
            self.lose.discard(fact["seq"])
            return
        seq = self.journals.get(fact["journal"], 0)
        if fact["seq"] == seq + 1:
            self.journals[fact["journal"]] = seq = fact["seq"]
            self.stored.append(fact)
        self.tell(device, fact["journal"], seq)

    def tell(self, device: str, journal: str, seq: int) -> None:
        """Publishes `stored`."""
        payload = wire.encode("stored", {"journal": journal, "seq": seq})
        self._client.publish(wire.device_topic(device, "stored"), payload, qos=1, retain=True)

    def labels(self) -> list[str]:
        """What is safe, in order."""
        return [fact["label"] for fact in self.stored if fact["fact"] == "ticket.issued"]


@pytest.fixture
def hub(mosquitto: Mosquitto) -> Iterator[Storing]:
    voice = Storing(mosquitto.port)
    yield voice
    voice.stop()


@pytest.fixture
def live(mosquitto: Mosquitto, hub: Storing, tmp_path: Path) -> Iterator[Dispenser]:
    """A dispenser at work, with a hub that is there."""
    configure(hub)
    running = wired(a_dispenser(mosquitto, tmp_path))
    running.start()
    wait_until(lambda: running.link.hub_here() and running.journal.day, what="the hub and the config")
    yield running
    running.stop()


def a_dispenser(mosquitto: Mosquitto, folder: Path) -> DispenserSettings:
    broker = Broker(port=mosquitto.port)
    return DispenserSettings(device="d-1", data=str(folder), fakes=True, voice=False, buttons=BUTTONS, broker=broker)


def configure(hub: HubVoice, **more: object) -> None:
    known = {key: CONFIG[key] for key in ("track", "services", "first_number", "last_number", "numbers", "priority")}
    hub.config("d-1", "dispenser", **{**known, **more})


def finger(dispenser: Dispenser, pin: int) -> None:
    """A finger pushes a button and lets it go."""
    dispenser.pins.push(pin)
    dispenser.pins.let_go(pin)


def line_of(hub: HubVoice, wait: dict | None, waiting: int = 3, **more: object) -> None:
    hub.line(services={"padro": {"waiting": 1, "wait": wait}}, waiting=waiting, **more)


def until_the_line(dispenser: Dispenser, hold: Callable[[dict], bool]) -> None:
    wait_until(lambda: dispenser._line and hold(dispenser._line), what="the line")


def test_a_finger_on_the_button_becomes_a_ticket_that_the_hub_stores(live, hub):
    finger(live, 5)

    wait_until(lambda: hub.labels() == ["P001"] and live.journal.unsent == 0)
    assert len(live.printer.port.tickets) == 1


def test_the_paper_says_who_is_ahead_and_the_forecast_with_when_to_be_back(live, hub):
    line_of(hub, {"p5": 12, "p10": 14, "p50": 18, "p90": 23})
    until_the_line(live, lambda line: True)

    fact = live.pressed("padro")

    (slip,) = live.printer.port.tickets
    back_by = wire.instant(fact["back_by"])
    assert b"Persones davant vostre: 3" in slip and b"Espera prevista: de 10 a 25 min" in slip
    assert wire.stamp(back_by)[11:16].encode() in slip
    assert back_by % MINUTE == 0 and 11 * MINUTE <= back_by - wire.instant(fact["at"]) <= 12 * MINUTE


def test_ahead_on_the_paper_are_those_who_wait_for_the_same_desks(live, hub):
    shared = [{**service, "shares": ["padro", "idcat"]} for service in CONFIG["services"]]
    configure(hub, services=shared)
    counts = {"padro": 2, "idcat": 3, "tributs": 7}
    hub.line(services={id: {"waiting": number, "wait": None} for id, number in counts.items()}, waiting=12)
    until_the_line(live, lambda line: line["waiting"] == 12)
    wait_until(lambda: "shares" in live.setup.services["padro"])

    live.pressed("padro")

    assert b"Persones davant vostre: 5" in live.printer.port.tickets[0]


def test_a_forecast_that_is_not_known_leaves_nothing_in_its_place(live, hub):
    line_of(hub, None)
    until_the_line(live, lambda line: True)

    fact = live.pressed("padro")

    assert b"Espera" not in live.printer.port.tickets[0] and "back_by" not in fact


def test_while_the_hub_is_gone_the_forecast_is_carried_on_and_nobody_is_counted(live, hub):
    line_of(hub, {"p5": 12, "p10": 14, "p50": 18, "p90": 23})
    until_the_line(live, lambda line: True)

    live.link.cut()
    wait_until(lambda: not live.link.connected)
    live.pressed("padro")
    live.pressed("padro")

    first, second = live.printer.port.tickets
    assert b"Espera prevista: de 10 a 25 min" in first and b"Espera prevista: de 15 a 30 min" in second
    assert b"Persones" not in first


def test_a_forecast_is_not_carried_on_for_long(live, hub):
    hub.line(
        services={"padro": {"waiting": 1, "wait": {"p5": 12, "p10": 14, "p50": 18, "p90": 23}}},
        at=wire.stamp(now() - 31 * MINUTE),
    )
    until_the_line(live, lambda line: True)

    live.link.cut()
    wait_until(lambda: not live.link.connected)
    fact = live.pressed("padro")

    assert b"Espera" not in live.printer.port.tickets[0] and "back_by" not in fact


@pytest.mark.parametrize(
    ("given", "minutes", "then"),
    [(0, 0, (10, 20, 30, 40)), (0, 15, (0, 5, 15, 40)), (3, 0, (15, 30, 45, 60)), (6, 60, (0, 0, 0, 80))],
)
def test_a_carried_forecast_grows_with_each_ticket_and_its_early_end_with_time_shrinks(given, minutes, then):
    wait = {"p5": 10, "p10": 20, "p50": 30, "p90": 40}

    assert tuple(carried(wait, 5, given, minutes).values()) == then


def test_a_preferential_ticket_is_not_told_the_ordinary_wait(live, hub):
    line_of(hub, {"p5": 12, "p10": 14, "p50": 18, "p90": 23})
    until_the_line(live, lambda line: True)

    live.pressed("padro", priority=True)

    assert b"Espera" not in live.printer.port.tickets[0]


def test_it_warns_before_printing_when_the_median_forecast_passes_closing(live, hub):
    end = now() + 10 * MINUTE
    configure(hub, hours=[{"opens": wire.stamp(now() - MINUTE), "closes": wire.stamp(end)}])
    line_of(hub, {"p5": 5, "p10": 6, "p50": 11, "p90": 30})
    until_the_line(live, lambda line: True)
    wait_until(lambda: live.setup and live.setup.hours)
    shown_before: list[tuple[str, ...]] = []
    live.printer.port.printed = lambda _: shown_before.append(live.face.shown)

    live.pressed("padro")

    closes = wire.stamp(end)[11:16]
    assert shown_before == [(f"El torn us pot arribar després de les {closes}, hora de tancar",)]
    assert f"de les {closes}, hora de tancar".encode() in live.printer.port.tickets[0].replace(b"\n", b" ")


def test_a_paused_office_is_shown_and_still_gives_numbers(live, hub):
    line_of(hub, None, paused="Simulacre d'incendi")
    until_the_line(live, lambda line: line["paused"] is not None)

    wait_until(lambda: live.face.shown[0] == "Atenció aturada: Simulacre d'incendi")

    assert live.pressed("padro")["label"] == "P001"


def test_what_was_given_without_a_network_is_stored_when_it_comes_back(live, hub):
    live.link.cut()
    wait_until(lambda: not live.link.connected)
    for _ in range(2 * IN_FLIGHT + 5):
        live.pressed("padro")

    live.link.mend()

    wait_until(lambda: live.journal.unsent == 0, 15)
    assert hub.labels() == [f"P{n:03d}" for n in range(1, 2 * IN_FLIGHT + 6)]


def test_a_lost_fact_does_not_flood_the_hub(live, hub):
    live.link.cut()
    wait_until(lambda: not live.link.connected)
    for _ in range(100):
        live.pressed("padro")
    hub.lose = {30}

    live.link.mend()

    wait_until(lambda: live.journal.unsent == 0, 20)
    assert len(hub.labels()) == 100 and len(hub.of("fact")) < 200


def test_the_hub_is_told_since_when_a_fact_waits_to_be_stored(live, hub):
    hub.deaf = True

    fact = live.pressed("padro")

    wait_until(lambda: hub.of("state")[-1].get("unsent_since") == fact["at"], what="the state document")
    hub.deaf = False
    wait_until(lambda: hub.of("state")[-1].get("unsent_since", "") is None, 20, "that nothing waits any more")


def test_no_more_than_twenty_facts_are_in_flight(live, hub):
    hub.deaf = True

    for _ in range(IN_FLIGHT + 10):
        live.pressed("padro")

    hub.wait_for("fact", IN_FLIGHT)
    assert max(fact["seq"] for fact in hub.of("fact")) == IN_FLIGHT


def test_after_a_quiet_hour_a_fact_is_still_sent_once(live, hub):
    hub.deaf = True
    live.outbox._moved -= 3600

    finger(live, 5)
    hub.wait_for("fact", 1)
    finger(live, 6)
    hub.wait_for("fact", 2)
    live._loop.soon(hub.say, "torn/v1/dev/d-1/press", "press", {"id": "x", "press": "next", "version": 1, "now": DAWN})
    hub.wait_for("press")

    assert [fact["seq"] for fact in hub.of("fact")] == [1, 2]


def test_a_hub_with_an_older_database_gets_again_what_it_lacks(live, hub):
    for _ in range(5):
        live.pressed("padro")
    wait_until(lambda: live.journal.unsent == 0)

    hub.journals[live.journal.name] = 2
    del hub.stored[2:]
    hub.tell("d-1", live.journal.name, 2)

    wait_until(lambda: len(hub.stored) == 5 and live.journal.unsent == 0)
    assert hub.labels() == ["P001", "P002", "P003", "P004", "P005"]


def test_paper_out_is_in_the_state_document_and_a_fact_at_once(live, hub):
    live.printer.port.paper = "out"

    live.pressed("padro")

    wait_until(lambda: hub.of("state")[-1]["paper"] == "out" and hub.of("state")[-1]["state"] == "degraded")
    wait_until(lambda: [fact["fact"] for fact in hub.stored] == ["printer.changed"])


def test_paper_that_runs_out_is_noticed_without_a_press(live, hub):
    live.printer.port.paper = "low"

    wait_until(lambda: [fact.get("paper") for fact in hub.stored] == ["low"], 8)


def test_a_power_cut_leaves_the_will_and_the_next_boot_goes_on(live, hub, mosquitto, tmp_path):
    live.pressed("padro")
    live.stop(clean=False)
    wait_until(lambda: hub.of("state")[-1]["state"] == "lost")

    again = wired(replace(a_dispenser(mosquitto, tmp_path)))
    again.start()
    label = again.pressed("padro")["label"]
    wait_until(lambda: again.journal.unsent == 0)
    again.stop()

    assert label == "P002" and hub.labels() == ["P001", "P002"]
    boots = {state["boot"] for state in hub.of("state")}
    assert len(boots) == 2 and hub.of("fact")[0]["day"] == today()
