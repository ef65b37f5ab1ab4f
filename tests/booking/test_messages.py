"""What people are told of their appointments: queued with the booking, sent once, tried again, in their language."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from icalendar import Calendar

from hub.booking.appointments import Appointment, Person
from hub.booking.errors import BookingError
from hub.booking.notices import Notice, reminded_at
from hub.booking.slots import TAKEN_OVER
from hub.bridge.bridge import adopt
from hub.clock import now
from hub.line.plan import HOUR, MINUTE, local
from hub.messages import post, texts
from hub.messages.post import BadSettings, Gateway, Mail, Ways, from_environment
from hub.messages.sender import Sender
from hub.messages.texts import letter
from hub.offices import Fleet, read_offices
from hub.store import Store, keys, outbox, people, schema
from hub.store import appointments as store_of
from hub.store.outbox import DROPPED, FAILED, SENT, WAITING, Message
from tests.booking.conftest import TUESDAY, Desk, Web, at, office, somebody
from tests.booking.mailbox import Mailbox, SmsGateway, certificate
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, free_port, wait_until
from tests.store.test_log import together

URL = "https://torn.example.cat"
MARIA = replace(somebody(), email="maria@example.cat", phone="600 00 00 01")
SENDER = "Torn <no-reply@torn.example.cat>"


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """The two sample offices, open round the clock."""
    return read_offices(ROUND_THE_CLOCK)


@pytest.fixture
def today(store: Store, fleet: Fleet) -> Desk:
    """An office at this very moment: what it sends is sent now."""
    plan = replace(fleet.plans["mont-roig"], rules=replace(fleet.plans["mont-roig"].rules, lead_minutes=0))
    return Desk(store, plan, now())


def booked(desk: Desk, person: Person = MARIA, hours: int = 48, **more: object) -> Appointment:
    """An appointment of somebody, so many hours from now; whoever it was before may have one too."""
    start = (desk.now // (10 * MINUTE) + 1) * 10 * MINUTE + hours * HOUR
    return desk.act(store_of.book, store_of.new("mont-roig", ("padro",), start, person=person, **more))


def moved(desk: Desk, one: Appointment, hours: int = 1) -> Appointment:
    """The same, so many hours later."""
    return desk.act(lambda work, plan, at: store_of.move(work, plan, one, one.start + hours * HOUR, at))


def queued(desk: Desk, one: Appointment, *states: str) -> list[str]:
    """What is to be told of an appointment, or was."""
    return [each.notice.value for each in messages(desk, one) if each.state in (states or (WAITING,))]


def messages(desk: Desk, one: Appointment) -> list[Message]:
    """All messages of an appointment."""
    return desk.store.transact(lambda work: outbox.of(work, one.id))


def time_passes(store: Store, *kinds: Notice) -> None:
    """Everything that waits is due now, as it will be after a while."""
    with store.begin(write=True) as connection:
        some = schema.outbox.c.notice.in_(kinds or list(Notice))
        connection.execute(schema.outbox.update().where(some).values(next_at=0))


# --- queued -----------------------------------------------------------------------------------


def test_who_left_an_address_is_told_of_the_booking_and_reminded(today: Desk) -> None:
    one = booked(today)

    confirmed, reminder = messages(today, one)

    assert (confirmed.notice, reminder.notice) == (Notice.CONFIRMED, Notice.REMINDER)
    assert (confirmed.due, reminder.due) == (today.now, reminded_at(today.plan, one.start))


def test_who_left_none_is_told_nothing(today: Desk) -> None:
    assert queued(today, booked(today, somebody())) == []


def test_a_held_place_tells_nobody_and_its_confirmation_does(today: Desk) -> None:
    held = today.act(store_of.hold, store_of.new("mont-roig", ("padro",), booked(today, somebody(1)).start))
    before = queued(today, held)

    today.act(lambda work, plan, at: store_of.confirm(work, plan, held.id, MARIA, at, "fr"))

    assert before == []
    assert queued(today, held) == ["confirmed", "reminder"]


def test_of_a_booking_that_is_refused_nobody_is_told(desk: Desk) -> None:
    nine = at(desk.plan, 9)
    desk.book(nine, 1)
    asked = store_of.new("mont-roig", ("padro",), nine, person=MARIA)

    with pytest.raises(BookingError):
        desk.act(store_of.book, asked)

    assert messages(desk, asked) == []


def test_a_move_or_a_cancellation_takes_the_place_of_what_was_not_sent_yet(today: Desk) -> None:
    one = moved(today, booked(today))
    after_the_move = queued(today, one)

    today.act(store_of.cancel, one)
    today.act(store_of.cancel, one)

    assert after_the_move == ["moved", "reminder"]
    assert queued(today, one) == ["cancelled"]


def test_a_move_to_the_same_hour_tells_nobody(today: Desk) -> None:
    one = booked(today)

    moved(today, one, 0)

    assert queued(today, one) == ["confirmed", "reminder"]


def test_a_new_address_is_told_and_one_taken_away_is_told_nothing_any_more(today: Desk) -> None:
    one = booked(today, somebody())

    today.act(lambda work, plan, at: store_of.change(work, plan, one, at, person=MARIA))
    told = queued(today, one)
    today.act(lambda work, plan, at: store_of.change(work, plan, one, at, person=replace(MARIA, note="amb gos")))
    again = queued(today, one)
    today.act(lambda work, plan, at: store_of.change(work, plan, one, at, person=somebody()))

    assert told == again == ["confirmed", "reminder"]
    assert queued(today, one) == []


def test_what_was_taken_over_from_an_old_system_is_reminded_of_and_not_confirmed(today: Desk) -> None:
    start = booked(today, somebody(1)).start
    asked = store_of.new("mont-roig", ("padro",), start, person=MARIA)

    today.act(store_of.book, asked, terms=TAKEN_OVER)

    assert queued(today, asked) == ["reminder"]


def test_who_books_for_today_needs_no_reminder(today: Desk) -> None:
    assert queued(today, booked(today, hours=0)) == ["confirmed"]


@pytest.mark.parametrize(
    ("day", "reminded"),
    [
        (date(2026, 11, 25), date(2026, 11, 24)),
        (date(2026, 11, 23), date(2026, 11, 20)),  # a Monday
        (date(2026, 12, 9), date(2026, 12, 4)),  # after a bridge
        (date(2026, 3, 30), date(2026, 3, 27)),  # summer time begins between
    ],
)
def test_the_reminder_comes_at_ten_on_the_working_day_before(day: date, reminded: date) -> None:
    plan = replace(office(), closed=("2026-12-07", "2026-12-08"))

    when = local(plan, reminded_at(plan, at(plan, 9, 0, day)))

    assert (when.date(), when.hour, when.minute) == (reminded, 10, 0)


def test_an_office_that_is_shut_for_long_reminds_the_day_before() -> None:
    plan = replace(office(), hours=((),) * 7)

    assert local(plan, reminded_at(plan, at(plan, 9))).date() == TUESDAY - timedelta(days=1)


def test_the_outbox_holds_neither_addresses_nor_names(today: Desk) -> None:
    booked(today)

    with today.store.begin() as connection:
        rows = repr(connection.execute(sa.select(schema.outbox)).all())

    assert not re.search("maria|Persona|600 00|12345678Z|@", rows)


def test_an_erasure_takes_the_messages_along(today: Desk) -> None:
    one = booked(today)

    today.store.transact(lambda work: people.erase(work, one))

    assert messages(today, one) == []


def test_the_daily_erasure_takes_the_messages_along(today: Desk) -> None:
    one = booked(today)
    late = one.start + 31 * 24 * HOUR

    today.store.transact(lambda work: people.erase_old(work, today.plan, late, dry_run=True))
    before = len(messages(today, one))
    today.store.transact(lambda work: people.erase_old(work, today.plan, late))

    assert (before, messages(today, one)) == (2, [])


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["ca", "es", "en", "fr"])
@pytest.mark.parametrize("notice", list(Notice))
def test_every_message_has_hour_place_locator_and_link_and_no_name(language: str, notice: Notice, fleet: Fleet) -> None:
    plan = fleet.plans["mont-roig"]
    one = store_of.new("mont-roig", ("padro",), at(plan, 9, 10), person=MARIA, language=language)

    said = letter(notice, plan, one, URL)

    link = f"{URL}/book" if notice is Notice.CANCELLED else f"{URL}/book/{one.locator}?secret={one.secret}"
    for text in (said.text, said.short):
        assert "09:10" in text and plan.name in text and link in text
        assert "Persona" not in text and "12345678" not in text and "%" not in text
    assert plan.services[0].name[language] in said.text and plan.telephone in said.text
    assert f"{one.locator[:3]} {one.locator[3:6]} {one.locator[6:]}" in said.text
    assert "24" in said.subject and "\n" not in said.subject


def test_each_language_says_it_in_its_own_words(fleet: Fleet) -> None:
    plan = fleet.plans["mont-roig"]
    ones = [store_of.new("mont-roig", ("padro",), at(plan, 9), language=each) for each in ("ca", "es", "en", "fr")]

    said = [letter(Notice.REMINDER, plan, one, URL) for one in ones]

    assert len({each.subject for each in said}) == len({each.text.split("\n")[0] for each in said}) == 4
    assert "dimarts, 24 de novembre" in said[0].text and "mardi 24 novembre" in said[3].text


def strings() -> set[str]:
    found = extract_from_dir(texts.CATALOGUES.parent, [("**.py", "python")])
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


@pytest.mark.parametrize("language", ["ca", "es", "fr"])
def test_every_sentence_of_the_messages_is_translated_and_compiled(language: str) -> None:
    folder = texts.CATALOGUES / language / "LC_MESSAGES"

    with (folder / "messages.po").open("rb") as file:
        written = {message.id: message.string for message in read_po(file, locale=language) if message.id}
    with (folder / "messages.mo").open("rb") as file:
        compiled = {message.id: message.string for message in read_mo(file) if message.id}

    assert set(written) == strings()
    assert compiled == written
    assert [text for text, translated in written.items() if not translated] == []


def test_a_letter_says_where_it_is_and_what_to_bring_in_its_language(fleet: Fleet) -> None:
    plan = fleet.plans["mont-roig"]
    one = store_of.new("mont-roig", ("padro",), at(plan, 9), person=MARIA, language="es")

    said = letter(Notice.REMINDER, plan, one, URL).text
    cancelled = letter(Notice.CANCELLED, plan, one, URL).text

    papers = plan.service("padro").bring["es"]
    assert plan.address in said
    assert [paper for paper in papers if f"    - {paper}\n" not in said] == []
    assert "Traiga, por favor:" in said and "Traiga" not in cancelled


def test_the_calendar_file_has_the_hour_and_no_secret(fleet: Fleet) -> None:
    plan = fleet.plans["mont-roig"]
    one = store_of.new("mont-roig", ("padro", "tributs"), at(plan, 9), person=MARIA)

    made = letter(Notice.CONFIRMED, plan, one, URL).calendar

    (event,) = Calendar.from_ical(made).walk("VEVENT")
    assert event["DTSTART"].dt.timestamp() * 1000 == one.start
    assert event["UID"] == f"{one.id}@torn.example.cat"
    assert one.secret.encode() not in made
    assert letter(Notice.CANCELLED, plan, one, URL).calendar is None


# --- sent -------------------------------------------------------------------------------------


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server."""
    running = Mailbox()
    yield running
    running.stop()


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    """A gateway for SMS."""
    running = SmsGateway()
    yield running
    running.stop()


def sender(desk: Desk, **environment: object) -> Sender:
    """A sender that looks when it is told to."""
    settings = {name: str(value) for name, value in environment.items()}
    return Sender(desk.store, Fleet({"mont-roig": desk.plan}, {}), from_environment(settings), URL)


def by_mail(desk: Desk, mailbox: Mailbox) -> Sender:
    """One that has a mail server."""
    return sender(desk, TORN_SMTP=f"smtp://127.0.0.1:{mailbox.port}", TORN_MAIL_FROM=SENDER)


def test_the_confirmation_is_sent_once_and_the_reminder_later(today: Desk, mailbox: Mailbox) -> None:
    one = booked(today, language="es")
    sending = by_mail(today, mailbox)

    sending.look()
    sending.look()
    (confirmed,) = mailbox.mails
    time_passes(today.store)
    sending.look()

    assert (confirmed["To"], confirmed["From"]) == ("maria@example.cat", SENDER)
    assert confirmed["Subject"].startswith("Su cita: ")
    assert one.secret in confirmed.get_body().get_content()
    (calendar,) = confirmed.iter_attachments()
    assert calendar.get_content_type() == "text/calendar" and calendar.get_filename() == "torn.ics"
    assert [mail["Subject"][:12] for mail in mailbox.mails[1:]] == ["Recordatorio"]
    assert queued(today, one, SENT) == ["confirmed", "reminder"]


def test_who_left_a_telephone_alone_gets_an_sms_with_a_key_of_its_own(today: Desk, gateway: SmsGateway) -> None:
    one = booked(today, replace(MARIA, email=None))

    sender(today, TORN_SMS=gateway.url).look()

    ((head, body),) = gateway.texts
    (message, _) = messages(today, one)
    assert (head["Idempotency-Key"], head["Authorization"]) == (message.id, "Basic dXNlcjp3b3Jk")
    assert (body["to"], body["language"]) == ("600 00 00 01", "ca")
    assert one.locator[:3] in body["text"]


def test_any_number_of_bridges_send_each_message_once(today: Desk, mailbox: Mailbox, database: str) -> None:
    ones = [booked(today, replace(MARIA, document=None), 24 + n) for n in range(6)]
    stores = [Store(database) for _ in range(4)]
    senders = [by_mail(replace(today, store=store), mailbox) for store in stores]

    answers = together(*(each.look for each in senders))

    assert answers == [None] * 4
    assert sorted(mailbox.counted().values()) == [1] * 6
    assert [queued(today, one, SENT) for one in ones] == [["confirmed"]] * 6
    for store in stores:
        store.dispose()


def test_what_a_busy_server_put_off_comes_later_by_the_same_message_id(today: Desk, mailbox: Mailbox) -> None:
    one = booked(today)
    mailbox.answers.append("451 later, maria@example.cat")

    by_mail(today, mailbox).look()
    (put_off, _) = messages(today, one)
    by_mail(today, mailbox).look()
    before = len(mailbox.mails)
    time_passes(today.store, Notice.CONFIRMED)
    by_mail(today, mailbox).look()

    assert (put_off.state, put_off.tries, put_off.reason) == (WAITING, 1, "the mail server said 451")
    assert put_off.next_at - put_off.due >= outbox.FIRST_WAIT
    assert before == 0
    assert [mail["Message-ID"] for mail in mailbox.mails] == [f"<{put_off.id}@torn.example.cat>"]


def test_an_address_that_does_not_exist_is_given_up_at_once_and_shown(today: Desk, mailbox: Mailbox) -> None:
    one = booked(today, replace(MARIA, email="nobody@example.cat"))

    by_mail(today, mailbox).look()

    (given_up,) = today.store.transact(outbox.troubled)
    assert (given_up.appointment, given_up.state, given_up.reason) == (one.id, FAILED, "the mail server said 550")
    assert outbox.counts(today.store) == {WAITING: 1, SENT: 0, DROPPED: 0, FAILED: 1}


def test_what_cannot_be_sent_for_three_days_is_given_up_and_the_waits_grow(today: Desk) -> None:
    one = booked(today)
    waits = [outbox.wait(tries) for tries in range(12)]
    with today.store.begin(write=True) as connection:
        connection.execute(schema.outbox.update().values(due=today.now - outbox.GIVEN_UP))

    sender(today, TORN_SMTP=f"smtp://127.0.0.1:{free_port()}", TORN_MAIL_FROM=SENDER).look()

    assert messages(today, one)[0].state == FAILED
    assert messages(today, one)[0].reason == "the mail server is away: ConnectionRefusedError"
    assert all(later > sooner for sooner, later in pairwise(waits[:7]))
    assert max(waits) <= 1.5 * outbox.LONGEST_WAIT and sum(waits) < outbox.GIVEN_UP


def test_while_the_mail_server_is_away_others_get_their_sms(today: Desk, gateway: SmsGateway) -> None:
    for n in range(3):
        booked(today, replace(MARIA, document=None), 24 + n)
    booked(today, replace(MARIA, document=None, email=None), 30)

    sender(today, TORN_SMTP=f"smtp://127.0.0.1:{free_port()}", TORN_MAIL_FROM=SENDER, TORN_SMS=gateway.url).look()

    assert len(gateway.texts) == 1
    reasons = {each.reason for each in today.store.transact(outbox.troubled)}
    assert reasons == {"the mail server is away: ConnectionRefusedError", "the server was away a moment ago"}


@pytest.mark.parametrize(("status", "state"), [(500, WAITING), (429, WAITING), (401, WAITING), (422, FAILED)])
def test_what_the_gateway_says_decides_whether_it_is_tried_again(
    today: Desk, gateway: SmsGateway, status: int, state: str
) -> None:
    one = booked(today, replace(MARIA, email=None))
    gateway.statuses.append(status)

    sender(today, TORN_SMS=gateway.url).look()

    assert (messages(today, one)[0].state, messages(today, one)[0].reason) == (state, f"the SMS gateway said {status}")


def test_without_a_way_a_message_is_dropped_with_the_reason(today: Desk) -> None:
    one = booked(today)

    sender(today).look()

    assert (messages(today, one)[0].state, messages(today, one)[0].reason) == (DROPPED, "there is no way to tell them")


def test_what_is_not_true_any_more_is_not_sent(today: Desk, mailbox: Mailbox) -> None:
    one = booked(today)
    with today.store.begin(write=True) as connection:  # checked in meanwhile
        connection.execute(schema.appointments.update().values(standing="arrived"))
    time_passes(today.store)

    by_mail(today, mailbox).look()

    assert mailbox.mails == []
    assert queued(today, one, DROPPED) == ["confirmed", "reminder"]


def test_a_message_to_somebody_whose_key_is_missing_waits_for_the_key(
    today: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = booked(today)
    ring = keys.Ring((keys._key(keys.new()),))
    monkeypatch.setattr(keys, "of", lambda connection: ring)
    by_mail(today, mailbox).look()
    blind = messages(today, one)[0]
    monkeypatch.undo()
    time_passes(today.store, Notice.CONFIRMED)

    by_mail(today, mailbox).look()

    assert (blind.state, blind.reason) == (WAITING, "whose it is cannot be read: a key is missing")
    assert len(mailbox.mails) == 1


def test_the_metrics_count_the_messages_of_each_state(web: Web) -> None:
    web.client().post("/api/v1/appointments", json=web.asked(email="maria@example.cat"))

    assert 'torn_messages{state="waiting"} 1.0' in web.client().get("/metrics").text


# --- the ways ---------------------------------------------------------------------------------


def test_a_server_with_tls_is_believed_only_by_its_certificate(
    today: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path)
    one = letter(Notice.REMINDER, today.plan, booked(today), URL)
    box = Mailbox(tls_context=context)  # STARTTLS
    mail = Mail("127.0.0.1", box.port, SENDER, tls=False)

    with pytest.raises(post.Away, match="SSLCertVerificationError"):
        mail.send("maria@example.cat", one, "a")
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    mail.send("maria@example.cat", one, "b")

    assert [each["Message-ID"] for each in box.mails] == ["<b@torn.example.cat>"]
    box.stop()


def test_to_another_machine_nothing_is_sent_without_tls(
    today: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "HERE", ())

    with pytest.raises(post.Away, match="no STARTTLS"):
        Mail("127.0.0.1", mailbox.port, SENDER, tls=False).send(
            "maria@example.cat", letter(Notice.REMINDER, today.plan, booked(today), URL), "a"
        )

    assert mailbox.mails == []


@pytest.mark.parametrize("address", ["a,b@example.cat", "<x>@example.cat", "a@example.cat\r\nBcc: c@example.cat"])
def test_an_address_cannot_bring_others_along(today: Desk, mailbox: Mailbox, address: str) -> None:
    with pytest.raises(post.Refused):
        Mail("127.0.0.1", mailbox.port, SENDER, tls=False).send(
            address, letter(Notice.REMINDER, today.plan, booked(today), URL), "a"
        )

    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TORN_SMTP", "mail.example.cat"), ("TORN_SMTP", "http://x"), ("TORN_SMTP", "smtp://:25"),
        ("TORN_SMTP", "smtp://u:secret@x:99999"), ("TORN_SMS", "ftp://x"), ("TORN_SMS", "http://u:secret@example.cat/x"),
        ("TORN_MAIL_FROM", "nobody"), ("TORN_MAIL_FROM", ""),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named_and_not_shown(name: str, value: str) -> None:
    fine = {"TORN_SMTP": "smtp://localhost", "TORN_MAIL_FROM": "no-reply@example.cat"}

    with pytest.raises(BadSettings) as refused:
        from_environment(fine | {name: value})

    assert str(refused.value).startswith(f"{name}: ") and "secret" not in str(refused.value)


def test_passwords_are_shown_by_nothing() -> None:
    ways = from_environment(
        {"TORN_SMTP": "smtps://u:secr%40t@x", "TORN_MAIL_FROM": "a@x.cat", "TORN_SMS": "https://u:secr%40t@x/y"}
    )

    assert isinstance(ways, Ways) and isinstance(ways.sms, Gateway)
    assert (ways.mail.password, ways.mail.port, ways.sms.url) == ("secr@t", 465, "https://x/y")
    assert "secr" not in repr(ways)


# --- a bridge that is killed ------------------------------------------------------------------


def test_of_a_bridge_killed_at_any_moment_nothing_is_lost_and_only_what_was_in_flight_comes_twice(
    tmp_path: Path, mosquitto: Mosquitto, database: str, mailbox: Mailbox, fleet: Fleet, today: Desk
) -> None:
    for each in fleet.plans:
        adopt(today.store, fleet, each)
    ones = [booked(today, replace(MARIA, document=None, email=f"p{n}@example.cat"), 24 + n) for n in range(12)]
    settings = {"TORN_SMTP": f"smtp://127.0.0.1:{mailbox.port}", "TORN_MAIL_FROM": SENDER}
    bridge = Hub(tmp_path / "hub", part="bridge", broker=mosquitto.url, database=database, environment=settings)
    in_flight = []

    for silent_from in (3, 7):  # killed with so many mails taken, before it hears of the last one
        mailbox.silent_from = silent_from
        bridge.start()
        wait_until(lambda: len(mailbox.mails) >= mailbox.silent_from, 30, "a mail whose sender waits for the answer")
        bridge.kill()
        in_flight.append(mailbox.mails[-1]["Message-ID"])
        mailbox.silent_from = None
        time_passes(today.store, Notice.CONFIRMED)
    bridge.start()
    wait_until(lambda: outbox.counts(today.store)[SENT] == len(ones), 30, "all to be sent")
    assert bridge.stop() == 0

    counted = mailbox.counted()
    assert {mail["To"] for mail in mailbox.mails} == {f"p{n}@example.cat" for n in range(12)}
    assert len(counted) == len(ones)
    assert {id: count for id, count in counted.items() if count > 1} == dict.fromkeys(in_flight, 2)
    assert not [line for line in bridge.lines if re.search(r"p\d+@", line)]


def test_a_bridge_whose_mail_server_does_not_answer_ends_in_time(
    tmp_path: Path, mosquitto: Mosquitto, mailbox: Mailbox
) -> None:
    settings = {"TORN_SMTP": f"smtp://127.0.0.1:{mailbox.port}", "TORN_MAIL_FROM": SENDER}
    hub = Hub(tmp_path / "hub", broker=mosquitto.url, environment=settings)
    mailbox.silent_from = 1
    hub.start()
    store, plan = Store(f"sqlite:///{tmp_path / 'hub' / 'torn.db'}"), read_offices(ROUND_THE_CLOCK).plans["mont-roig"]
    booked(Desk(store, plan, now()))
    wait_until(lambda: mailbox.mails, 20, "the mail")

    assert hub.stop(5) == 0

    store.dispose()
