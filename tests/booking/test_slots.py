"""Which hours can be booked: desk-minutes, skills, shares, lead time, horizon, the calendar."""

import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.booking.errors import NotASlot, NotBookable, SlotTaken
from hub.booking.slots import PUBLIC, STAFF, TAKEN_OVER, TELEPHONE, Terms, Wanted, check, slots, starts, unions
from hub.line.events import DayOpened, pack, unpack
from hub.line.plan import MINUTE, DeskPlan, Plan, Season, local, moment
from hub.offices import read_offices
from tests.booking.conftest import TUESDAY, at, office
from tests.parts import OFFICES


def free(plan: Plan, *booked: Wanted, services: tuple[str, ...] = ("padro",), terms: Terms = PUBLIC) -> dict[str, int]:
    """The free places of that Tuesday, seen at eight, by the hour on the wall."""
    found = slots(plan, booked, services, TUESDAY, TUESDAY, at(plan, 8), terms)
    return {f"{local(plan, slot.start):%H:%M}": slot.free for slot in found}


def booked(plan: Plan, hour: int, minute: int = 0, *services: str, public: bool = True) -> Wanted:
    """A booking of that Tuesday."""
    return Wanted(at(plan, hour, minute), services or ("padro",), public)


def skilled(*desks: str) -> Plan:
    """An office with these desks, each named by the first letters of what it serves: "ptr", "r"."""
    names = {"p": "padro", "t": "tributs", "r": "registre"}
    plans = tuple(DeskPlan(str(n), tuple(names[letter] for letter in desk)) for n, desk in enumerate(desks, 1))
    return replace(office(), desks=plans)


# --- desk-minutes -----------------------------------------------------------------------------


def test_an_empty_day_offers_every_step_of_the_opening_that_ends_before_the_doors_close() -> None:
    found = free(office(2))

    assert next(iter(found)) == "09:00"
    assert list(found)[-1] == "13:50"
    assert len(found) == 30
    assert set(found.values()) == {2}


def test_a_procedure_of_twenty_minutes_and_two_of_ten_fit_on_one_desk_as_they_would_in_life() -> None:
    plan = office(1)

    found = free(plan, booked(plan, 9, 0, "tributs"), booked(plan, 9, 20), booked(plan, 9, 30))

    assert list(found)[:2] == ["09:40", "09:50"]


def test_a_long_procedure_needs_all_of_its_minutes() -> None:
    plan = office(1)

    found = free(plan, booked(plan, 9, 10), services=("tributs",))

    assert "09:00" not in found
    assert "09:10" not in found
    assert "09:20" in found
    assert list(found)[-1] == "13:40"


def test_several_procedures_in_one_visit_follow_each_other() -> None:
    plan = office(1)

    found = free(plan, booked(plan, 10, 0, "padro", "tributs"))

    assert {"10:00", "10:10", "10:20"}.isdisjoint(found)
    assert {"09:50", "10:30"} <= set(found)


def test_a_visit_that_changes_desks_midway_takes_one_desk_at_a_time() -> None:
    plan = skilled("p", "r")

    found = free(plan, booked(plan, 9, 0, "padro", "registre"), services=("registre",))

    assert "09:00" in found
    assert "09:10" not in found


def test_the_buffer_is_left_free_after_each_appointment() -> None:
    plan = office(1, buffer_minutes=5, slot_minutes=5)

    found = free(plan, booked(plan, 9))

    assert next(iter(found)) == "09:15"


# --- skills -----------------------------------------------------------------------------------


def test_a_desk_that_does_not_serve_it_offers_nothing() -> None:
    plan = skilled("ptr", "r")

    assert set(free(plan).values()) == {1}
    assert set(free(plan, services=("registre",)).values()) == {2}


def test_who_can_go_elsewhere_makes_room_for_who_cannot() -> None:
    plan = skilled("ptr", "r")

    found = free(plan, booked(plan, 9, 0, "registre"))

    assert found["09:00"] == 1


def test_when_those_who_can_go_elsewhere_fill_the_elsewhere_there_is_no_room() -> None:
    plan = skilled("ptr", "r")

    found = free(plan, booked(plan, 9, 0, "registre"), booked(plan, 9, 0, "registre"))

    assert "09:00" not in found


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Plan, list[str]]:
    """An office with skilled desks, and what people want at one and the same time."""
    desks = draw(st.lists(st.sampled_from(["p", "t", "r", "pt", "pr", "tr", "ptr"]), min_size=1, max_size=4))
    return skilled(*desks), draw(st.lists(st.sampled_from(["padro", "tributs", "registre"]), max_size=4))


def seats(plan: Plan, services: list[str]) -> bool:
    """Whether each can sit at a desk of their own, found by trying."""
    tries = permutations(plan.desks, len(services)) if len(services) <= len(plan.desks) else ()
    return any(all(s in desk.services for s, desk in zip(services, desks, strict=True)) for desks in tries)


@given(crowds())
def test_a_place_is_offered_exactly_if_everybody_can_sit_at_a_desk_of_their_own(crowd: tuple[Plan, list[str]]) -> None:
    plan, wanted = crowd
    taken: list[Wanted] = []

    for service in wanted:
        asked = Wanted(at(plan, 9), (service,))
        there = [each.services[0] for each in taken]
        if not plan.serving(service):
            with pytest.raises(NotBookable):
                check(plan, taken, asked, at(plan, 8))
        elif seats(plan, [*there, service]):
            check(plan, taken, asked, at(plan, 8))
            taken.append(asked)
        else:
            with pytest.raises(SlotTaken):
                check(plan, taken, asked, at(plan, 8))


def test_the_sets_of_desks_that_are_counted_are_those_that_skills_make_up() -> None:
    a, b, c = frozenset("1"), frozenset("2"), frozenset("23")

    assert unions([a, b, c, b]) == {a, b, c, frozenset("12"), frozenset("123")}


@given(st.lists(st.tuples(st.integers(0, 29), st.sampled_from(["padro", "tributs", "registre"])), max_size=40))
def test_whatever_is_offered_can_be_booked_so_many_times_and_not_once_more(asked: list[tuple[int, str]]) -> None:
    plan = skilled("ptr", "ptr", "r")
    taken: list[Wanted] = []
    for step, service in asked:
        one = Wanted(at(plan, 9, 10 * step), (service,))
        offer = free(plan, *taken, services=(service,)).get(f"{local(plan, one.start):%H:%M}", 0)
        for _ in range(offer):
            check(plan, taken, one, at(plan, 8))
            taken.append(one)
        if one.start in starts(plan, (service,), TUESDAY):
            with pytest.raises(SlotTaken):
                check(plan, taken, one, at(plan, 8))


# --- shares -----------------------------------------------------------------------------------


def test_walk_ins_keep_their_share_of_each_hour() -> None:
    plan = office(2, walk_in_share=0.5)
    five = [booked(plan, 9, minute) for minute in (0, 10, 20, 30, 40)]

    assert free(plan, *five)["09:50"] == 1
    assert "09:50" not in free(plan, *five, booked(plan, 9, 0))
    assert free(plan, *five, booked(plan, 9, 0))["10:00"] == 2


def test_the_telephone_keeps_places_that_the_web_does_not_offer() -> None:
    plan = office(2, internal_share=0.5)
    six = [booked(plan, 9, minute) for minute in (0, 10, 20, 30, 40, 50)]

    assert "09:00" not in free(plan, *six)
    assert free(plan, *six, terms=TELEPHONE)["09:00"] == 1


def test_what_the_telephone_books_leaves_the_web_its_part() -> None:
    plan = office(2, internal_share=0.5)
    six = [booked(plan, 9, minute, public=False) for minute in (0, 10, 20, 30, 40, 50)]

    assert free(plan, *six)["09:00"] == 1


def test_a_procedure_longer_than_an_hours_share_can_be_booked_while_nothing_else_is() -> None:
    plan = office(1, minutes=50, walk_in_share=0.3, slot_minutes=60)

    assert list(free(plan)) == ["09:00", "10:00", "11:00", "12:00", "13:00"]


def test_who_keeps_everything_for_walk_ins_offers_nothing() -> None:
    assert free(office(2, walk_in_share=1.0)) == {}


def test_an_hour_in_which_the_doors_open_late_has_less_to_share() -> None:
    plan = replace(office(1, walk_in_share=0.5), hours=(((570, 840),),) * 7)

    assert free(plan, booked(plan, 9, 30)).get("09:40") is None
    assert free(plan, booked(plan, 10, 0))["10:10"] == 1


# --- when -------------------------------------------------------------------------------------


def test_the_public_books_with_some_lead_and_the_staff_at_once() -> None:
    plan = office(1, lead_minutes=120)

    assert next(iter(free(plan))) == "10:00"
    assert next(iter(free(plan, terms=STAFF))) == "09:00"


def test_nobody_books_beyond_the_horizon_but_what_the_old_system_promised_stays() -> None:
    plan = office(1, horizon_days=7)
    far = Wanted(at(plan, 9, 0, TUESDAY + timedelta(days=8)), ("padro",))

    with pytest.raises(NotASlot):
        check(plan, [], far, at(plan, 8))
    check(plan, [], far, at(plan, 8), TAKEN_OVER)


@pytest.mark.parametrize(("hour", "minute"), [(8, 50), (9, 5), (13, 55), (14, 0), (20, 0)])
def test_an_appointment_begins_only_when_one_may(hour: int, minute: int) -> None:
    plan = office()

    with pytest.raises(NotASlot):
        check(plan, [], booked(plan, hour, minute), at(plan, 8))


def test_what_the_old_system_promised_may_begin_at_any_minute_of_the_opening() -> None:
    plan = office()

    check(plan, [], booked(plan, 9, 7), at(plan, 8), TAKEN_OVER)


@pytest.mark.parametrize("closed", ["closed", "no_appointments"])
def test_a_holiday_and_a_day_without_appointments_offer_nothing(closed: str) -> None:
    plan = replace(office(), **{closed: (TUESDAY.isoformat(),)})

    assert free(plan) == {}


def test_an_extra_day_is_a_season_of_one_day() -> None:
    saturday = date(2026, 11, 28)
    season = Season("2026-11-28", "2026-11-28", ((),) * 5 + (((600, 660),), ()))
    plan = replace(office(), seasons=(season,))

    found = slots(plan, [], ("padro",), saturday, saturday, at(plan, 8))

    assert len(found) == 6


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_on_the_days_that_clocks_change_every_hour_that_there_is_can_be_booked_once(day: date, hours: int) -> None:
    plan = replace(office(1), hours=(((0, 1440),),) * 7)
    noon_before = moment(plan, day - timedelta(days=1), 720)

    found = [slot.start for slot in slots(plan, [], ("padro",), day, day, noon_before)]

    assert len(found) == len(set(found)) == hours * 6
    assert {b - a for a, b in pairwise(found)} == {10 * MINUTE}


def test_summer_and_winter_open_at_the_same_hour_on_the_wall() -> None:
    plan = office()

    for day in (date(2026, 3, 27), date(2026, 3, 30), date(2026, 10, 23), date(2026, 10, 26)):
        found = slots(plan, [], ("padro",), day, day, moment(plan, day, 0))
        assert f"{local(plan, found[0].start):%H:%M}" == "09:00"


# --- what -------------------------------------------------------------------------------------


@pytest.mark.parametrize("services", [(), ("unknown",), ("informacio",), ("padro", "padro"), ("padro", "informacio")])
def test_what_cannot_be_booked_is_said_by_its_field(services: tuple[str, ...]) -> None:
    with pytest.raises(NotBookable) as refused:
        free(office(), services=services)

    assert refused.value.field == "service"


def test_a_service_that_no_desk_serves_cannot_be_booked() -> None:
    with pytest.raises(NotBookable):
        free(skilled("p"), services=("registre",))


# --- the plan ---------------------------------------------------------------------------------


def test_a_plan_of_an_older_log_has_the_rules_of_today() -> None:
    event = DayOpened(0, "hub", "2026-11-24", office(), {})
    new = {"internal_share", "slot_minutes", "buffer_minutes", "erase_after_days"}
    body = json.loads(pack(event))
    del body["plan"]["no_appointments"]
    body["plan"]["rules"] = {name: value for name, value in body["plan"]["rules"].items() if name not in new}

    read = unpack(json.dumps(body))

    assert read.plan.no_appointments == ()
    assert (read.plan.rules.internal_share, read.plan.rules.slot_minutes) == (0.2, 10)


def test_the_offices_file_names_the_days_without_appointments(tmp_path: Path) -> None:
    text = OFFICES.read_text().replace('id = "mont-roig"', 'id = "mont-roig"\nno_appointments = [2026-12-24]', 1)
    (tmp_path / "offices.toml").write_text(text)

    plan = read_offices(tmp_path / "offices.toml").plans["mont-roig"]

    assert plan.no_appointments == ("2026-12-24",)
