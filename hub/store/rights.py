"""What a person may ask for: a copy of all that is kept of them, and that it is forgotten (GDPR, articles 15 and 17).

some = theirs(work, document="12345678Z")
export(work, some, "anna", now)              # a dictionary for JSON; that she did it is written down
erase(work, plans, some, "anna", now)        # and that too
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firmware import wire
from hub.booking.appointments import Appointment, Standing
from hub.booking.errors import NoAppointment
from hub.line.plan import Moment, Plan

from . import appointments as store
from . import outbox, people
from .store import Work


def theirs(work: Work, document: str | None = None, locator: str | None = None) -> list[Appointment]:
    """All appointments of one person that are not forgotten yet: by a document, or by the locator of one of them.

    NoAppointment if there is none.
    """
    found = store.by_document(work, document) if document else [store.by_locator(work, locator or "")]
    papers = [one.person.document.number for one in found if one.person and one.person.document]
    if papers and not document:
        found = store.by_document(work, papers[0])
    kept = [one for one in found if one.person or one.sealed]
    if not kept:
        raise NoAppointment("nothing is kept of them: no appointment, or it is forgotten already")
    return kept


def export(work: Work, some: Sequence[Appointment], who: str, now: Moment) -> dict[str, Any]:
    """All that is kept of a person, as what JSON can hold; who looked at it, too. Times are UTC."""
    people.noted(work, who, "exported", (one.id for one in some), now)
    looks = people.looks_at(work, some)
    return {
        "exported": wire.stamp(now),
        "appointments": [
            _all_of(one, [look for look in looks if look.appointment == one.id], outbox.of(work, one.id))
            for one in some
        ],
    }


def _all_of(one: Appointment, looks: Sequence[people.Look], told: Sequence[outbox.Message]) -> dict[str, Any]:
    whose = one.person
    document = whose.document if whose else None
    return {
        "office": one.office,
        "services": list(one.services),
        "start": wire.stamp(one.start),
        "state": one.standing.value,
        "locator": one.locator,
        "language": one.language,
        "label": one.label,
        "name": whose.name if whose else None,
        "document": {"kind": document.kind.value, "number": document.number} if document else None,
        "email": whose.email if whose else None,
        "phone": whose.phone if whose else None,
        "note": whose.note if whose else None,
        "looks": [{"at": wire.stamp(look.at), "who": look.who, "what": look.what} for look in looks],
        "messages": [{"due": wire.stamp(each.due), "what": each.notice.value, "state": each.state} for each in told],
    }


def erase(work: Work, plans: Mapping[str, Plan], some: Sequence[Appointment], who: str, now: Moment) -> None:
    """Forgets whose these appointments are. Those still to come are cancelled: nobody could check in with them."""
    people.noted(work, who, "erased", (one.id for one in some), now)
    for one in some:
        if is_open(one, now) and one.office in plans:
            store.cancel(work, plans[one.office], one, now)
        people.erase(work, one)


def is_open(one: Appointment, now: Moment) -> bool:
    """Whether it is still to come."""
    return one.standing is Standing.BOOKED and one.start > now
