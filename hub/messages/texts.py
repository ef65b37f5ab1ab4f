"""The words of a message: short, polite, in the language of the booking. Pure.

No name stands in them: whoever books can type whatever they like there, and any address to send it to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from babel.dates import format_date
from babel.support import Translations

from hub.booking.appointments import Appointment
from hub.booking.calendar_file import calendar_file, procedures, services, spoken
from hub.booking.notices import Notice
from hub.line.plan import Plan, local

CATALOGUES = Path(__file__).parent / "translations"
Words = Callable[[str], str]


@dataclass(frozen=True)
class Letter:
    """A message as an e-mail, and as an SMS."""

    subject: str
    text: str
    short: str
    language: str
    calendar: bytes | None = None  # a file for one's calendar (RFC 5545)


@cache
def words(language: str) -> Words:
    """What turns an English sentence into one of `language`."""
    return Translations.load(CATALOGUES, [language]).gettext


def letter(notice: Notice, plan: Plan, one: Appointment, public_url: str) -> Letter:
    """What somebody is told of their appointment."""
    _ = words(one.language)
    day, hour = _day(plan, one), local(plan, one.start).strftime("%H:%M")
    subject = _subject(_, notice) % {"day": day, "hour": hour}
    link = f"{public_url}/book/{one.locator}?secret={one.secret}"
    if notice is Notice.CANCELLED:
        link = f"{public_url}/book"
    papers = _papers(_, plan, one) if notice is not Notice.CANCELLED else []
    facts = _facts(_, plan, one, day, hour)
    text = "\n\n".join([_beginning(_, notice), facts, *papers, *_advice(_, notice, link, plan)])
    host = urlsplit(public_url).netloc
    new = notice in (Notice.CONFIRMED, Notice.MOVED)
    calendar = calendar_file(plan, one, host, one.language) if new else None
    return Letter(subject, text + "\n", _short(_, notice, plan, one, hour, link), one.language, calendar)


def _day(plan: Plan, one: Appointment) -> str:
    locale = "en_GB" if one.language == "en" else one.language
    return format_date(local(plan, one.start).date(), "full", locale=locale)


def _subject(_: Words, notice: Notice) -> str:
    return {
        Notice.CONFIRMED: _("Your appointment: %(day)s, %(hour)s"),
        Notice.MOVED: _("Your appointment has changed: %(day)s, %(hour)s"),
        Notice.CANCELLED: _("Your appointment is cancelled: %(day)s, %(hour)s"),
        Notice.REMINDER: _("Reminder of your appointment: %(day)s, %(hour)s"),
    }[notice]


def _beginning(_: Words, notice: Notice) -> str:
    return {
        Notice.CONFIRMED: _("Good day. You have an appointment:"),
        Notice.MOVED: _("Good day. Your appointment has a new day or hour:"),
        Notice.CANCELLED: _("Good day. This appointment is cancelled:"),
        Notice.REMINDER: _("Good day. May we remind you of your appointment:"),
    }[notice]


def _facts(_: Words, plan: Plan, one: Appointment, day: str, hour: str) -> str:
    lines = [f"{day}, {hour}", procedures(plan, one, one.language), plan.name, plan.address]
    lines.append(_("Locator: %(locator)s") % {"locator": one.said_locator})
    return "\n".join(f"    {line}" for line in lines if line)


def _papers(_: Words, plan: Plan, one: Appointment) -> list[str]:
    """What to bring, as a paragraph, if the offices file says so."""
    found = [paper for service in services(plan, one) if service.bring for paper in spoken(service.bring, one.language)]
    lines = [f"    - {paper}" for paper in dict.fromkeys(found)]
    return ["\n".join([_("Please bring with you:"), *lines])] if lines else []


def _advice(_: Words, notice: Notice, link: str, plan: Plan) -> list[str]:
    """What to do now, one paragraph each."""
    said = []
    if notice is Notice.CANCELLED:
        said.append(_("You can book another one here:") + f"\n{link}")
    else:
        said.append(
            _(
                "When you arrive, press «I have an appointment» at the ticket machine, and identify yourself "
                "with your document or with the locator. Reception will gladly help you."
            )
        )
        said.append(
            _("If you cannot come, please cancel or change the appointment here, so that somebody else can come:")
            + f"\n{link}"
        )
        said.append(_("Whoever has this address can change your appointment: please do not pass it on."))
    if plan.telephone:
        said.append(_("Nobody reads answers to this message. Our telephone: %(number)s") % {"number": plan.telephone})
    return said


def _short(_: Words, notice: Notice, plan: Plan, one: Appointment, hour: str, link: str) -> str:
    """For a telephone: two or three parts of 160 characters."""
    said = {
        Notice.CONFIRMED: _("Appointment: %(when)s, %(office)s. Locator %(locator)s. To change or cancel: %(link)s"),
        Notice.MOVED: _("Your new hour: %(when)s, %(office)s. Locator %(locator)s. To change or cancel: %(link)s"),
        Notice.CANCELLED: _("Cancelled appointment: %(when)s, %(office)s. To book another one: %(link)s"),
        Notice.REMINDER: _("Reminder: %(when)s, %(office)s. Locator %(locator)s. To change or cancel: %(link)s"),
    }[notice]
    when = f"{local(plan, one.start):%d/%m/%Y} {hour}"
    return said % {"when": when, "office": plan.name, "locator": one.said_locator, "link": link}
