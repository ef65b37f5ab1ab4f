"""What is booked, held, moved and cancelled: on SQLite and on PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.booking.appointments import HOLD, Appointment, Person, Standing
from hub.booking.errors import (
    AlreadyBooked,
    AlreadyCheckedIn,
    BookingError,
    Cancelled,
    NoAppointment,
    NotASlot,
    SlotTaken,
)
from hub.booking.slots import Calendar, Wanted
from hub.line import commands as c
from hub.line.events import Event, TicketIssued
from hub.line.plan import HOUR, MINUTE, Moment, Plan
from hub.store import Store, Work, people, schema
from hub.store import appointments as store_of
from hub.store.upgrade import upgrade
from tests.booking.conftest import TUESDAY, Desk, at, dni, office, somebody
from tests.store.test_log import together


def found(desk: Desk, one: Appointment) -> Appointment:
    """The appointment as it is kept."""
    return desk.store.transact(lambda work: store_of.by_id(work, one.id))


# --- booking ----------------------------------------------------------------------------------


def test_a_booked_place_is_not_offered_and_cannot_be_booked_again(desk: Desk) -> None:
    nine = at(desk.plan, 9)
    one = desk.book(nine)

    assert desk.free(nine) == 0
    with pytest.raises(SlotTaken):
        desk.book(nine, 1)
    assert found(desk, one) == one


def test_a_document_has_one_open_appointment_for_each_procedure(desk: Desk) -> None:
    desk.book(at(desk.plan, 9))

    with pytest.raises(AlreadyBooked):
        desk.book(at(desk.plan, 10), services=("tributs", "padro"))
    desk.book(at(desk.plan, 10), services=("tributs",))


def test_once_its_hour_is_over_or_it_is_cancelled_the_document_may_book_again(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))
    desk.act(store_of.cancel, one)
    desk.book(at(desk.plan, 9))

    desk.later(2 * HOUR).book(at(desk.plan, 11))


def test_nothing_of_a_refused_booking_is_kept(desk: Desk) -> None:
    desk.book(at(desk.plan, 9))
    before = everything(desk.store)

    with pytest.raises(SlotTaken):
        desk.book(at(desk.plan, 9), 1)

    assert everything(desk.store) == before


def everything(store: Store) -> list[object]:
    """All rows of the tables of appointments."""
    with store.begin() as connection:
        tables = (schema.appointments, schema.people, schema.calendar)
        return [row for table in tables for row in connection.execute(sa.select(table)).all()]


def test_two_at_once_by_one_document_become_one_appointment(desk: Desk) -> None:
    starts = [at(desk.plan, 9), at(desk.plan, 9, 0, TUESDAY + timedelta(days=1))]

    answers = together(*(lambda start=start: desk.book(start) for start in starts * 4))

    assert sum(isinstance(answer, Appointment) for answer in answers) == 1


# --- holding ----------------------------------------------------------------------------------


def held(desk: Desk) -> Appointment:
    """A place held at nine."""
    return desk.act(store_of.hold, store_of.new(desk.plan.office, ("padro",), at(desk.plan, 9)))


def test_a_held_place_is_kept_for_ten_minutes(desk: Desk) -> None:
    one = held(desk)

    assert desk.free(one.start) == 0
    assert desk.later(HOLD - 1).free(one.start) == 0
    assert desk.later(HOLD).free(one.start) == 1


def test_who_held_a_place_books_it(desk: Desk) -> None:
    one = held(desk)

    booked = desk.later(HOLD - 1).act(_confirmed, one.id, somebody())

    assert (booked.standing, booked.start, booked.person) == (Standing.BOOKED, one.start, somebody())
    assert len(booked.secret) >= 22
    assert found(desk, one) == booked


def _confirmed(work: Work, plan: Plan, id: str, person: Person, now: Moment) -> Appointment:
    return store_of.confirm(work, plan, id, person, now)


def test_a_hold_that_ran_out_is_booked_if_the_place_is_still_free(desk: Desk) -> None:
    one = held(desk)

    late = desk.later(HOLD)

    assert late.act(_confirmed, one.id, somebody()).standing is Standing.BOOKED


def test_a_hold_that_ran_out_is_lost_to_who_was_quicker(desk: Desk) -> None:
    one = held(desk)
    late = desk.later(HOLD)
    late.book(one.start, 1)

    with pytest.raises(SlotTaken):
        late.act(_confirmed, one.id, somebody())


def test_a_hold_is_confirmed_once(desk: Desk) -> None:
    one = held(desk)
    desk.act(_confirmed, one.id, somebody())

    with pytest.raises(NoAppointment):
        desk.act(_confirmed, one.id, somebody(1))


def test_a_held_place_is_no_appointment_yet_and_is_forgotten_after_an_hour(desk: Desk) -> None:
    one = held(desk)

    with pytest.raises(NoAppointment):
        desk.store.transact(lambda work: store_of.by_locator(work, one.locator))
    desk.store.transact(lambda work: store_of.forget_holds(work, desk.now + HOLD + HOUR + 1))
    assert [row for row in everything(desk.store) if getattr(row, "id", "") == one.id] == []


def test_who_would_come_to_a_held_place_is_found_by_nobody_and_forgotten_with_it(desk: Desk) -> None:
    one = held(desk)
    filled = desk.store.transact(lambda work: store_of.fill_in(work, one, somebody(), desk.now))
    assert found(desk, one) == filled
    assert desk.free(one.start) == 0

    known = desk.store.transact(lambda work: store_of.by_document(work, dni(12345678)))
    desk.store.transact(lambda work: store_of.forget_holds(work, desk.now + HOLD + HOUR + 1))

    assert known == []
    assert [
        row for row in everything(desk.store) if one.id in (getattr(row, "id", ""), getattr(row, "appointment", ""))
    ] == []


def test_another_hour_chosen_for_a_held_place_frees_the_first(desk: Desk) -> None:
    one = held(desk)
    desk.store.transact(lambda work: store_of.fill_in(work, one, somebody(), desk.now))

    desk.act(store_of.hold, replace(one, start=at(desk.plan, 10)))

    assert (desk.free(at(desk.plan, 9)), desk.free(at(desk.plan, 10))) == (1, 0)
    assert found(desk, one).person == somebody()


# --- moving and cancelling --------------------------------------------------------------------


def test_a_move_takes_the_new_place_and_frees_the_old_one(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))

    moved = desk.act(_moved, one, at(desk.plan, 10))

    assert (desk.free(at(desk.plan, 9)), desk.free(at(desk.plan, 10))) == (1, 0)
    assert (moved.locator, moved.secret) == (one.locator, one.secret)
    assert found(desk, one) == moved


def _moved(work: Work, plan: Plan, one: Appointment, start: Moment, now: Moment) -> Appointment:
    return store_of.move(work, plan, one, start, now)


def test_a_move_to_a_taken_place_changes_nothing(desk: Desk) -> None:
    one, other = desk.book(at(desk.plan, 9)), desk.book(at(desk.plan, 10), 1)

    with pytest.raises(SlotTaken):
        desk.act(_moved, one, other.start)
    with pytest.raises(NotASlot):
        desk.act(_moved, one, at(desk.plan, 20))

    assert found(desk, one) == one


def test_a_long_visit_may_move_by_a_step_into_its_own_minutes(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9), services=("tributs",))

    assert desk.act(_moved, one, at(desk.plan, 9, 10)).start == at(desk.plan, 9, 10)


def test_of_two_moves_into_each_others_places_neither_doubles_one(desk: Desk) -> None:
    one, other = desk.book(at(desk.plan, 9)), desk.book(at(desk.plan, 10), 1)

    together(lambda: desk.act(_moved, one, other.start), lambda: desk.act(_moved, other, one.start))

    assert {found(desk, one).start, found(desk, other).start} == {one.start, other.start}


def test_a_cancelled_place_is_free_at_once_and_to_cancel_again_changes_nothing(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))

    desk.act(store_of.cancel, one)

    assert desk.free(one.start) == 1
    assert desk.act(store_of.cancel, one).standing is Standing.CANCELLED
    with pytest.raises(Cancelled):
        desk.act(_moved, one, at(desk.plan, 10))


def test_running_late_extends_the_grace_of_one_appointment(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))

    desk.store.transact(lambda work: store_of.change(work, desk.plan, one, desk.now, grace_minutes=20))

    assert found(desk, one).in_line.grace_minutes == 20


# --- whatever the order -----------------------------------------------------------------------

ACTS = st.lists(
    st.tuples(st.sampled_from(["book", "hold", "move", "cancel"]), st.integers(0, 5), st.integers(0, 9)), max_size=30
)


@given(ACTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_the_desks_are_never_overbooked_whatever_is_booked_moved_and_cancelled(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, int]]
) -> None:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('booking') / 'torn.db'}")
    upgrade(store)
    plan = office(2, walk_in_share=0.25)
    desk = Desk(store, plan, at(plan, 8))
    known: list[Appointment] = []

    for number, (act, step, which) in enumerate(acts):
        start = at(plan, 9, 10 * step)
        try:
            if act == "book":
                known.append(desk.book(start, number, ("tributs",) if which % 2 else ("padro",)))
            elif act == "hold":
                desk.act(store_of.hold, store_of.new(plan.office, ("padro",), start))
            elif known:
                one = known[which % len(known)]
                desk.act(_moved, one, start) if act == "move" else desk.act(store_of.cancel, one)
        except BookingError:
            pass  # refused: what is kept must be right all the same
        assert fits(desk)
    store.dispose()


def fits(desk: Desk) -> bool:
    """Whether all that is kept could be seated, and leaves the walk-ins their share."""
    with desk.store.begin() as connection:
        taken = store_of.places(connection, desk.plan, TUESDAY, TUESDAY, desk.now)
    calendar = Calendar(desk.plan, TUESDAY, taken)
    seated = all(max(load) <= len(desks) for desks, load in calendar.loads.items())
    return seated and all(used <= 0.75 * open * 2 for used, open in zip(calendar.all, calendar.open, strict=True))


# --- checking in ------------------------------------------------------------------------------


def issue(name: str = "a") -> c.Issue:
    """A ticket given to somebody with an appointment."""
    return c.Issue("anna", f"ticket-{name}", f"token-{name}", "", ())


@pytest.fixture
def due(desk: Desk) -> Desk:
    """The same office with its day begun, half an hour before nine."""
    desk.store.transact(lambda work: work.do("mont-roig", c.Adopt("hub", desk.plan), desk.now))
    return desk.later(30 * MINUTE)


def checks_in(desk: Desk, one: Appointment, name: str = "a") -> list[Event]:
    """Somebody checks in."""
    return desk.store.transact(lambda work: store_of.check_in(work, desk.plan, one, issue(name), desk.now))


def test_a_check_in_is_a_ticket_with_the_appointments_procedures_and_hour(due: Desk) -> None:
    one = due.book(at(due.plan, 9), services=("tributs", "padro"))

    (event,) = checks_in(due, one)

    assert isinstance(event, TicketIssued)
    assert (event.services, event.appointment.start) == (("tributs", "padro"), one.start)
    assert event.label == "C900"
    kept = found(due, one)
    assert (kept.standing, kept.ticket, kept.label) == (Standing.ARRIVED, "ticket-a", "C900")


def test_nobody_checks_in_twice(due: Desk) -> None:
    one = due.book(at(due.plan, 9))
    checks_in(due, one)

    with pytest.raises(AlreadyCheckedIn):
        checks_in(due, one, "b")
    with pytest.raises(AlreadyCheckedIn):
        due.act(store_of.cancel, one)
    assert list(due.store.state("mont-roig").tickets) == ["ticket-a"]


def test_eight_at_once_with_one_appointment_get_one_number(due: Desk) -> None:
    one = due.book(at(due.plan, 9))

    answers = together(*(lambda name=name: checks_in(due, one, name) for name in "abcdefgh"))

    assert sum(isinstance(answer, AlreadyCheckedIn) for answer in answers) == 7
    assert len(due.store.state("mont-roig").tickets) == 1


def test_a_cancelled_one_one_elsewhere_and_one_of_another_day_do_not_check_in(due: Desk) -> None:
    cancelled = due.book(at(due.plan, 9))
    due.act(store_of.cancel, cancelled)
    tomorrow = due.book(at(due.plan, 9, 0, TUESDAY + timedelta(days=1)), 1)
    elsewhere = replace(due, plan=replace(due.plan, office="miami-platja")).book(at(due.plan, 9), 2)

    for one in (cancelled, tomorrow, elsewhere):
        with pytest.raises(NoAppointment):
            checks_in(due, one)
    assert due.store.state("mont-roig").tickets == {}


def test_who_got_no_paper_may_check_in_again(due: Desk) -> None:
    one = due.book(at(due.plan, 9))
    checks_in(due, one)
    due.store.transact(lambda work: work.do("mont-roig", c.Void("d1", "ticket-a", "printer"), due.now))

    due.store.transact(lambda work: store_of.not_arrived(work, due.plan, "ticket-a", due.now))
    checks_in(due, one, "b")

    assert found(due, one).ticket == "ticket-b"


# --- whose it is ------------------------------------------------------------------------------


def test_a_secret_or_a_document_proves_whose_it_is(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))

    assert store_of.proves(one, one.secret, None)
    assert store_of.proves(one, None, "12.345.678-z")
    for secret, document in [(None, None), ("", ""), ("x" * 22, None), (None, dni(1)), (None, "ñ"), ("ñ", None)]:
        assert not store_of.proves(one, secret, document)


def test_what_was_erased_proves_nothing(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))
    desk.store.transact(lambda work: people.erase(work, one))

    assert not store_of.proves(found(desk, one), "", "")
    assert found(desk, one).person is None


def test_personal_data_is_erased_thirty_days_after_the_appointment_and_the_rest_stays(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))
    due = one.start + 30 * 24 * HOUR

    counts = [
        desk.store.transact(lambda work, when=when, dry=dry: people.erase_old(work, desk.plan, when, dry))
        for when, dry in [(due, False), (due + 1, True), (due + 1, False), (due + 1, False)]
    ]

    assert counts == [0, 1, 1, 0]
    assert found(desk, one) == replace(one, person=None, secret="")


def test_each_look_at_whose_an_appointment_is_is_written_down(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))

    for at_desk in (desk, desk.later(9 * MINUTE), desk.later(11 * MINUTE)):
        at_desk.store.transact(lambda work, d=at_desk: people.looked(work, "anna", "expected today", [one], d.now))

    with desk.store.begin() as connection:
        first, again = connection.execute(sa.select(schema.looks).order_by(schema.looks.c.at)).all()
    assert (first.who, first.what, first.appointment, first.at) == ("anna", "expected today", one.id, desk.now)
    assert again.at == desk.now + 11 * MINUTE  # nine minutes later it was the same look


def test_the_places_taken_say_nothing_of_whose_they_are(desk: Desk) -> None:
    one = desk.book(at(desk.plan, 9))

    with desk.store.begin() as connection:
        assert store_of.places(connection, desk.plan, TUESDAY, TUESDAY, desk.now) == [Wanted(one.start, ("padro",))]
