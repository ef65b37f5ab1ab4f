"""The audit trail: who of the staff did what, when and where, for administrators; to look through, and as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext

from firmware import wire
from hub.clock import now
from hub.line.plan import Moment, Plan, local
from hub.store import audit
from hub.store.audit import Entry
from hub.store.staff import EVERYWHERE

from .guard import exporting, person, signed_in_as
from .hall import hall

pages = Blueprint("trail", __name__, url_prefix="/staff/audit")
SHOWN = 500  # entries on one page: the file has all
MOST_DAYS = 92
KINDS = ("access", "accounts", "data", "appointments", "line")


@dataclass(frozen=True)
class Asked:
    """Which part of the trail is meant: days, a person, a kind; empty means all of them."""

    first: date
    last: date
    who: str = ""
    kind: str = ""

    @property
    def words(self) -> dict[str, str]:
        """As it stands in an address."""
        return {"first": str(self.first), "last": str(self.last), "who": self.who, "kind": self.kind}

    def means(self, entry: Entry) -> bool:
        """Whether it is of that person and kind."""
        return self.who in ("", entry.who) and self.kind in ("", kind_of(entry))


@pages.get("")
@signed_in_as("admin")
def trail() -> str:
    """One day, or some; the newest first."""
    asked, plan = _asked(), _plans()[0]
    everything = _done(asked)
    found = [entry for entry in everything if asked.means(entry)]
    return render_template(
        "audit.html",
        asked=asked,
        entries=found[::-1][:SHOWN],
        count=len(found),
        most=SHOWN,
        people=sorted({entry.who for entry in everything}),
        kinds={kind: kind_name(kind) for kind in KINDS},
        said=said,
        plan=plan,
        plans=hall().fleet.plans,
        person=person(),
    )


@pages.get("/download")
@signed_in_as("admin")
@exporting
def download() -> Response:
    """The same as a CSV file; that it was taken stands in the trail."""
    asked, who = _asked(), person().name
    found = [entry for entry in _done(asked) if asked.means(entry)]
    about = f"{asked.first} – {asked.last}"
    hall().store.transact(lambda work: audit.note(work, who, "trail downloaded", now(), None, about))
    response = Response(_as_csv(found), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{asked.first}-{asked.last}.csv"'
    return response


def _as_csv(entries: Iterable[Entry]) -> str:
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(("at", "who", "what", "office", "desk", "about"))
    written.writerows(map(_cells, entries))
    return text.getvalue()


def _cells(entry: Entry) -> list[str]:
    """A cell that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection)."""
    cells = (wire.stamp(entry.at), entry.who, entry.what, entry.office or "", entry.desk, entry.about)
    return [f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in cells]


def _plans() -> list[Plan]:
    """The offices of which who asks is administrator."""
    return [plan for id, plan in hall().fleet.plans.items() if person().may("admin", id)] or [
        next(iter(hall().fleet.plans.values()))
    ]


def _asked() -> Asked:
    today = local(_plans()[0], now()).date()
    first = _day(request.args.get("first"), today)
    last = max(first, _day(request.args.get("last"), first))
    kind = request.args.get("kind", "")
    last = min(last, first + timedelta(days=MOST_DAYS - 1))
    return Asked(first, last, request.args.get("who", "")[:64], kind if kind in KINDS else "")


def _day(text: str | None, otherwise: date) -> date:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return otherwise
    return min(max(day, date(2000, 1, 1)), date(2200, 1, 1))


def _done(asked: Asked) -> list[Entry]:
    """All that was done on those days, as far as it is who asks to see."""
    plan = _plans()[0]
    mine = [id for id in hall().fleet.plans if person().may("admin", id)]
    first, until = _midnight(plan, asked.first), _midnight(plan, asked.last + timedelta(days=1))
    everywhere, machines = person().may("admin", EVERYWHERE), list(hall().fleet.devices)
    with hall().store.one_view() as connection:
        return audit.trail(connection, first, until, mine, everywhere, machines)


def _midnight(plan: Plan, day: date) -> Moment:
    return round(datetime.combine(day, time(), ZoneInfo(plan.timezone)).timestamp() * 1000)


def kind_of(entry: Entry) -> str:
    """To which of the kinds an entry belongs."""
    return next((kind for kind, acts in _ACTS.items() if entry.what in acts), "line" if "." in entry.what else "data")


_ACTS = {
    "access": ("signed in", "sign-in refused", "signed out", "sessions ended"),
    "accounts": ("account made", "account changed", "account removed", "role given", "role taken", "token made"),
    "data": ("exports opened", "exports closed", "exports refused", "trail downloaded", "exported", "erased"),
    "appointments": ("booked", "moved", "cancelled", "noted", "late"),
}


def kind_name(kind: str) -> str:
    """A kind in the reader's language."""
    return {
        "access": gettext("Signing in and out"),
        "accounts": gettext("Accounts and roles"),
        "data": gettext("Personal data: looks, exports, erasures"),
        "appointments": gettext("Appointments changed by staff"),
        "line": gettext("Desks, tickets and offices"),
    }[kind]


def said(what: str) -> str:
    """What was done, in the reader's language; a word that nobody has translated stands as it is."""
    return _words().get(what, what)


def _words() -> dict[str, str]:
    from .personal import places

    return places() | {
        "signed in": gettext("signed in"),
        "sign-in refused": gettext("sign-in refused"),
        "signed out": gettext("signed out"),
        "sessions ended": gettext("sessions ended"),
        "account made": gettext("account made"),
        "account changed": gettext("account changed"),
        "account removed": gettext("account removed"),
        "role given": gettext("role given"),
        "role taken": gettext("role taken"),
        "token made": gettext("API token made"),
        "exports opened": gettext("exports opened"),
        "exports closed": gettext("exports closed"),
        "exports refused": gettext("exports refused: wrong password"),
        "trail downloaded": gettext("this trail downloaded"),
        "booked": gettext("appointment booked"),
        "moved": gettext("appointment moved"),
        "cancelled": gettext("appointment cancelled"),
        "noted": gettext("note on an appointment changed"),
        "late": gettext("more grace given"),
        "office.paused": gettext("office stopped"),
        "office.resumed": gettext("office goes on"),
        "desk.opened": gettext("desk opened"),
        "desk.shut": gettext("desk closed or paused"),
        "desk.undone": gettext("last step undone"),
        "ticket.issued": gettext("ticket given"),
        "ticket.called": gettext("called"),
        "ticket.recalled": gettext("called again"),
        "ticket.started": gettext("visit begun"),
        "ticket.done": gettext("visit done"),
        "ticket.missed": gettext("marked absent"),
        "ticket.parked": gettext("parked"),
        "ticket.returned": gettext("returned to the line"),
        "ticket.transferred": gettext("transferred"),
        "ticket.rejoined": gettext("put back after a missed call"),
        "ticket.let_pass": gettext("let others pass"),
        "ticket.left": gettext("place given up"),
        "ticket.reassigned": gettext("procedure changed"),
        "ticket.voided": gettext("ticket voided"),
        "ticket.closed": gettext("ticket closed"),
    }
