"""Tickets as they are given out, given up and changed."""

import pytest

from hub.line import commands as c
from hub.line import errors
from hub.line.decide import highest_numbers
from hub.line.events import VoidIgnored
from hub.line.model import Stage
from hub.line.plan import Appointment
from tests.line.office import Office


def reception(office: Office, id: str, service: str = "padro", **more: object) -> str:
    """A ticket without a number of its own, as reception gives it; its label."""
    office.does(c.Issue("anna", id, f"token-of-{id}", "", (service,), **more))
    return office.ticket(id).label


def test_reception_numbers_from_its_own_range_on_each_letter_apart() -> None:
    office = Office()
    office.takes("P001")

    labels = [reception(office, "a"), reception(office, "b"), reception(office, "c", "registre")]

    assert labels == ["P900", "P901", "R900"]


def test_after_the_last_number_reception_goes_on_with_the_first_that_is_free() -> None:
    office = Office()
    office.takes("P9999", "padro")
    office.takes("P900", "padro")

    assert [reception(office, "a"), reception(office, "b")] == ["P901", "P902"]


def test_reception_checks_in_with_the_letter_of_appointments() -> None:
    office = Office()

    assert reception(office, "a", appointment=Appointment("x", office.now)) == "C900"


def test_a_range_goes_on_past_999_with_four_digits() -> None:
    office = Office()
    office.takes("P999")

    assert reception(office, "a") == "P1000"


def test_the_numbers_of_a_voided_ticket_are_not_given_again() -> None:
    office = Office()
    office.does(c.Void("hub", reception(office, "a") and "a", "printer"))

    assert reception(office, "b") == "P901"


def test_the_highest_number_of_a_range_is_known_for_each_letter() -> None:
    office = Office()
    for label in ("P001", "P007", "R003", "P500", "P900"):
        office.takes(label)

    assert highest_numbers(office.state, 1, 499) == {"P": 7, "R": 3}
    assert highest_numbers(office.state, 500, 899) == {"P": 500}


def test_a_new_day_numbers_from_the_beginning() -> None:
    office = Office()
    reception(office, "a")
    office.at("28:00")

    assert reception(office, "b") == "P900"


def test_the_same_ticket_twice_is_refused() -> None:
    office = Office()
    office.takes("P001")

    with pytest.raises(errors.Duplicate, match="ticket P001 is in the line already"):
        office.takes("P001")


def test_two_tickets_with_one_token_are_refused() -> None:
    office = Office()
    office.takes("P001")

    with pytest.raises(errors.Duplicate, match="ticket P002 has the token of another one"):
        office.does(c.Issue("dispenser-1", "x", "token-of-P001", "P002", ("padro",)))


def test_a_label_that_two_dispensers_gave_is_accepted_twice() -> None:
    office = Office()
    office.takes("P001")

    office.does(c.Issue("dispenser-2", "x", "token-x", "P001", ("padro",)))

    assert office.line() == ["P001", "P001"]


@pytest.mark.parametrize("minutes", [1, 60 * 24 * 365, -60 * 24])
def test_a_ticket_is_never_refused_for_its_clock(minutes: int) -> None:
    office = Office()

    office.does(c.Issue("dispenser-1", "x", "token-x", "P001", ("padro",), at=office.now + minutes * 60_000))

    assert office.ticket("x").issued == office.now


def test_a_void_before_the_call_takes_the_ticket_away() -> None:
    office = Office()
    office.takes("P001")

    office.does(c.Void("dispenser-1", "P001", "printer"))

    assert office.stage("P001") is Stage.VOIDED
    assert office.ticket("P001").why == "printer"
    assert office.calls("1") is None


@pytest.mark.parametrize("back_in_line", [False, True])
def test_a_void_after_the_call_is_recorded_and_changes_nothing(back_in_line: bool) -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")
    if back_in_line:
        office.does(c.Transfer("anna", "1", service="registre"))
    before = office.state.tickets

    events = office.does(c.Void("dispenser-1", "P001", "printer"))

    assert [type(event) for event in events] == [VoidIgnored]
    assert office.state.tickets == before


def test_who_leaves_twice_leaves_once() -> None:
    office = Office()
    office.takes("P001")
    office.does(c.Leave("citizen", "P001"))

    assert office.does(c.Leave("citizen", "P001")) == []
    assert office.ticket("P001").finished == office.now


def test_who_leaves_when_called_frees_the_desk() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")

    office.does(c.Leave("citizen", "P001"))

    assert office.desk("1").ticket is None
    assert office.desk("1").is_open


def test_a_wrong_procedure_is_changed_once_and_the_time_is_kept() -> None:
    office = Office()
    for label in ("P001", "P002"):
        office.takes(label)
        office.later(1)
    office.does(c.Reassign("citizen", "P001", "idcat"))

    assert office.line() == ["P001", "P002"]
    assert office.ticket("P001").service == "idcat"
    with pytest.raises(errors.NotNow, match="P001 has changed its procedure once already"):
        office.does(c.Reassign("citizen", "P001", "registre"))


def test_to_choose_the_same_procedure_again_is_no_change() -> None:
    office = Office()
    office.takes("P001")

    assert office.does(c.Reassign("citizen", "P001", "padro")) == []


def test_a_procedure_by_appointment_only_is_not_chosen_without_one() -> None:
    office = Office()
    office.takes("P001")

    with pytest.raises(errors.ByAppointment, match="tributs is had by appointment only"):
        office.does(c.Reassign("citizen", "P001", "tributs"))


def test_a_changed_procedure_leaves_the_further_ones() -> None:
    office = Office()
    office.takes("P001", "padro", "registre")

    office.does(c.Reassign("citizen", "P001", "idcat"))

    assert office.ticket("P001").services == ("idcat", "registre")
