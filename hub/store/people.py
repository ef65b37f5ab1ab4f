"""Whose an appointment is: the one table with personal data, encrypted. Every look of the staff is written down.

Of each person there is one sealed parcel, which no other row can open, and keyed digests of document,
telephone and e-mail, by which they are found.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
import structlog
from stdnum.es import dni, nie

from hub.booking.appointments import Appointment, Document, Kind, Person
from hub.booking.documents import plain
from hub.line.plan import HOUR, MINUTE, Moment, Plan

from . import keys
from .schema import appointments, digests, looks, outbox, people
from .store import Work

log = structlog.get_logger()
ONE_LOOK = 10 * MINUTE  # a page that loads again within this time shows nothing new
BACK = 24 * HOUR  # a name is looked for among the appointments that are not older than this
Owner = tuple[Person, str]  # whose it is, and the secret of its link


# --- writing --------------------------------------------------------------------------------


def write(work: Work, one: Appointment) -> None:
    """Writes down whose an appointment is; if that has changed, its digests for the dispensers are made again."""
    if one.person is None:
        return
    keys.hold(work.connection)
    ring = keys.of(work.connection)
    own = people.c.appointment == one.id
    known = work.connection.execute(sa.select(people).where(own)).first()
    row = sealed(ring, one.id, one.person, one.secret)
    if known is None:
        work.connection.execute(people.insert().values(appointment=one.id, **row))
    elif read(ring, known) != (one.person, one.secret):
        work.connection.execute(people.update().where(own).values(row))
        work.connection.execute(digests.delete().where(digests.c.appointment == one.id))


def sealed(ring: keys.Ring, appointment: str, person: Person, secret: str) -> dict[str, Any]:
    """The row of `people`, by the newest key; without the appointment's id."""
    document = person.document
    parcel = {
        "name": person.name,
        "kind": document.kind.value if document else None,
        "number": document.number if document else None,
        "email": person.email,
        "phone": person.phone,
        "note": person.note,
        "secret": secret,
    }
    said = {
        "document": document.number if document else None,
        "email": plain_email(person.email),
        "phone": plain_phone(person.phone),
    }
    found_by = {what: ring.newest.digest(what, text) if text else None for what, text in said.items()}
    text = json.dumps(parcel, ensure_ascii=False, separators=(",", ":"))
    return {"key": ring.newest.name, "parcel": ring.seal(appointment, text.encode()), **found_by}


def plain_email(email: str | None) -> str:
    """An address as it is compared."""
    return (email or "").strip().casefold()


def plain_phone(phone: str | None) -> str:
    """A telephone as it is compared: its digits, without the prefix of Spain."""
    digits = "".join(filter(str.isdigit, phone or ""))
    if (phone or "").strip().startswith(("+", "00")):
        digits = digits.removeprefix("00")
        return digits.removeprefix("34") if len(digits) == 11 else digits
    return digits


# --- reading --------------------------------------------------------------------------------


def owner(connection: sa.Connection, row: Any) -> Owner | None:
    """Whose the appointment of a row that joins `people` is; None once erased, and while the key is missing."""
    if row.parcel is None:
        return None
    try:
        return read(keys.of(connection), row)
    except (keys.KeyMissing, keys.Damaged) as error:
        _say_once(str(error))
        return None


def read(ring: keys.Ring, row: Any) -> Owner:
    """Opens a row of `people`. KeyMissing, or Damaged."""
    parcel = json.loads(ring.open(row.appointment, row.key, row.parcel))
    secret, kind, number = (parcel.pop(name) for name in ("secret", "kind", "number"))
    return Person(document=Document(Kind(kind), number) if kind else None, **parcel), secret


@cache
def _say_once(error: str) -> None:
    log.error("whose an appointment is cannot be read", reason=error)


# --- finding --------------------------------------------------------------------------------


def has_document(connection: sa.Connection, number: str) -> sa.ColumnElement[bool]:
    """The rows of `people` with a document's number, in whatever spelling."""
    return people.c.document.in_(keys.of(connection).digests("document", plain(number)))


def find(work: Work, text: str, now: Moment) -> list[str]:
    """The appointments of whoever is meant by `text`, by id, those that begin last first.

    `text` is a document (a DNI or NIE also without its letter), a telephone, an e-mail, a locator, or the
    beginnings of some words of a name, in any order and without regard to accents: "ma vid" finds
    Vidal i Roca, Maria. Documents, telephones, e-mails and locators are found among all appointments that
    are not erased; a name among those from yesterday on. Whoever is shown one has `looked`.
    """
    ring = keys.of(work.connection)
    digested = (people.c[what].in_(ring.digests(what, said)) for what, said in _meant(text))
    by_locator = appointments.c.locator == re.sub(r"[\s.-]", "", text)
    query = sa.select(people.c.appointment).where(sa.or_(by_locator, *digested))
    found = set(work.connection.execute(_joined(query)).scalars())
    if words := _words(text):
        found |= set(_named(work, words, now))
    latest = sa.select(appointments.c.id).where(appointments.c.id.in_(found)).order_by(appointments.c.start.desc())
    return list(work.connection.execute(latest).scalars())


def _meant(text: str) -> Iterator[tuple[str, str]]:
    """What `text` could be: the column of its digest, and its plain spelling."""
    number, phone = plain(text), plain_phone(text)
    if any(map(str.isdigit, number)):
        yield "document", number
        yield from (("document", whole) for whole in _with_letter(number))
    if len(phone) >= 6:
        yield "phone", phone
    if "@" in text:
        yield "email", plain_email(text)


def _with_letter(number: str) -> Iterator[str]:
    """A DNI or NIE that was said without its letter, or a DNI without the noughts before it."""
    if re.fullmatch("[0-9]{5,8}", number):
        yield number.zfill(8) + dni.calc_check_digit(number.zfill(8))
    if re.fullmatch("[0-9]{4,7}[A-Z]", number):
        yield number.zfill(9)
    if re.fullmatch("[XYZ][0-9]{7}", number):
        yield number + nie.calc_check_digit(number)


def _named(work: Work, words: set[str], now: Moment) -> Iterator[str]:
    """The appointments from yesterday on whose owner's name has words that begin so; each is opened for it."""
    recent = _joined(sa.select(people)).where(appointments.c.start > now - BACK)
    for row in work.connection.execute(recent):
        whose = owner(work.connection, row)
        named = _words(whose[0].name) if whose else ()
        if all(any(word.startswith(begins) for word in named) for begins in words):
            yield row.appointment


def _words(text: str) -> set[str]:
    """The words of a name in small letters without accents; none if it cannot be one."""
    if any(map(str.isdigit, text)) or "@" in text:
        return set()
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return set(re.findall(r"[^\W\d_]+", bare))


def _joined(query: sa.Select[Any]) -> sa.Select[Any]:
    return query.join(appointments, appointments.c.id == people.c.appointment)


# --- who was shown it -----------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """Somebody of the staff was shown whose an appointment is, or did something with that."""

    at: Moment
    who: str
    what: str
    appointment: str


def looked(work: Work, who: str, what: str, some: Iterable[Appointment], now: Moment) -> None:
    """Writes down that `who` was shown whose these appointments are; a page that stays open is one look."""
    shown = {one.id for one in some if one.person}
    lately = (looks.c.who == who) & (looks.c.what == what) & (looks.c.at > now - ONE_LOOK)
    same = lately & looks.c.appointment.in_(shown)
    shown -= set(work.connection.execute(sa.select(looks.c.appointment).where(same)).scalars())
    noted(work, who, what, shown, now)


def noted(work: Work, who: str, what: str, ids: Iterable[str], now: Moment) -> None:
    """Writes down what `who` did with the data of these appointments, each time: exported, erased."""
    rows = [{"at": now, "who": who, "what": what, "appointment": id} for id in sorted(ids)]
    if rows:
        work.connection.execute(looks.insert(), rows)


def looks_at(work: Work, some: Iterable[Appointment]) -> list[Look]:
    """What was noted of these appointments, in the order of time."""
    ids = [one.id for one in some]
    query = sa.select(looks).where(looks.c.appointment.in_(ids)).order_by(looks.c.at, looks.c.id)
    return [Look(row.at, row.who, row.what, row.appointment) for row in work.connection.execute(query)]


def erased(connection: sa.Connection) -> list[str]:
    """The appointments that were erased on request, by id, in the order of time."""
    query = sa.select(looks.c.appointment).where(looks.c.what == "erased").order_by(looks.c.at, looks.c.id)
    return list(dict.fromkeys(connection.execute(query).scalars()))


# --- erasing, and other keys ----------------------------------------------------------------


def erase_old(work: Work, plan: Plan, now: Moment, dry_run: bool = False) -> int:
    """Forgets whose the office's appointments were, some days after their hour; of how many. The rest stays."""
    before = now - plan.rules.erase_after_days * 24 * HOUR
    over = sa.select(appointments.c.id).where(appointments.c.office == plan.office, appointments.c.start < before)
    due = people.c.appointment.in_(over)
    if dry_run:
        return work.connection.execute(sa.select(sa.func.count()).select_from(people).where(due)).scalar() or 0
    work.connection.execute(outbox.delete().where(outbox.c.appointment.in_(over)))
    return work.connection.execute(people.delete().where(due)).rowcount


def erase(work: Work, one: Appointment) -> None:
    """Forgets at once whose an appointment is or was: its owner asks for it."""
    work.connection.execute(people.delete().where(people.c.appointment == one.id))
    for kept in (digests, outbox):
        work.connection.execute(kept.delete().where(kept.c.appointment == one.id))


def rekey(work: Work, after: str, most: int) -> str | None:
    """Encrypts some rows again by the newest key, from the appointment `after` on: the last one's id, None at the end.

    A row whose key is missing, or that was changed outside, is left as it is, with a line in the log.
    """
    ring = keys.of(work.connection)
    due = (people.c.key != ring.newest.name) & (people.c.appointment > after)
    query = sa.select(people).where(due).order_by(people.c.appointment).limit(most).with_for_update()
    rows = work.connection.execute(query).all()
    for row in rows:
        if whose := owner(work.connection, row):
            own = people.c.appointment == row.appointment
            work.connection.execute(people.update().where(own).values(sealed(ring, row.appointment, *whose)))
    return rows[-1].appointment if rows else None
