"""`python -m hub forecast score`: how good the forecast was, or would have been, beside the simple estimators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hub.forecast.laws import NEVER
from hub.forecast.learn import DAYS, learn
from hub.forecast.quantiles import Came, Wait, adapted
from hub.forecast.scene import Coming
from hub.forecast.score import Score, Told, Walk, by_laws, by_length, come_back, replay, score, thirds
from hub.forecast.synthetic import CLEAN, MESSY, Lived, World, live, true_laws
from hub.forecast.watch import Day, Watch
from hub.line.events import Event, TicketIssued
from hub.line.model import State
from hub.line.plan import Plan
from hub.offices import Fleet, OfficesError
from hub.settings import SettingsError
from hub.store import Store

from .past import days_of, expected_on

OURS, TRUE = "Torn", "Torn with the true laws"
SIMPLE = ("people x mean / desks", "(people + 1) x mean / desks", "rolling mean of 5", "last wait")
TRAINED, FIRST_SCORED = 20, 10  # synthetic days before the table begins; the last ten of them move the levels only
WALK = 10.0  # minutes


# --- an office that never was ---------------------------------------------------------------


def score_synthetic(kind: str, seed: int, worlds: int, days: int) -> int:
    """Prints the table for so many synthetic offices of a kind, each learned from its own past."""
    world = MESSY if kind == "messy" else CLEAN
    told: list[Told] = []
    walks: list[Walk] = []
    for number in range(seed, seed + worlds):
        for some, out in lived(world, number, days):
            told += some
            walks += out
    print(f"{worlds} {kind} offices, seeds {seed} to {seed + worlds - 1}, {days} days each\n")
    print(table(told, (OURS, TRUE, *SIMPLE)))
    print(f"\n{back_by(walks)}\n\n{by_line(told, (OURS, TRUE, *SIMPLE))}")
    return 0


def lived(world: World, seed: int, days: int) -> Iterator[tuple[list[Told], list[Walk]]]:
    """Day by day: what was told by laws learned from the days before, as nightly; and who came back in time."""
    plan, empty = world.plan, State("synthetic")
    past = [taught_by(live(world, seed, number)) for number in range(TRAINED)]
    levels: Mapping[str, float] = {}
    for number in range(FIRST_SCORED, TRAINED + days):
        day = live(world, seed, number)
        laws = replace(learn(plan, past[:number]), levels=levels)
        tellers = {OURS: by_laws(laws, seed)}
        if number >= TRAINED:
            tellers[TRUE] = by_laws(true_laws(world), seed)
        told = list(replay(empty, day.events, day.coming, tellers, _mean(past[:number])))
        if number >= TRAINED:
            yield told, list(come_back(empty, day.events, day.coming, laws, WALK))
            past.append(taught_by(day))
        levels = adapted(laws, _scored(told)).levels


def taught_by(day: Lived) -> Day:
    """What a synthetic day teaches: what its events say, and who did not come."""
    watch = Watch(State("synthetic"))
    for event in day.events:
        watch.see(event)
    came = {e.appointment.id for e in day.events if isinstance(e, TicketIssued) and e.appointment}
    known = watch.over()
    return replace(known, punctuality=known.punctuality + (NEVER,) * len(day.coming.keys() - came))


def _mean(days: Iterable[Day]) -> float:
    visits = [visit.minutes for day in days for visit in day.visits]
    return sum(visits) / len(visits) if visits else 10.0


def _scored(told: Iterable[Told]) -> list[Came]:
    return [Came(t.third, said, t.wait) for t in told if isinstance(said := t.said[OURS], Wait)]


# --- a past period --------------------------------------------------------------------------


def score_log(store: Store, fleet: Fleet, office: str | None, first: str | None, last: str | None) -> int:
    """Prints the table for each office: the log's days again, each forecast by laws of the days before it."""
    if office is not None and office not in fleet.plans:
        raise OfficesError(f"--office {office}: there is no such office in the offices file")
    today = datetime.now(UTC).date()
    begins, ends = _date(first, "--from", today - timedelta(days=7)), _date(last, "--to", today - timedelta(days=1))
    for id, plan in fleet.plans.items():
        if office in (None, id):
            told, walks = _replayed(store, plan, begins.isoformat(), ends.isoformat())
            parts = table(told, (OURS, *SIMPLE)), back_by(walks), by_line(told, (OURS, *SIMPLE))
            print(f"{id}, {begins} to {ends}", *parts, sep="\n\n", end="\n\n")
    return 0


def _date(text: str | None, name: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError:
        raise SettingsError(f"{name} {text!r}: must be a date like 2026-11-24") from None


def _replayed(store: Store, plan: Plan, first: str, last: str) -> tuple[list[Told], list[Walk]]:
    past: list[Day] = []
    told: list[Told] = []
    walks: list[Walk] = []
    levels: Mapping[str, float] = {}
    for day, begun, events in days_of(store, plan.office):
        coming = expected_on(store, plan, day)
        if first <= day <= last:
            laws = replace(learn(plan, past[-DAYS:]), levels=levels)
            new = list(replay(begun, events, coming, {OURS: by_laws(laws)}, _mean(past[-DAYS:])))
            told, walks = told + new, [*walks, *come_back(begun, events, coming, laws, WALK)]
            levels = adapted(laws, _scored(new)).levels
        past.append(_taught(begun, events, coming))
    return told, walks


def _taught(begun: State, events: Iterable[Event], coming: dict[str, Coming]) -> Day:
    watch = Watch(begun)
    came = set()
    for event in events:
        watch.see(event)
        if isinstance(event, TicketIssued) and event.appointment:
            came.add(event.appointment.id)
    day = watch.over()
    return replace(day, punctuality=day.punctuality + (NEVER,) * len(coming.keys() - came))


# --- as a table -----------------------------------------------------------------------------

HEAD = ("estimator", "people", "error", "bias", "inside p10-p90", "before p10", "before p5", "by third of the day")


def table(told: Sequence[Told], names: Sequence[str]) -> str:
    """One row an estimator, in Markdown: minutes and shares."""
    if not told:
        return "nobody took a ticket and was called in that time"
    rows = [HEAD, tuple("---" for _ in HEAD)]
    for name in names:
        one = score(name, told)
        parts = [score(name, some) for some in thirds(told)]
        inside = ", ".join(_share(part.covered) for part in parts) if one.covered is not None else ""
        rows.append(
            (
                *(name, str(one.count), f"{one.error:.2f}", f"{one.bias:+.2f}"),
                *(_share(one.covered), _share(one.before_p10), _share(one.before_p5), inside),
            )
        )
    ours = score(names[0], told).error
    ratios = [f"{ours / other.error:.2f} of {name}" for name in names[1:] if (other := _error(name, told)) is not None]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", f"The error of {names[0]} is " + ", ".join(ratios) + "."])


def by_line(told: Sequence[Told], names: Sequence[str]) -> str:
    """The error of each estimator by how many were ahead, in Markdown: where each one loses."""
    if not told:
        return ""
    groups = {length: some for length, some in by_length(told).items() if some}
    rows = [("error by people ahead", *groups), tuple("---" for _ in range(len(groups) + 1))]
    rows.append(("people", *(str(len(some)) for some in groups.values())))
    rows += [(name, *(f"{score(name, some).error:.2f}" for some in groups.values())) for name in names]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _error(name: str, told: Sequence[Told]) -> Score | None:
    one = score(name, told)
    return one if one.error else None


def _share(part: float | None) -> str:
    return "" if part is None else f"{100 * part:.1f} %"


def back_by(walks: Sequence[Walk]) -> str:
    """One sentence of those who went out."""
    if not walks:
        return "Nobody's wait was long enough to go out."
    late = sum(walk.late for walk in walks) / len(walks)
    inside = sum(walk.wait_inside for walk in walks) / len(walks)
    return (
        f"Of {len(walks)} who went out and came back by the live p5 ({WALK:.0f} minutes' walk), {_share(late)} were "
        f"called before they were back; the others waited {inside:.0f} minutes inside on average."
    )
