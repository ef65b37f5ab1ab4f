"""Personal data: encrypted wherever it is kept, found all the same, and readable by other keys after a change."""

import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from hub import personal
from hub.booking.appointments import Appointment, Document, Kind, Person, Standing
from hub.booking.errors import AlreadyBooked, NoAppointment
from hub.bridge.agenda import Agenda
from hub.clock import now
from hub.line import commands as c
from hub.line.plan import HOUR, day_of
from hub.offices import Fleet
from hub.settings import SettingsError
from hub.store import Store, StoreError, agendas, keys, people, rights, schema
from hub.store import appointments as store_of
from hub.store.upgrade import MIGRATIONS, upgrade
from tests.booking.conftest import Desk, at, dni
from tests.parts import ROOT
from tests.store.test_log import together

KEY = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="  # no secret: it encrypts nothing
NURIA = Person(
    "Núria Vidal i Roca", Document(Kind.DNI, dni(87654321)), "nuria.vidal@example.cat", "977 83 70 05", "sorda"
)
SECRETS = ("Núria", "Vidal", "N\\u00faria", "87654321", "nuria.vidal", "83 70 05", "977837005", "sorda")


@pytest.fixture
def one(desk: Desk) -> Appointment:
    """Núria's appointment at nine."""
    return booked(desk, NURIA)


def booked(desk: Desk, person: Person, hour: int = 9) -> Appointment:
    """An appointment of somebody."""
    return desk.act(store_of.book, store_of.new("mont-roig", ("padro",), at(desk.plan, hour), person=person))


def found(desk: Desk, text: str) -> list[str]:
    """Whose appointments the telephone is shown."""
    return desk.store.transact(lambda work: people.find(work, text, desk.now))


def kept(desk: Desk, one: Appointment) -> Appointment:
    """The appointment as it is kept."""
    return desk.store.transact(lambda work: store_of.by_id(work, one.id))


def told(raw: bytes) -> list[str]:
    """What of Núria's data can be read in some bytes."""
    return [secret for secret in SECRETS if secret.encode() in raw]


@pytest.fixture
def again(database: str) -> Iterator[Callable[[Desk], Desk]]:
    """Opens the same database as a process does that starts now, with the keys of the environment."""
    opened: list[Store] = []

    def start(desk: Desk) -> Desk:
        opened.append(Store(database))
        return replace(desk, store=opened[-1])

    yield start
    for store in opened:
        store.dispose()


# --- at rest ----------------------------------------------------------------------------------


def test_nothing_personal_can_be_read_in_any_table(desk: Desk, one: Appointment) -> None:
    with desk.store.begin() as connection:
        rows = {table.name: connection.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables}

    assert {name: told(repr(some).encode()) for name, some in rows.items() if told(repr(some).encode())} == {}
    assert one.secret not in repr(rows)
    assert len(rows["people"]) == 1


def test_nothing_personal_can_be_read_in_the_files_of_the_database(tmp_path: Path, desk: Desk) -> None:
    if desk.store.engine.dialect.name == "sqlite":
        files = lambda: b"".join(path.read_bytes() for path in tmp_path.glob("torn.sqlite*"))  # noqa: E731
    else:
        files = lambda: _dump(desk.store)  # noqa: E731

    one = booked(desk, NURIA)

    assert one.id.encode() in files()
    assert told(files()) == []


def _dump(store: Store) -> bytes:
    """All rows of `people` as PostgreSQL sends them."""
    with store.begin() as connection:
        return repr(connection.execute(sa.text("SELECT people.*, people::text FROM people")).all()).encode()


def test_a_parcel_opens_for_no_other_appointment(desk: Desk, one: Appointment) -> None:
    other = booked(desk, replace(NURIA, document=None), 10)
    with desk.store.begin(write=True) as connection:
        parcel = connection.execute(sa.select(schema.people.c.parcel).where(schema.people.c.appointment == one.id))
        swapped = schema.people.update().where(schema.people.c.appointment == other.id)
        connection.execute(swapped.values(parcel=parcel.scalar()))

    assert kept(desk, other).sealed and not kept(desk, other).person
    assert kept(desk, one).person == NURIA


def test_one_key_is_made_however_many_processes_start_at_once(database: str) -> None:
    stores = [Store(database) for _ in range(4)]

    assert together(*(lambda s=s: upgrade(s) for s in stores)) == [None] * 4

    names = set()
    for store in stores:
        with store.begin() as connection:
            names.add(keys.of(connection).newest.name)
            assert connection.execute(sa.select(sa.func.count()).select_from(schema.keys)).scalar() == 1
        store.dispose()
    assert len(names) == 1


def test_rows_of_an_older_version_are_encrypted_by_the_upgrade_and_leave_no_trace(
    database: str, tmp_path: Path
) -> None:
    old = Store(database)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with old.begin(write=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        columns = "appointment, secret, kind, number, name, email, phone, note"
        values = ", ".join(f":{name.strip()}" for name in columns.split(","))
        row = {"appointment": "a1", "secret": "s" * 22, "kind": "dni", "number": dni(87654321), "name": NURIA.name}
        row |= {"email": NURIA.email, "phone": NURIA.phone, "note": NURIA.note}
        connection.execute(sa.text(f"INSERT INTO people ({columns}) VALUES ({values})"), row)
        connection.execute(
            schema.appointments.insert().values(
                id="a1", office="mont-roig", services='["padro"]', start=1, locator="123456789", standing="booked",
                public=True, language="ca", grace_minutes=0, at=1,
            )
        )  # fmt: skip

    upgrade(old)

    one = old.transact(lambda work: store_of.by_document(work, dni(87654321))[0])
    assert (one.person, one.secret) == (NURIA, "s" * 22)
    old.dispose()
    assert told(b"".join(path.read_bytes() for path in tmp_path.glob("torn.sqlite*"))) == []


def test_an_error_of_the_database_names_nobody_whatever_is_written_of_it(desk: Desk) -> None:
    with desk.store.begin(write=True) as connection:
        connection.execute(sa.text("DROP TABLE people"))

    with pytest.raises(StoreError) as failed:
        booked(desk, NURIA)

    assert told("".join(traceback.format_exception(failed.value)).encode()) == []


# --- finding ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        dni(87654321), "87.654.321-x", "87654321", "977837005", "+34 977 83 70 05", "0034977837005", "977.83.70.05",
        "Nuria.Vidal@EXAMPLE.cat", "nuria", "VIDAL", "roca núria", "vid nu",
    ],
)  # fmt: skip
def test_who_calls_is_found_by(desk: Desk, one: Appointment, text: str) -> None:
    booked(desk, Person("Pere Roig", Document(Kind.NIE, "X1234567L"), "pere@example.cat", "600 00 00 00"), 10)

    assert found(desk, text) == [one.id]


def test_who_calls_is_found_by_the_locator_said_in_groups(desk: Desk, one: Appointment) -> None:
    assert found(desk, f"{one.locator[:3]} {one.locator[3:6]} {one.locator[6:]}") == [one.id]


@pytest.mark.parametrize("text", ["", " ", "-", "uria", "nuria soler", "12345678Z", "977837006", "@", "%", "x" * 200])
def test_nobody_else_is_found(desk: Desk, one: Appointment, text: str) -> None:
    assert found(desk, text) == []


def test_a_nie_and_a_short_dni_are_found_as_they_are_said(desk: Desk) -> None:
    nie = booked(desk, Person("Pere", Document(Kind.NIE, "X1234567L")))
    short = booked(desk, Person("Anna", Document(Kind.DNI, dni(12345))), 10)

    assert found(desk, "x1234567") == [nie.id]
    assert found(desk, "12345") == found(desk, dni(12345).lstrip("0")) == [short.id]


def test_a_name_is_looked_for_among_what_is_to_come_and_a_document_among_all(desk: Desk, one: Appointment) -> None:
    later = desk.later(72 * HOUR)

    assert found(later, "nuria") == []
    assert found(later, dni(87654321)) == [one.id]


# --- other keys -------------------------------------------------------------------------------


@pytest.fixture
def changed(desk: Desk, one: Appointment, again: Callable[[Desk], Desk], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The same office after a restart with a key of the environment's own; what is there has the database's."""
    monkeypatch.setenv(keys.VARIABLE, keys.new())
    return again(desk)


def test_after_a_change_of_keys_all_is_read_and_found_as_before(changed: Desk, one: Appointment) -> None:
    booked(changed, replace(NURIA, document=None), 11)

    assert kept(changed, one).person == NURIA
    assert len(found(changed, "977837005")) == 2
    with pytest.raises(AlreadyBooked):
        booked(changed, NURIA, 10)


def test_rekeyed_data_needs_the_new_key_alone(
    changed: Desk, one: Appointment, again: Callable[[Desk], Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    assert personal.rekey(changed.store) == 0

    fresh = again(changed)
    with fresh.store.begin() as connection:
        assert len(keys.of(connection).keys) == 1
        assert connection.execute(sa.select(schema.keys)).all() == []
    assert (kept(fresh, one), found(fresh, dni(87654321))) == (one, [one.id])
    assert "the key that was kept in the database is removed" in capsys.readouterr().out


def test_what_a_process_writes_that_has_not_heard_of_the_new_key_is_not_lost(
    desk: Desk, changed: Desk, one: Appointment, again: Callable[[Desk], Desk]
) -> None:
    personal.rekey(changed.store)

    late = booked(desk, Person("Pere Roig", Document(Kind.DNI, dni(5))), 10)

    fresh = again(changed)
    assert [kept(fresh, each) for each in (one, late)] == [one, late]
    assert keys.warnings(fresh.store) == []
    assert personal.rekey(fresh.store) == 0
    with fresh.store.begin() as connection:
        assert connection.execute(sa.select(schema.keys)).all() == []


def test_a_rekey_that_was_interrupted_goes_on_where_it_was(changed: Desk, one: Appointment) -> None:
    others = [booked(changed, Person(f"Pere {n}", Document(Kind.DNI, dni(n))), 10 + n) for n in range(3)]
    with changed.store.begin(write=True) as connection:  # half of it: two rows stay by the old key
        ring = keys.of(connection)
        old = keys.Ring(ring.keys[::-1])
        for each in others[:1]:
            row = people.sealed(old, each.id, each.person, each.secret)
            connection.execute(schema.people.update().where(schema.people.c.appointment == each.id).values(row))

    changed.store.transact(lambda work: people.rekey(work, "", 1))

    with changed.store.begin() as connection:
        assert len(keys.in_use(connection)) == 2
    assert [found(changed, dni(n)) for n in range(3)] == [[each.id] for each in others]
    assert personal.rekey(changed.store) == 0
    with changed.store.begin() as connection:
        assert keys.in_use(connection) == {ring.newest.name}
    assert [kept(changed, each) for each in (one, *others)] == [one, *others]


# --- a key that is missing --------------------------------------------------------------------


@pytest.fixture
def lost(changed: Desk, one: Appointment, again: Callable[[Desk], Desk], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The office after somebody set another key without keeping the one before: Núria's data cannot be read."""
    personal.rekey(changed.store)
    monkeypatch.setenv(keys.VARIABLE, keys.new())
    return replace(again(changed), now=changed.now)


def test_a_missing_key_is_named_with_what_to_do(lost: Desk, one: Appointment) -> None:
    (warning,) = keys.warnings(lost.store)

    with lost.store.begin() as connection:
        (name,) = keys.in_use(connection)
    assert warning == (
        f"personal data is encrypted with the key {name}, which is missing: put it behind the others in TORN_KEYS"
    )
    assert personal.rekey(lost.store) == 1
    with lost.store.begin() as connection, pytest.raises(keys.KeyMissing, match=name):
        people.read(keys.of(connection), connection.execute(sa.select(schema.people)).first())


def test_a_missing_key_stops_neither_booking_nor_the_line_nor_a_cancellation(lost: Desk, one: Appointment) -> None:
    lost.store.transact(lambda work: work.do("mont-roig", c.Adopt("hub", lost.plan), lost.now))

    other = booked(lost, Person("Pere", Document(Kind.DNI, dni(1))), 10)

    assert kept(lost, one).sealed and kept(lost, other).person
    assert found(lost, "pere") == [other.id]
    issue = c.Issue("anna", "ticket", "token", "", ())
    lost.store.transact(lambda work: store_of.check_in(work, lost.plan, one, issue, lost.now))
    assert kept(lost, one).label == "C900"
    assert lost.act(store_of.cancel, other).standing is Standing.CANCELLED


def test_what_a_missing_key_hid_is_there_again_with_the_key(
    lost: Desk, one: Appointment, again: Callable[[Desk], Desk], monkeypatch: pytest.MonkeyPatch, changed: Desk
) -> None:
    lost.act(store_of.cancel, one)
    with changed.store.begin() as connection:
        key = keys.of(connection).newest
    monkeypatch.setattr(keys, "configured", lambda: (keys._key(keys.new()), key))

    assert kept(again(lost), one).person == NURIA


def test_an_agenda_made_without_the_key_has_the_document_once_the_key_is_back(
    changed: Desk, again: Callable[[Desk], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = day_of(changed.plan, now())
    asked = store_of.new("mont-roig", ("padro",), now() + 1000, person=NURIA)
    changed.store.transact(lambda work: store_of._write(work, asked, now()))
    fleet = Fleet({"mont-roig": changed.plan}, {})
    personal.rekey(changed.store)
    configured = keys.configured()
    monkeypatch.setenv(keys.VARIABLE, keys.new())

    blind = Agenda(again(changed).store, fleet, lambda: True)
    blind.look()
    monkeypatch.setattr(keys, "configured", lambda: configured)
    seeing = Agenda(again(changed).store, fleet, lambda: True)
    seeing.look()

    documents = [agenda.of(today)["appointments"][0]["document"] for agenda in (blind, seeing)]
    assert documents[0] is None and documents[1]
    with changed.store.begin() as connection:
        assert agendas.known(connection, today)[asked.id][1] == documents[1]


# --- the keys themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("said", ["short", KEY[:-2], f"{KEY},x", "ñ", "/nowhere/keys"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(keys.VARIABLE, said)

    with pytest.raises(keys.BadKeys) as refused:
        keys.configured()

    assert "TORN_KEYS" in str(refused.value)
    assert len(said) < 10 or said.startswith("/") or said not in str(refused.value)


def test_keys_are_read_from_a_file_too_newest_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newest, older = keys.new(), keys.new()
    (tmp_path / "keys").write_text(f"{newest}\n{older}\n")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "keys"))
    from_file = keys.configured()
    monkeypatch.setenv(keys.VARIABLE, f"{newest}, {older}")

    assert keys.configured() == from_file
    assert len({key.name for key in from_file}) == 2


def test_a_key_shows_itself_to_nobody() -> None:
    assert KEY[:8] not in repr(keys.Ring((keys._key(KEY),)))


# --- a person's rights ------------------------------------------------------------------------


def test_an_export_has_all_that_is_kept_and_leaves_a_trace_each_time(desk: Desk, one: Appointment) -> None:
    def export(_: Any = None) -> dict[str, Any]:
        return desk.store.transact(
            lambda work: rights.export(work, rights.theirs(work, locator=one.locator), "anna", desk.now)
        )

    (first,), (second,) = export()["appointments"], export()["appointments"]

    assert {first[name] for name in ("name", "email", "phone", "note")} == {
        NURIA.name, NURIA.email, NURIA.phone, NURIA.note,
    }  # fmt: skip
    assert first["document"] == {"kind": "dni", "number": dni(87654321)}
    assert [(look["who"], look["what"]) for look in second["looks"]] == [("anna", "exported")] * 2
    json.dumps(first)


def test_by_one_locator_all_appointments_of_the_person_are_meant(desk: Desk, one: Appointment) -> None:
    other = desk.act(store_of.book, store_of.new("mont-roig", ("tributs",), at(desk.plan, 12), person=NURIA))
    booked(desk, Person("Pere", Document(Kind.DNI, dni(1))), 11)

    some = desk.store.transact(lambda work: rights.theirs(work, locator=other.locator))

    assert [each.id for each in some] == [one.id, other.id]


def test_an_erasure_forgets_the_person_cancels_what_is_to_come_and_leaves_a_trace(desk: Desk, one: Appointment) -> None:
    desk.store.transact(
        lambda work: rights.erase(work, {"mont-roig": desk.plan}, [one], "anna", desk.now), one_view=False
    )

    left = kept(desk, one)
    assert (left.person, left.standing, left.start) == (None, Standing.CANCELLED, one.start)
    assert desk.free(one.start) == 1
    assert [look.what for look in desk.store.transact(lambda work: people.looks_at(work, [one]))] == ["erased"]
    with pytest.raises(NoAppointment):
        desk.store.transact(lambda work: rights.theirs(work, document=dni(87654321)))


def test_the_command_line_exports_and_erases_with_a_dry_run(
    desk: Desk, one: Appointment, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet, which = Fleet({"mont-roig": desk.plan}, {}), personal.Which(None, one.locator)

    personal.export(desk.store, which)
    personal.erase(desk.store, fleet, which, dry_run=True)

    assert kept(desk, one) == one
    exported, _, said = capsys.readouterr().out.rpartition("}\n")
    assert json.loads(exported + "}")["appointments"][0]["name"] == NURIA.name
    assert said.startswith("the personal data of 1 appointments would be erased")
    personal.erase(desk.store, fleet, which, dry_run=False)
    assert kept(desk, one).person is None
    assert capsys.readouterr().out == f"{one.id}\n"  # for `restore --erased`
    personal.erased(desk.store)
    assert capsys.readouterr().out == f"{one.id}\n"
    with pytest.raises(SettingsError, match="either --document or --locator"):
        personal.export(desk.store, personal.Which(None, None))


def test_people_key_prints_a_key_and_nothing_else() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "hub", "people", "key"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )

    assert keys._key(said.stdout.strip()).name
    assert said.stderr == ""
