"""Free hours as people choose them: the earliest ones, the months with their days, the hours of one day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from hub.booking.slots import PUBLIC, window
from hub.line.plan import Moment, Plan, doors, local
from hub.store import Store
from hub.store.appointments import free_slots

FIRST = 3  # hours that are offered before all others, and nearest to one that was taken
SOON = 7  # days that most often have as many
MOST_MONTHS = 3  # on one page


@dataclass(frozen=True)
class Day:
    """A day that has free hours; `href` shows them."""

    day: date
    hours: int
    href: str
    chosen: bool


@dataclass(frozen=True)
class Month:
    """The weeks of a month in which one can book; None is a day of another month, or one beyond the horizon."""

    first: date
    weekdays: tuple[date, ...]  # one day of each weekday on which the office opens
    weeks: tuple[tuple[date | Day | None, ...], ...]  # a date has no free hour


@dataclass(frozen=True)
class Choice:
    """What can be chosen at one office."""

    months: tuple[Month, ...]
    day: date | None  # whose hours are shown; None if there is no free hour at all
    by_hour: tuple[tuple[int, tuple[Moment, ...]], ...]  # the hours of that day, by the clock's hour
    nearest: tuple[Moment, ...]  # to the hour that somebody else took
    before: date | None = None  # a month that is not shown
    after: date | None = None


def earliest(store: Store, plan: Plan, services: tuple[str, ...], now: Moment) -> list[Moment]:
    """The first hours that are free. NotBookable if the services cannot be booked here."""
    first = local(plan, now).date()
    for days in (SOON, plan.rules.horizon_days):
        found = free_slots(store, plan, services, first, first + timedelta(days=days), now)[:FIRST]
        if len(found) == FIRST:
            break
    return [slot.start for slot in found]


def choice(
    store: Store,
    plan: Plan,
    services: tuple[str, ...],
    now: Moment,
    link: Callable[..., str],
    day: str | None = None,
    month: str | None = None,
    taken: Moment | None = None,
) -> Choice:
    """The months and the hours of a day; `link(day=…)` and the like are the page's own addresses.

    A day or month that cannot be read, or has nothing free, is the first one that has.
    """
    today, last = (local(plan, at).date() for at in (now, window(plan, now, PUBLIC)[1]))
    free = [slot.start for slot in free_slots(store, plan, services, today, last, now)]
    days = {at: list(hours) for at, hours in groupby(free, lambda start: local(plan, start).date())}
    shown = _chosen(day, days) or next(iter(days), None)
    months = _months(today, last)
    begin = min(months.index(_first(_date(month) or shown or today, months)), max(0, len(months) - MOST_MONTHS))
    hours = groupby(days.get(shown, ()) if shown else (), lambda start: local(plan, start).hour)
    return Choice(
        tuple(_month(plan, m, today, last, days, shown, link) for m in months[begin : begin + MOST_MONTHS]),
        shown,
        tuple((hour, tuple(starts)) for hour, starts in hours),
        tuple(nearest(free, taken)) if taken is not None else (),
        months[max(0, begin - MOST_MONTHS)] if begin else None,
        months[begin + MOST_MONTHS] if begin + MOST_MONTHS < len(months) else None,
    )


def nearest(free: Sequence[Moment], taken: Moment) -> list[Moment]:
    """The free hours that lie nearest to one, in the order of time."""
    return sorted(sorted(free, key=lambda start: abs(start - taken))[:FIRST])


def _chosen(text: str | None, days: dict[date, list[Moment]]) -> date | None:
    """The day asked for, or the next one with a free hour: the last place of a day may just have gone."""
    asked = _date(text)
    return next((day for day in days if asked and day >= asked), None)


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _months(first: date, last: date) -> list[date]:
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    return [date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(count)]


def _first(day: date, months: list[date]) -> date:
    """The month of a day, of those that there are."""
    return max((month for month in months if month <= day), default=months[0])


def _month(
    plan: Plan,
    month: date,
    first: date,
    last: date,
    days: dict[date, list[Moment]],
    shown: date | None,
    link: Callable[..., str],
) -> Month:
    open = {day.weekday() for n in range((last - first).days + 1) if doors(plan, day := first + timedelta(days=n))}
    monday = month - timedelta(days=month.weekday())
    weekdays = [monday + timedelta(days=n) for n in sorted(open)]

    def cell(day: date) -> date | Day | None:
        if day.month != month.month or not first <= day <= last:
            return None
        if day not in days:
            return day
        return Day(day, len(days[day]), link(day=day.isoformat()), day == shown)

    weeks = (tuple(cell(day + timedelta(weeks=n)) for day in weekdays) for n in range(6))
    return Month(month, tuple(weekdays), tuple(week for week in weeks if any(week)))


def moment_of(text: str | None) -> Moment | None:
    """A moment of a form or an address; None if it is none."""
    digits = text is not None and text.isascii() and text.isdigit() and len(text) <= 14
    return int(text) if digits and text else None
