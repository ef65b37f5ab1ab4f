"""Whose turn it is: the eight rules of docs/line.md, one after the other."""

import pytest

from hub.line import commands as c
from hub.line import errors
from hub.line.model import Stage
from hub.line.order import next_change, overdue
from tests.line.office import APART, Office, with_rules

# --- 1. appointments ------------------------------------------------------------------------


def test_an_appointment_that_checked_in_passes_ahead_of_walk_ins() -> None:
    office = Office(at="09:50")
    office.takes("P001")
    office.checks_in("C001", "10:00")

    called = office.calls("1")

    assert called == "C001"
    assert office.reason("C001") == "appointment"


def test_appointments_go_by_their_booked_hour_and_then_by_their_check_in() -> None:
    office = Office(at="09:50")
    office.checks_in("C003", "10:10")
    office.checks_in("C002", "10:00")
    office.later(1)
    office.checks_in("C001", "10:00")

    assert office.line() == ["C002", "C001", "C003"]


def test_an_appointment_that_comes_too_early_waits_among_the_walk_ins_until_its_time_is_near() -> None:
    office = Office(at="09:10")
    office.takes("P001")
    office.later(1)
    office.checks_in("C001", "10:00")
    office.later(1)
    office.takes("P002")

    before = office.line()
    strikes = next_change(office.state, office.now)
    office.at("09:30")
    after = office.line()

    assert before == ["P001", "C001", "P002"]
    assert strikes == office.clock("09:30")
    assert next_change(office.state, office.now) is None  # it has struck
    assert after == ["C001", "P001", "P002"]


def test_an_early_appointment_that_let_some_pass_is_due_all_the_same_when_its_time_is_near() -> None:
    office = Office(at="09:10")
    office.checks_in("C001", "10:00")
    for label in ("P001", "P002", "P003", "P004"):
        office.takes(label)
    office.does(c.LetPass("citizen", "C001"))

    before = office.line()
    office.at("09:30")
    after = office.line()
    office.does(c.LetPass("citizen", "C001"))

    assert before == ["P001", "P002", "P003", "C001", "P004"]
    assert after == ["C001", "P001", "P002", "P003", "P004"]
    assert office.line() == before  # what it gives up once it is due stays given up


def test_an_early_appointment_that_is_called_as_a_walk_in_has_waited_longest() -> None:
    office = Office(at="09:00")
    office.checks_in("C001", "11:00")

    office.calls("1")

    assert office.reason("C001") == "waited_longest"


@pytest.mark.parametrize(
    ("check_in", "grace", "line"),
    [
        ("10:15", 0, ["C001", "P001"]),  # 15 minutes late is not yet late
        ("10:16", 0, ["P001", "C001"]),
        ("10:25", 10, ["C001", "P001"]),  # "I am running late" added ten minutes
        ("10:26", 10, ["P001", "C001"]),
    ],
)
def test_an_appointment_that_comes_too_late_joins_the_walk_ins_at_its_check_in(
    check_in: str, grace: int, line: list[str]
) -> None:
    office = Office(at="09:00")
    office.takes("P001")
    office.at(check_in)
    office.checks_in("C001", "10:00", grace=grace)
    office.later(1)
    office.takes("P002")

    assert office.line() == [*line, "P002"]


def test_who_is_late_for_an_appointment_is_alerted_about_like_any_walk_in() -> None:
    office = Office(at="10:20")
    office.checks_in("C001", "10:00")
    office.checks_in("C002", "10:20")

    office.later(46)

    assert [ticket.label for ticket in overdue(office.state, office.now)] == ["C001"]


def test_an_appointment_checks_in_once() -> None:
    office = Office()
    office.checks_in("C001", "09:10")
    again = c.Issue("dispenser-1", "x", "token-x", "C002", ("padro",), appointment=office.ticket("C001").appointment)

    with pytest.raises(errors.Duplicate, match="of-C001 has checked in already"):
        office.does(again)


def test_an_appointment_whose_paper_was_voided_checks_in_again() -> None:
    office = Office()
    office.checks_in("C001", "09:10")
    office.does(c.Void("dispenser-1", "C001", "printer"))
    again = c.Issue("dispenser-1", "x", "token-x", "C002", ("padro",), appointment=office.ticket("C001").appointment)

    office.does(again)

    assert office.line() == ["C002"]


# --- 2. walk-ins ----------------------------------------------------------------------------


def test_walk_ins_follow_by_the_time_of_their_ticket() -> None:
    office = Office()
    for label in ("P001", "R001", "P002"):
        office.takes(label, "padro" if label[0] == "P" else "registre")
        office.later(1)

    called = [office.calls("1") for _ in range(3)]

    assert called == ["P001", "R001", "P002"]
    assert office.reason("P002") == "waited_longest"


def test_a_ticket_that_the_hub_hears_of_late_keeps_the_time_at_which_it_was_printed() -> None:
    office = Office()
    printed = office.now
    office.later(5)
    office.takes("P002")
    office.does(c.Issue("dispenser-2", "P500", "token-of-P500", "P500", ("padro",), at=printed))

    assert office.line() == ["P500", "P002"]


def test_a_transferred_person_keeps_the_time_they_have() -> None:
    office = Office()
    for label in ("P001", "P002"):
        office.takes(label)
        office.later(1)
    office.calls("1")

    office.does(c.Transfer("anna", "1", service="registre"))

    assert office.line() == ["P001", "P002"]
    assert office.ticket("P001").service == "registre"
    assert office.desk("1").ticket is None


def test_the_time_parked_counts() -> None:
    office = Office()
    for label in ("P001", "P002"):
        office.takes(label)
        office.later(1)
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    office.later(30)

    office.does(c.Resume("anna", "1", ticket="P001", to_line=True))

    assert office.line() == ["P001", "P002"]


# --- 3. the bound on unfairness -------------------------------------------------------------


def test_a_walk_in_who_waits_longer_than_the_alert_is_named() -> None:
    office = Office()
    office.takes("P001")
    office.later(1)
    office.takes("P002")

    office.later(45)

    assert [ticket.label for ticket in overdue(office.state, office.now)] == ["P001"]


def test_without_a_bound_walk_ins_wait_behind_every_appointment() -> None:
    office = Office(at="09:00")
    office.takes("P001")
    office.at("13:00")
    office.checks_in("C001", "13:00")

    assert office.line() == ["C001", "P001"]


def test_walk_ins_over_the_bound_take_at_most_every_second_call() -> None:
    office = Office(with_rules(walk_in_max_wait_minutes=30), at="09:00")
    for label in ("P001", "P002", "P003"):
        office.takes(label)
        office.later(1)
    office.at("10:00")
    for label in ("C001", "C002"):
        office.checks_in(label, "10:00")

    shown = office.line()
    called = [office.calls("1") for _ in range(5)]

    assert called == shown == ["P001", "C001", "P002", "C002", "P003"]
    assert [office.reason(label) for label in shown] == ["waited_too_long", "appointment"] * 2 + ["waited_too_long"]


def test_the_bound_is_counted_over_all_desks_of_the_office() -> None:
    office = Office(with_rules(walk_in_max_wait_minutes=30), at="09:00")
    office.takes("P001")
    office.takes("P002")
    office.at("10:00")
    office.checks_in("C001", "10:00")

    called = [office.calls("1"), office.calls("2"), office.calls("3")]

    assert called == ["P001", "C001", "P002"]


def test_a_wait_passes_its_bound_at_the_moment_that_is_foretold() -> None:
    office = Office(with_rules(walk_in_max_wait_minutes=30), at="09:30")
    office.takes("P001")
    office.later(10)
    office.checks_in("C001", "09:40")

    foretold = next_change(office.state, office.now)
    before = office.line()
    office.at("10:00")
    after = office.line()

    assert foretold == office.clock("10:00")
    assert (before, after) == (["C001", "P001"], ["P001", "C001"])


def test_a_call_that_was_taken_back_does_not_count_for_the_bound() -> None:
    office = Office(with_rules(walk_in_max_wait_minutes=30), at="09:00")
    for label in ("P001", "P002", "P003"):
        office.takes(label)
    office.at("10:00")
    for label in ("C001", "C002"):
        office.checks_in(label, "10:00")
    office.calls("1")  # P001, by the bound
    office.calls("2")  # C001
    office.calls("3")  # P002, by the bound
    office.does(c.Undo("anna", "2"))  # C001 goes back: the last call that stands is P002's

    assert office.line() == ["C001", "P003", "C002"]


# --- 4. services ----------------------------------------------------------------------------


def test_a_desk_takes_only_the_services_it_serves() -> None:
    office = Office()
    office.takes("P001", "padro")
    office.later(1)
    office.takes("R001", "registre")

    called = office.calls("4"), office.calls("4")

    assert called == ("R001", None)
    assert office.line() == ["P001"]


def test_a_ticket_is_tied_to_no_desk_before_it_is_called() -> None:
    office = Office()
    office.takes("P001")

    assert office.ticket("P001").desk is None
    assert office.calls("3") == "P001"


def test_ahead_counts_only_those_whose_service_shares_a_desk_with_mine() -> None:
    office = Office()
    office.takes("R001", "registre")
    office.takes("P001", "padro")
    office.does(c.Adopt("hub", APART))
    office.takes("R002", "registre")
    office.takes("P002", "padro")

    assert office.line() == ["R001", "P001", "R002", "P002"]
    assert (office.ahead("R002"), office.ahead("P002")) == (1, 1)


# --- 5. absent, back, and letting others pass -----------------------------------------------


def missed_call(at: str = "09:00", **more: int) -> Office:
    """P001 was called at `at` and did not come; P002 and P003 wait."""
    office = Office(at=at)
    for label in ("P001", "P002", "P003"):
        office.takes(label, **(more if label == "P001" else {}))
        office.later(1)
    office.at(at)
    office.calls("1")
    office.misses("1")
    return office


def test_an_unanswered_call_can_be_called_again() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")
    office.later(1)

    office.does(c.Recall("anna", "1"))

    assert office.stage("P001") is Stage.CALLED
    assert office.ticket("P001").announced == office.now
    assert office.ticket("P001").called == office.now - 60_000


def test_who_was_absent_is_not_called_again_by_itself() -> None:
    office = missed_call()

    assert office.stage("P001") is Stage.ABSENT
    assert office.line() == ["P002", "P003"]


def test_who_comes_back_stands_right_after_the_first_who_waits() -> None:
    office = missed_call()
    office.later(10)

    office.does(c.Rejoin("citizen", "P001"))

    assert office.line() == ["P002", "P001", "P003"]
    assert office.ticket("P001").missed is None
    assert [office.calls("1"), office.calls("1")] == ["P002", "P001"]
    assert office.reason("P001") == "came_back"


def test_who_comes_back_stands_after_the_first_who_shares_a_desk_with_them() -> None:
    office = Office(APART)
    office.takes("P001", "padro")
    for label, service in (("R001", "registre"), ("P002", "padro"), ("P003", "padro")):
        office.later(1)
        office.takes(label, service)
    office.calls("1")
    office.misses("1")

    office.does(c.Rejoin("citizen", "P001"))

    assert office.line() == ["R001", "P002", "P001", "P003"]


def test_who_comes_back_to_an_empty_line_has_the_place_they_had() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")
    office.misses("1")

    office.does(c.Rejoin("citizen", "P001"))
    office.takes("P002")

    assert office.line() == ["P001", "P002"]


def test_of_two_who_come_back_after_the_same_person_the_last_stands_first() -> None:
    office = Office()
    for label in ("P001", "P002", "P003", "P004"):
        office.takes(label)
        office.later(1)
    for _ in range(2):
        office.calls("1")
        office.misses("1")

    office.does(c.Rejoin("citizen", "P001"))
    office.does(c.Rejoin("citizen", "P002"))

    assert office.line() == ["P003", "P002", "P001", "P004"]


def test_who_comes_back_after_somebody_over_the_bound_goes_by_the_bound_too() -> None:
    office = Office(with_rules(walk_in_max_wait_minutes=30))
    for label in ("P001", "P002", "P003"):
        office.takes(label)
        office.later(1)
    office.calls("1")
    office.misses("1")
    office.at("09:10")
    for label in ("C001", "C002"):
        office.checks_in(label, "09:10")
    office.does(c.PauseOffice("anna", "Simulacre"))
    office.at("09:40")
    office.does(c.ResumeOffice("anna"))

    office.does(c.Rejoin("citizen", "P001"))

    assert office.line() == ["P002", "C001", "P001", "C002", "P003"]


def test_who_missed_the_call_may_come_back_for_ten_minutes() -> None:
    office = missed_call()
    office.later(10)
    in_time = office.state
    office.later(0.001)

    with pytest.raises(errors.TooLate, match="P001 missed its call too long ago"):
        office.does(c.Rejoin("citizen", "P001"))

    office.state, office.now = in_time, office.now - 60
    office.does(c.Rejoin("citizen", "P001"))
    assert office.stage("P001") is Stage.WAITING


def test_the_time_on_the_paper_binds_and_gives_the_same_ten_minutes() -> None:
    printed = Office(at="09:45").now
    office = missed_call(back_by=printed)  # called and missed at 09:00
    office.at("09:55")

    office.does(c.Rejoin("citizen", "P001"))

    assert office.stage("P001") is Stage.WAITING


def test_after_the_time_on_the_paper_and_ten_minutes_it_is_too_late() -> None:
    printed = Office(at="09:45").now
    office = missed_call(back_by=printed)
    office.at("09:56")

    with pytest.raises(errors.TooLate):
        office.does(c.Rejoin("citizen", "P001"))


def test_a_return_at_the_dispenser_counts_from_when_it_happened() -> None:
    office = missed_call()
    pressed = office.now + 9 * 60_000
    office.later(30)

    office.does(c.Rejoin("dispenser-1", "P001", at=pressed))

    assert office.stage("P001") is Stage.WAITING


def test_letting_some_pass_gives_a_place_after_the_third() -> None:
    office = Office()
    for number in range(1, 7):
        office.takes(f"P00{number}")
        office.later(1)

    office.does(c.LetPass("citizen", "P002"))

    assert office.line() == ["P001", "P003", "P004", "P005", "P002", "P006"]


def test_letting_some_pass_counts_those_who_share_a_desk() -> None:
    office = Office(APART)
    for label in ("P001", "R001", "P002", "R002", "P003", "P004", "P005"):
        office.takes(label, "padro" if label[0] == "P" else "registre")
        office.later(1)

    office.does(c.LetPass("citizen", "P001"))

    assert office.line() == ["R001", "P002", "R002", "P003", "P004", "P001", "P005"]


def test_fewer_than_three_behind_are_let_pass_all() -> None:
    office = Office()
    office.takes("P001")
    office.later(1)
    office.takes("P002")

    office.does(c.LetPass("citizen", "P001"))

    assert office.line() == ["P002", "P001"]


def test_nobody_behind_is_nobody_to_let_pass() -> None:
    office = Office()
    office.takes("P001")

    with pytest.raises(errors.NotNow, match="nobody is behind ticket P001"):
        office.does(c.LetPass("citizen", "P001"))


def test_who_is_called_may_let_some_pass_and_frees_the_desk() -> None:
    office = Office(with_rules(let_pass=2))
    for label in ("P001", "P002", "P003", "P004"):
        office.takes(label)
        office.later(1)
    office.calls("1")

    office.does(c.LetPass("citizen", "P001"))

    assert office.line() == ["P002", "P003", "P001", "P004"]
    assert office.desk("1").ticket is None


# --- 6. preferential tickets ----------------------------------------------------------------


def test_a_preferential_ticket_ranks_like_an_appointment_due_when_it_was_issued() -> None:
    office = Office(at="09:50")
    office.takes("P001")
    office.checks_in("C001", "10:10")
    office.at("10:00")
    office.takes("P002", priority=True)
    office.checks_in("C002", "10:00")
    office.checks_in("C003", "09:55")

    assert office.line() == ["C003", "P002", "C002", "C001", "P001"]
    assert [office.calls("1") for _ in range(2)] == ["C003", "P002"]
    assert office.reason("P002") == "preferential"


def test_the_preferential_ticket_can_be_switched_off() -> None:
    office = Office(with_rules(preferential=False))
    office.takes("P001")
    office.later(1)
    office.takes("P002", priority=True)

    assert office.line() == ["P001", "P002"]
    assert not office.ticket("P002").priority


# --- 7. closing time ------------------------------------------------------------------------


def test_who_holds_a_ticket_at_closing_time_is_still_served() -> None:
    office = Office(at="13:59")
    office.takes("P001")
    office.at("15:30")

    assert office.calls("1") == "P001"


# --- 8. several services --------------------------------------------------------------------


def test_the_next_of_several_services_goes_on_at_a_desk_that_serves_it() -> None:
    office = Office()
    office.takes("P001", "padro", "registre")
    office.calls("1")
    office.later(5)

    office.does(c.Done("anna", "1"))

    assert office.stage("P001") is Stage.SERVING
    assert office.ticket("P001").service == "registre"
    assert office.ticket("P001").started == office.now
    assert office.desk("1").ticket == "P001"


def test_the_next_of_several_services_waits_in_line_with_the_standing_it_has() -> None:
    office = Office()
    office.takes("R001", "registre", "padro")
    office.later(1)
    office.takes("P001", "padro")
    office.calls("4")

    office.does(c.Done("anna", "4"))

    assert office.line() == ["R001", "P001"]
    assert office.ticket("R001").services == ("padro",)
    assert office.desk("4").ticket is None


def test_a_visit_of_several_services_ends_with_the_last() -> None:
    office = Office()
    office.takes("P001", "padro", "registre")
    office.calls("1")

    office.does(c.Done("anna", "1"))
    office.does(c.Done("anna", "1"))

    assert office.stage("P001") is Stage.DONE
    assert office.ticket("P001").finished == office.now


def test_next_sends_somebody_with_a_further_service_back_into_the_line() -> None:
    office = Office()
    office.takes("R001", "registre", "padro")
    office.later(1)
    office.takes("R002", "registre")
    office.calls("4")

    called = office.calls("4")

    assert called == "R002"
    assert office.line() == ["R001"]
