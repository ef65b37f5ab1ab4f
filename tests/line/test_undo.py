"""Undo: a desk's last act is taken back as if it had not been, times and all."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hub.line import commands as c
from hub.line import errors, views
from hub.line.model import DeskStage, Stage
from tests.line.office import APART, PLAN, Office, what_is, with_rules


def undone(office: Office, desk: str = "1") -> None:
    """A minute later the desk takes its last act back."""
    office.later(1)
    office.does(c.Undo("anna", desk))


def serving() -> Office:
    """P001 is served at desk 1 since 09:04, called at 09:03; P002 and P003 wait."""
    office = Office()
    for label, services in (("P001", ("padro", "idcat")), ("P002", ("padro",)), ("P003", ("padro",))):
        office.takes(label, *services)
        office.later(1)
    office.calls("1")
    office.later(1)
    office.does(c.Start("anna", "1"))
    office.later(10)
    return office


@pytest.mark.parametrize(
    "act",
    [
        c.Next("anna", "1"),
        c.Done("anna", "1"),
        c.Park("anna", "1", room="sala 2"),
        c.Transfer("anna", "1", service="registre"),
        c.Close("anna", "1"),
        c.PauseDesk("anna", "1"),
    ],
    ids=lambda act: type(act).__name__,
)
def test_a_misclick_resets_no_times(act: c.Command) -> None:
    office = serving()
    before = what_is(office.state)
    office.does(act)

    undone(office)

    assert what_is(office.state) == before


def called(office: Office) -> None:
    """P002 is called to desk 2."""
    office.calls("2")


def parked(office: Office) -> None:
    """P002 is in a side room, sent from desk 2."""
    called(office)
    office.does(c.Park("pere", "2", room="sala 2"))


@pytest.mark.parametrize(
    ("arrange", "act"),
    [
        (called, c.Recall("pere", "2")),
        (called, c.MarkAbsent("pere", "2")),
        (called, c.Start("pere", "2")),
        (parked, c.Resume("pere", "2", ticket="P002")),
        (parked, c.Resume("pere", "2", ticket="P002", to_line=True)),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_every_other_act_of_a_desk_is_taken_back_too(arrange: Callable[[Office], None], act: c.Command) -> None:
    office = serving()
    arrange(office)
    office.later(1)
    before = what_is(office.state)
    office.does(act)

    undone(office, "2")

    assert what_is(office.state) == before


def test_the_first_next_of_the_day_is_taken_back_whole() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")

    undone(office)

    assert office.desk("1").stage is DeskStage.CLOSED
    assert office.stage("P001") is Stage.WAITING
    assert office.ticket("P001").called is None
    assert views.calls(office.state, str) == []


def test_an_undo_makes_the_version_grow_where_what_is_shown_changes() -> None:
    office = serving()
    before = office.desk("1").version
    office.does(c.Next("anna", "1"))
    after = office.desk("1").version

    undone(office)

    assert before < after < office.desk("1").version


def test_an_undo_of_what_nobody_sees_changes_no_version() -> None:
    office = serving()
    office.calls("2")
    office.does(c.Recall("pere", "2"))
    before = office.desk("2").version

    undone(office, "2")

    assert office.desk("2").version == before


def test_only_the_last_act_is_taken_back() -> None:
    office = serving()
    office.calls("1")
    undone(office)

    with pytest.raises(errors.NotNow, match="desk 1 has no step to take back"):
        undone(office)


def test_an_act_that_changed_nothing_leaves_the_one_before_to_take_back() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")
    office.calls("1")  # finishes P001
    office.calls("1")  # nobody waits

    undone(office)

    assert office.stage("P001") is Stage.CALLED


def test_undo_is_refused_once_another_desk_has_the_ticket() -> None:
    office = serving()
    office.does(c.Transfer("anna", "1", service="registre"))
    office.calls("2")  # P001, who still has the longest wait

    with pytest.raises(errors.NotNow, match="ticket P001 has moved on since: desk 1 cannot take its step back"):
        undone(office)

    assert office.desk("2").ticket == "P001"


def test_undo_is_refused_once_the_person_has_come_back() -> None:
    office = serving()
    office.calls("2")
    office.misses("2")
    office.does(c.Rejoin("citizen", "P002"))

    with pytest.raises(errors.NotNow, match="ticket P002 has moved on"):
        undone(office, "2")


def test_undo_is_refused_once_whoever_was_at_the_desk_has_gone_elsewhere() -> None:
    office = Office(APART)
    for label in ("P001", "P002", "P003"):
        office.takes(label)
        office.later(1)
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    office.calls("1")  # P002
    office.does(c.Resume("anna", "1", ticket="P001", to_line=True))
    office.does(c.Leave("citizen", "P002"))

    with pytest.raises(errors.NotNow, match="ticket P002 has moved on"):
        undone(office)

    assert office.desk("1").ticket is None


def test_an_undo_at_one_desk_leaves_what_others_did() -> None:
    office = serving()
    office.calls("2")
    office.calls("3")

    undone(office, "2")

    assert office.stage("P002") is Stage.WAITING
    assert office.desk("3").ticket == "P003"
    assert [call["label"] for call in views.calls(office.state, str)] == ["P003", "P001"]


def test_a_person_whose_call_was_taken_back_is_called_next_by_whoever_is_free() -> None:
    office = serving()
    office.calls("2")
    undone(office, "2")

    assert office.calls("3") == "P002"


def test_an_undo_brings_the_turn_of_the_bound_back() -> None:
    office = Office(with_rules(walk_in_max_wait_minutes=30), at="09:00")
    office.takes("P001")
    office.at("10:00")
    office.checks_in("C001", "10:00")
    before = office.line()
    office.calls("1")

    undone(office)

    assert office.line() == before == ["P001", "C001"]


def test_a_desk_cannot_take_back_what_it_did_yesterday() -> None:
    office = serving()
    office.at("28:00")

    with pytest.raises(errors.NotNow, match="no step to take back"):
        undone(office)


def test_a_step_taken_back_after_a_new_offices_file_keeps_the_new_services() -> None:
    office = serving()
    office.does(c.Adopt("hub", replace(PLAN, desks=tuple(replace(d, services=("padro",)) for d in PLAN.desks))))

    undone(office)

    assert office.desk("1").services == ("padro", "idcat")  # nobody serves idCAT any more, and somebody has come for it
    assert office.stage("P001") is Stage.CALLED
