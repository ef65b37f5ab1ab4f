"""Which hours can be booked: a booking takes desk-minutes, not a box.

    free = slots(plan, booked, ("padro",), date(2026, 11, 24), date(2026, 11, 28), now)
    check(plan, booked, Wanted(start, ("padro", "tributs")), now)       # SlotTaken, or NotASlot, says why not

A set of bookings fits if in each minute those under way can sit at different desks that serve them.
By Hall's theorem that is so exactly if no set of desks has more people who can go nowhere else than
it has desks. Nobody is tied to a desk in advance. In each hour, a share of the desk time of the open
doors is left to people without an appointment, and a share of the rest to the telephone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from hub.line.plan import HOUR, MINUTE, Moment, Plan, doors, local, moment

from .errors import NotASlot, NotBookable, SlotTaken

Desks = frozenset[str]
FURTHEST = 366  # days: nobody has promised anything beyond


@dataclass(frozen=True)
class Wanted:
    """A booking, made or asked for: services one after another from `start` on."""

    start: Moment
    services: tuple[str, ...]
    public: bool = True  # one of the web's seats; the telephone has some of its own


@dataclass(frozen=True)
class Terms:
    """By which of the rules somebody books."""

    internal: bool = False  # may have the telephone's seats too
    lead: bool = True  # at least so long ahead; whoever books for somebody at the counter need not
    horizon: bool = True  # at most so many days ahead
    step: bool = True  # only every so many minutes


PUBLIC, STAFF, TELEPHONE = Terms(), Terms(lead=False), Terms(lead=False, internal=True)
TAKEN_OVER = Terms(internal=True, lead=False, horizon=False, step=False)  # promised already, by the old system


@dataclass(frozen=True)
class Slot:
    """An hour that can be booked, and how many times."""

    start: Moment
    free: int


def length(plan: Plan, services: Sequence[str]) -> int:
    """How long a visit for `services` is planned to be, in minutes, without the buffer after it."""
    return sum(service.minutes for service in plan.services if service.id in services)


def slots(
    plan: Plan,
    booked: Iterable[Wanted],
    services: tuple[str, ...],
    first: date,
    last: date,
    now: Moment,
    terms: Terms = PUBLIC,
) -> list[Slot]:
    """The hours from `first` to `last`, both included, at which a visit for `services` can begin, in order.

    Raises NotBookable for a service that is unknown here, or cannot be booked. `booked` is in any order.
    """
    bookable(plan, services)
    earliest, latest = window(plan, now, terms)
    by_day = _by_day(plan, booked)
    found = []
    for day in _days(max(first, local(plan, earliest).date()), min(last, local(plan, latest).date())):
        times = [at for at in starts(plan, services, day, terms) if earliest <= at <= latest]
        if times:
            calendar = Calendar(plan, day, by_day.get(day, ()))
            counted = ((at, calendar.free(Wanted(at, services, not terms.internal))) for at in times)
            found += [Slot(at, free) for at, free in counted if free]
    return found


def check(plan: Plan, booked: Iterable[Wanted], wanted: Wanted, now: Moment, terms: Terms = PUBLIC) -> None:
    """Raises NotBookable, NotASlot or SlotTaken unless `wanted` can be booked beside what is."""
    bookable(plan, wanted.services)
    earliest, latest = window(plan, now, terms)
    day = local(plan, wanted.start).date()
    if not earliest <= wanted.start <= latest:
        raise NotASlot("start: it is too soon or too far ahead to be booked")
    if wanted.start not in starts(plan, wanted.services, day, terms):
        raise NotASlot("start: no appointment for that can begin then")
    if not Calendar(plan, day, _by_day(plan, booked).get(day, ())).free(wanted):
        raise SlotTaken("start: that place is taken")


def starts(plan: Plan, services: Sequence[str], day: date, terms: Terms = PUBLIC) -> Sequence[Moment]:
    """When a visit for `services` may begin on a day: it ends before the doors close."""
    if day.isoformat() in plan.no_appointments:
        return ()
    long = length(plan, services) * MINUTE
    every = plan.rules.slot_minutes * MINUTE if terms.step else MINUTE
    return [at for opens, closes in doors(plan, day) for at in range(opens, closes - long + 1, every)]


def bookable(plan: Plan, services: Sequence[str]) -> None:
    """Raises NotBookable unless each of `services` can be booked here, and is named once."""
    for id in services:
        service = plan.service(id)
        if service is None or not service.bookable or not plan.serving(id):
            raise NotBookable(f"service: {id} cannot be booked at {plan.office}")
    if not services or len(set(services)) < len(services):
        raise NotBookable("service: name each procedure once")


def window(plan: Plan, now: Moment, terms: Terms = PUBLIC) -> tuple[Moment, Moment]:
    """From when to when it may be booked."""
    lead = plan.rules.lead_minutes * MINUTE if terms.lead else 0
    return now + lead, now + (plan.rules.horizon_days if terms.horizon else FURTHEST) * 24 * HOUR


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def _by_day(plan: Plan, booked: Iterable[Wanted]) -> dict[date, list[Wanted]]:
    days: dict[date, list[Wanted]] = {}
    for each in booked:
        days.setdefault(local(plan, each.start).date(), []).append(each)
    return days


class Calendar:
    """What is booked at an office on one day, minute by minute and hour by hour."""

    def __init__(self, plan: Plan, day: date, booked: Iterable[Wanted]) -> None:
        self.rules = plan.rules
        self.begins = moment(plan, day, 0)
        self.minutes = (
            moment(plan, day + timedelta(days=1), 0) - self.begins
        ) // MINUTE  # 23 or 25 hours, twice a year
        self.desks = len(plan.desks)
        self.serving = {service.id: plan.serving(service.id) for service in plan.services}
        self.long = {service.id: service.minutes for service in plan.services}
        self.open = self._hours((opens, closes) for opens, closes in doors(plan, day))
        booked = list(booked)
        self.all = self._hours(self._span(each) for each in booked)
        self.public = self._hours(self._span(each) for each in booked if each.public)
        self.loads = self._loads(booked)

    def free(self, wanted: Wanted) -> int:
        """How many more bookings like `wanted` fit beside what is there."""
        room = min(self._room(service, *minutes) for service, *minutes in self._parts(wanted))
        return max(0, min(room, self._left(wanted)))

    def _minute(self, at: Moment) -> int:
        return (at - self.begins) // MINUTE

    def _span(self, booking: Wanted) -> tuple[Moment, Moment]:
        """From its beginning to the end of the buffer after it."""
        long = sum(self.long.get(service, 0) for service in booking.services) + self.rules.buffer_minutes
        return booking.start, booking.start + long * MINUTE

    def _parts(self, booking: Wanted) -> Iterator[tuple[str, int, int]]:
        """Each service of a booking with its first minute and the one after its last; the buffer is the last one's."""
        at = self._minute(booking.start)
        for service in booking.services:
            ends = at + self.long.get(service, 0)
            more = self.rules.buffer_minutes if service == booking.services[-1] else 0
            yield service, at, min(ends + more, self.minutes)
            at = ends

    # --- who can sit where ----------------------------------------------------------------

    def _loads(self, booked: Iterable[Wanted]) -> dict[Desks, list[int]]:
        """For each set of desks, minute by minute: how many of those booked can sit at no other."""
        changes: dict[Desks, list[int]] = {desks: [0] * (self.minutes + 1) for desks in unions(self.serving.values())}
        within = {s: [changes[group] for group in changes if desks <= group] for s, desks in self.serving.items()}
        for booking in booked:
            for service, begins, ends in self._parts(booking):
                for change in within.get(service, ()):
                    change[begins] += 1
                    change[ends] -= 1
        return {desks: list(accumulate(change)) for desks, change in changes.items()}

    def _room(self, service: str, begins: int, ends: int) -> int:
        """How many more can be served at once through all of these minutes (Hall's theorem)."""
        own = self.serving[service]
        return min(len(desks) - max(load[begins:ends]) for desks, load in self.loads.items() if own <= desks)

    # --- what is kept for others ----------------------------------------------------------

    def _hours(self, spans: Iterable[tuple[Moment, Moment]]) -> list[int]:
        """The minutes of `spans` that fall into each hour of the day."""
        hours = [0] * (self.minutes // 60 + 2)
        for begins, ends in spans:
            for hour, minutes in self._pieces(begins, ends):
                hours[hour] += minutes
        return hours

    def _pieces(self, begins: Moment, ends: Moment) -> Iterator[tuple[int, int]]:
        at, last = self._minute(begins), min(self._minute(ends), self.minutes)
        while at < last:
            until = min(last, (at // 60 + 1) * 60)
            yield at // 60, until - at
            at = until

    def _left(self, wanted: Wanted) -> int:
        """How many more the shares of walk-ins and telephone allow."""
        share = 1 - self.rules.walk_in_share
        counts = [self._within(wanted, self.all, share)]
        if wanted.public:
            counts.append(self._within(wanted, self.public, share * (1 - self.rules.internal_share)))
        return min(counts)

    def _within(self, wanted: Wanted, taken: list[int], share: float) -> int:
        """How many more fit into a share of each hour; one at least where nothing is booked, however long it is."""
        fits = []
        for hour, own in self._pieces(*self._span(wanted)):
            most = share * self.open[hour] * self.desks
            fits.append(max(int((most - taken[hour]) // own), int(most > 0 and not taken[hour])))
        return min(fits, default=0)


def unions(groups: Iterable[Desks]) -> set[Desks]:
    """Every set of desks that some of `groups` make up together: those that Hall's theorem asks about."""
    found: set[Desks] = set()
    for group in set(groups):
        found |= {group} | {group | other for other in found}
    return found
