"""The day: when it ends, what becomes of whoever is still there, and when the doors are open."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from hub.line import commands as c
from hub.line import errors, views
from hub.line.events import DayOpened, TicketClosed
from hub.line.model import DeskStage, Stage
from hub.line.plan import HOUR, MINUTE, Season, coming_doors, day_begins, day_of, doors, is_open, moment
from tests.line.office import PLAN, ROUND_THE_CLOCK, TUESDAY, Office

SPRING = date(2026, 3, 29)  # 02:00 becomes 03:00 in Europe/Madrid
AUTUMN = date(2026, 10, 25)  # 03:00 becomes 02:00
ALWAYS = replace(PLAN, hours=ROUND_THE_CLOCK)


def utc(text: str) -> int:
    """2026-03-29T01:00 UTC as a moment."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# --- the end of a day -----------------------------------------------------------------------


def evening() -> Office:
    """One waits, one is called, one is parked, one was absent, one is done; two desks are open, one makes a pause."""
    office = Office()
    for number in range(1, 6):
        office.takes(f"P00{number}")
        office.later(1)
    office.calls("1")
    office.does(c.Done("anna", "1"))
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    office.calls("1")
    office.misses("1")
    office.calls("1")
    office.does(c.Open("pere", "2"))
    office.does(c.Open("nuria", "3"))
    office.does(c.PauseDesk("nuria", "3"))
    return office


def test_the_end_of_the_day_closes_whoever_is_still_there_with_the_reason() -> None:
    office = evening()
    office.at("28:00")

    events = office.does(c.Tick("hub"))

    closed = [event for event in events if isinstance(event, TicketClosed)]
    assert [(event.ticket, event.why) for event in closed] == [(f"P00{n}", "day_ended") for n in range(2, 6)]
    assert isinstance(events[-1], DayOpened)
    assert events[-1].day == "2026-11-25"


def test_a_moment_before_the_end_nothing_happens() -> None:
    office = evening()
    office.at("28:00")
    office.later(-0.001)

    assert office.does(c.Tick("hub")) == []


def test_nothing_of_yesterday_is_on_the_board() -> None:
    office = evening()
    office.at("28:00")
    office.does(c.Tick("hub"))

    board = views.line_document(office.state, office.now, str)

    assert board["calls"] == []
    assert board["waiting"] == 0
    assert board["day"] == "2026-11-25"
    assert all(desk == {"state": "closed", "label": None} for desk in board["desks"].values())


def test_the_versions_of_the_desks_grow_on_where_the_new_day_shows_them_differently() -> None:
    office = evening()
    before = {id: desk.version for id, desk in office.state.desks.items()}
    office.at("28:00")

    office.does(c.Tick("hub"))

    after = {id: desk.version for id, desk in office.state.desks.items()}
    assert after["1"] > before["1"]
    assert after["2"] == before["2"] + 1
    assert (after["3"], after["4"]) == (before["3"], before["4"])
    assert all(desk.stage is DeskStage.CLOSED for desk in office.state.desks.values())


def test_a_desk_that_comes_back_on_another_day_has_a_greater_version_than_it_had() -> None:
    office = evening()
    had = office.desk("2").version
    office.does(c.Close("pere", "2"))
    office.does(c.Adopt("hub", replace(PLAN, desks=PLAN.desks[:1])))

    office.at("28:00")
    office.does(c.Adopt("hub", PLAN))

    assert office.desk("2").version > had + 1


def test_the_first_command_of_a_day_ends_the_day_before() -> None:
    office = evening()
    office.day = date(2026, 11, 25)
    office.at("09:00")

    office.takes("P001")

    assert office.state.day == "2026-11-25"
    assert list(office.state.tickets) == ["P001"]


def test_a_press_meant_for_what_a_desk_showed_yesterday_is_out_of_date() -> None:
    office = evening()
    version = office.desk("1").version
    office.at("28:00")

    with pytest.raises(errors.OutOfDate):
        office.does(c.Next("anna", "1", version))


def test_a_ticket_of_a_day_that_is_closed_is_refused() -> None:
    office = evening()
    office.at("28:00")
    late = c.Issue("dispenser-1", "x", "token-x", "P009", ("padro",), at=office.now - MINUTE, day="2026-11-24")

    with pytest.raises(errors.DayOver, match="ticket P009 is of 2026-11-24: that day is closed"):
        office.does(late)


def test_a_ticket_of_yesterday_is_unknown_today() -> None:
    office = evening()
    office.at("28:00")

    with pytest.raises(errors.Unknown, match="has no ticket P005 today"):
        office.does(c.Leave("citizen", "P005"))


def test_a_day_never_goes_back() -> None:
    office = Office()
    office.takes("P001")
    office.later(-24 * 60)

    assert office.does(c.Tick("hub")) == []
    assert office.calls("1") == "P001"


def test_the_first_ticket_of_a_dispenser_a_few_seconds_ahead_begins_the_day() -> None:
    office = Office(ALWAYS)
    office.at("28:00")
    office.later(-0.05)

    office.does(c.Issue("dispenser-1", "x", "token-x", "P001", ("padro",), at=office.now + 3000, day="2026-11-25"))
    office.later(1)
    office.does(c.Tick("hub"))

    assert office.stage("x") is Stage.WAITING


def test_a_dispenser_that_believes_in_another_year_does_not_end_the_day() -> None:
    office = Office()
    office.takes("P001")

    office.does(c.Issue("dispenser-1", "x", "token-x", "P002", ("padro",), at=office.now, day="2031-01-01"))

    assert office.state.day == "2026-11-24"
    assert office.line() == ["P001", "P002"]


def test_an_office_without_a_plan_says_what_to_do() -> None:
    office = Office()
    office.state = replace(office.state, plan=None, day="")

    with pytest.raises(errors.NotNow, match="office mont-roig has no plan yet: start the hub with its offices file"):
        office.does(c.Tick("hub"))


def test_an_office_open_round_the_clock_goes_from_day_to_day() -> None:
    office = Office(ALWAYS, at="27:55")
    office.takes("P001")
    office.at("28:05")

    office.takes("P900")

    assert office.state.day == "2026-11-25"
    assert office.line() == ["P900"]
    assert is_open(ALWAYS, office.now)


def test_a_day_may_start_at_midnight() -> None:
    plan = replace(PLAN, day_starts=0)
    midnight = moment(plan, TUESDAY, 0)

    assert day_of(plan, midnight) == "2026-11-24"
    assert day_of(plan, midnight - 1) == "2026-11-23"


# --- the nights on which the clock changes --------------------------------------------------


@pytest.mark.parametrize(
    ("day", "begins", "hours"),
    [(SPRING, "2026-03-29T02:00", 24), (AUTUMN, "2026-10-25T03:00", 24)],
)
def test_the_day_begins_at_four_on_the_wall_clock_whatever_the_night_did(day: date, begins: str, hours: int) -> None:
    text = day.isoformat()

    assert day_begins(PLAN, text) == utc(begins)
    assert day_of(PLAN, utc(begins)) == text
    assert day_of(PLAN, utc(begins) - 1) < text
    assert day_of(PLAN, utc(begins) + hours * HOUR - 1) == text


@pytest.mark.parametrize(("eve", "hours"), [(date(2026, 3, 28), 23), (date(2026, 10, 24), 25)])
def test_the_day_before_a_change_of_the_clock_is_an_hour_shorter_or_longer(eve: date, hours: int) -> None:
    begins = day_begins(PLAN, eve.isoformat())

    assert day_of(PLAN, begins + hours * HOUR - 1) == eve.isoformat()
    assert day_of(PLAN, begins + hours * HOUR) > eve.isoformat()


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_the_doors_open_by_the_wall_clock_on_such_a_day(day: date) -> None:
    plan = replace(PLAN, hours=(((540, 840),),) * 7)

    opens, closes = doors(plan, day)[0]

    assert datetime.fromtimestamp(opens / 1000, UTC).hour == (7 if day == SPRING else 8)
    assert closes - opens == 5 * HOUR


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_an_office_open_round_the_clock_is_open_every_minute_of_such_a_day(day: date, hours: int) -> None:
    midnight = moment(ALWAYS, day, 0)

    assert doors(ALWAYS, day) == ((midnight, midnight + hours * HOUR),)
    assert all(is_open(ALWAYS, midnight + minute * MINUTE) for minute in range(0, hours * 60, 7))


def test_the_hour_that_comes_twice_keeps_the_order_of_the_tickets() -> None:
    office = Office(ALWAYS, day=date(2026, 10, 24), at="26:30")  # 02:30, summer time
    office.takes("P002")
    office.later(60)  # 02:30 again, winter time
    office.takes("P001")

    assert office.line() == ["P002", "P001"]
    assert office.state.day == "2026-10-24"


def test_an_hour_that_the_clock_leaves_out_counts_as_the_one_after_it() -> None:
    assert moment(PLAN, SPRING, 150) == moment(PLAN, SPRING, 210) == utc("2026-03-29T01:30")


# --- the doors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "at", "open_then"),
    [
        (TUESDAY, "08:59", False),
        (TUESDAY, "09:00", True),
        (TUESDAY, "13:59", True),
        (TUESDAY, "14:00", False),
        (date(2026, 11, 28), "10:00", False),  # Saturday
        (date(2026, 12, 8), "10:00", False),  # a holiday
        (date(2026, 8, 4), "10:00", True),  # summer
        (date(2026, 8, 4), "13:30", False),
        (date(2026, 8, 31), "13:30", False),  # its last day
        (date(2026, 9, 1), "13:30", True),
        (date(2026, 11, 26), "17:00", True),  # Thursday afternoon
        (date(2026, 11, 26), "15:00", False),
    ],
)
def test_the_doors_are_open_by_hours_seasons_and_holidays(day: date, at: str, open_then: bool) -> None:
    thursdays = (*PLAN.hours[:3], ((540, 840), (960, 1140)), *PLAN.hours[4:])
    summer = Season("2026-08-01", "2026-08-31", (((540, 780),),) * 5 + ((),) * 2)
    plan = replace(PLAN, hours=thursdays, seasons=(summer,), closed=("2026-12-08",))
    office = Office(plan, day=day, at=at)

    assert is_open(plan, office.now) == open_then
    assert views.line_document(office.state, office.now, str)["open"] == open_then


def test_the_coming_doors_begin_with_the_one_that_is_open_now() -> None:
    office = Office(at="13:00")

    coming = coming_doors(PLAN, office.now, days=7)

    assert coming[0] == (office.clock("09:00"), office.clock("14:00"))
    assert len(coming) == 5  # Tuesday to Friday, and Monday


def test_the_coming_doors_leave_out_what_is_over() -> None:
    office = Office(at="14:00")

    assert coming_doors(PLAN, office.now, days=1) == []
