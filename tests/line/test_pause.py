"""A whole office stands still: fire alarm, power cut. Nobody is called, and nobody loses by it."""

import pytest

from hub.line import commands as c
from hub.line import errors
from hub.line.model import Stage
from hub.line.order import order
from tests.line.office import Office


def paused(at: str = "09:00") -> Office:
    """P001 is called to desk 1, P002 and P003 wait; then the alarm rings."""
    office = Office(at=at)
    for label in ("P001", "P002", "P003"):
        office.takes(label)
    office.calls("1")
    office.does(c.PauseOffice("anna", "Simulacre d'incendi"))
    return office


@pytest.mark.parametrize("verb", [c.Next, c.Recall, c.MarkAbsent])
def test_nobody_is_called_and_nobody_becomes_absent_while_the_office_stands_still(verb: type[c.DeskCommand]) -> None:
    office = paused()
    before = office.state

    with pytest.raises(errors.OfficePaused, match="the office stands still: Simulacre d'incendi"):
        office.does(verb("anna", "1"))

    assert office.state == before


def test_nobody_comes_back_to_a_desk_while_the_office_stands_still() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    office.does(c.PauseOffice("anna", "Simulacre"))

    with pytest.raises(errors.OfficePaused):
        office.does(c.Resume("anna", "1", ticket="P001"))


def test_tickets_are_still_given_while_the_office_stands_still() -> None:
    office = paused()

    office.takes("P004")

    assert office.stage("P004") is Stage.WAITING


def test_the_office_resumes_in_the_order_in_which_it_stopped() -> None:
    office = paused()
    before = [ticket.label for ticket in order(office.state, office.now)]
    office.later(40)

    office.does(c.ResumeOffice("anna"))

    assert [office.calls("1"), office.calls("2")] == before == ["P002", "P003"]


def test_the_clock_of_lateness_stands_still_with_the_office() -> None:
    office = paused(at="09:55")
    office.at("10:30")
    office.does(c.ResumeOffice("anna"))
    office.at("10:45")  # 45 minutes after the hour, of which 30 stood still
    office.checks_in("C001", "10:00")
    office.later(1)
    office.checks_in("C002", "10:00")

    assert office.line() == ["C001", "P002", "P003", "C002"]


def test_who_checks_in_during_the_pause_is_not_late() -> None:
    office = paused(at="09:55")
    office.at("11:00")

    office.checks_in("C001", "10:00")

    assert office.line()[0] == "C001"


def test_the_clock_of_coming_back_stands_still_with_the_office() -> None:
    office = Office(at="09:00")
    for label in ("P001", "P002"):
        office.takes(label)
    office.calls("1")
    office.misses("1")
    office.at("09:05")
    office.does(c.PauseOffice("anna", "Simulacre"))
    office.at("09:35")
    office.does(c.ResumeOffice("anna"))
    office.at("09:40")
    in_time = office.state

    office.does(c.Rejoin("citizen", "P001"))
    assert office.line() == ["P002", "P001"]

    office.state = in_time
    office.at("09:41")
    with pytest.raises(errors.TooLate):
        office.does(c.Rejoin("citizen", "P001"))


def test_who_missed_a_call_may_come_back_at_any_time_of_the_pause() -> None:
    office = Office(at="09:00")
    office.takes("P001")
    office.calls("1")
    office.misses("1")
    office.does(c.PauseOffice("anna", "Simulacre"))
    office.at("12:00")

    office.does(c.Rejoin("citizen", "P001"))

    assert office.stage("P001") is Stage.WAITING


def test_a_new_message_changes_the_words_and_not_the_beginning_of_the_pause() -> None:
    office = paused()
    since = office.now
    office.later(5)

    office.does(c.PauseOffice("anna", "Tornem d'aquí a deu minuts"))

    assert office.state.paused.message == "Tornem d'aquí a deu minuts"
    assert office.state.paused.since == since


def test_to_pause_or_resume_twice_is_to_do_it_once() -> None:
    office = paused()

    assert office.does(c.PauseOffice("pere", "Simulacre d'incendi")) == []
    office.does(c.ResumeOffice("anna"))
    assert office.does(c.ResumeOffice("anna")) == []


def test_a_pause_lasts_over_the_end_of_the_day() -> None:
    office = paused()
    office.at("28:00")
    office.does(c.Tick("hub"))

    assert office.state.paused.message == "Simulacre d'incendi"
    with pytest.raises(errors.OfficePaused):
        office.does(c.Next("anna", "1"))
