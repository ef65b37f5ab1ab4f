"""A desk: next, the versions of what it shows, and what happens to whoever is there when it closes."""

from dataclasses import replace

import pytest

from hub.line import commands as c
from hub.line import errors
from hub.line.model import DeskStage, Stage
from hub.line.order import ahead
from hub.line.plan import DeskPlan
from tests.line.office import PLAN, Office


def with_three_waiting() -> Office:
    """P001 to P003 wait; no desk is open."""
    office = Office()
    for label in ("P001", "P002", "P003"):
        office.takes(label)
        office.later(1)
    return office


def test_the_first_next_opens_a_closed_desk_and_calls() -> None:
    office = with_three_waiting()

    called = office.calls("1")

    assert called == "P001"
    assert office.desk("1").stage is DeskStage.CALLING


def test_the_first_next_opens_a_paused_desk() -> None:
    office = with_three_waiting()
    office.does(c.Open("anna", "1"))
    office.does(c.PauseDesk("anna", "1"))

    assert office.calls("1") == "P001"


def test_next_finishes_whoever_is_at_the_desk() -> None:
    office = with_three_waiting()
    office.calls("1")
    office.later(5)

    office.calls("1")

    assert office.stage("P001") is Stage.DONE
    assert office.ticket("P001").finished == office.now


def test_next_finishes_whoever_is_at_the_desk_even_when_nobody_waits() -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")

    called = office.calls("1")

    assert called is None
    assert office.stage("P001") is Stage.DONE
    assert office.desk("1").stage is DeskStage.FREE


def test_next_at_a_free_desk_when_nobody_waits_says_nothing() -> None:
    office = Office()
    office.does(c.Open("anna", "1"))

    assert office.does(c.Next("anna", "1")) == []


@pytest.mark.parametrize("verb", [c.Recall, c.MarkAbsent, c.Start, c.Done, c.Park, c.Transfer, c.Resume])
@pytest.mark.parametrize("stage", [DeskStage.CLOSED, DeskStage.PAUSED])
def test_a_closed_or_paused_desk_does_nothing_but_open(verb: type[c.DeskCommand], stage: DeskStage) -> None:
    office = with_three_waiting()
    if stage is DeskStage.PAUSED:
        office.does(c.Open("anna", "1"))
        office.does(c.PauseDesk("anna", "1"))

    with pytest.raises(errors.DeskClosed, match=f"desk 1 is {stage.value}: open it first"):
        office.does(verb("anna", "1"))


def test_a_closed_desk_has_nothing_to_pause() -> None:
    office = Office()

    with pytest.raises(errors.DeskClosed, match="nothing to pause"):
        office.does(c.PauseDesk("anna", "1"))


@pytest.mark.parametrize(("verb", "stage"), [(c.Close, DeskStage.CLOSED), (c.PauseDesk, DeskStage.PAUSED)])
def test_a_desk_that_shuts_finishes_whoever_is_there(verb: type[c.DeskCommand], stage: DeskStage) -> None:
    office = with_three_waiting()
    office.calls("1")

    office.does(verb("anna", "1"))

    assert office.desk("1").stage is stage
    assert office.stage("P001") is Stage.DONE


@pytest.mark.parametrize("verb", [c.Open, c.Close, c.PauseDesk])
def test_to_open_close_or_pause_twice_is_to_do_it_once(verb: type[c.DeskCommand]) -> None:
    office = Office()
    office.does(c.Open("anna", "1"))
    office.does(verb("anna", "1"))

    assert office.does(verb("anna", "1")) == []


def test_a_parked_person_is_shown_with_the_room_and_comes_back_to_any_desk() -> None:
    office = with_three_waiting()
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    room = office.ticket("P001").room
    office.does(c.Open("pere", "2"))

    office.does(c.Resume("pere", "2", ticket="P001"))

    assert room == "sala 2"
    assert office.desk("2").ticket == "P001"
    assert office.ticket("P001").room is None
    assert office.reason("P001") == "resumed"


def test_nobody_comes_back_to_a_desk_that_is_taken() -> None:
    office = with_three_waiting()
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    office.calls("1")

    with pytest.raises(errors.NotNow, match="desk 1 has ticket P002: finish with it first"):
        office.does(c.Resume("anna", "1", ticket="P001"))


# --- versions -------------------------------------------------------------------------------


def test_a_version_grows_when_state_label_or_service_change() -> None:
    office = Office()
    office.takes("P001", "padro", "registre")
    office.takes("P002")
    seen = [office.desk("1").version]

    for verb in (c.Open, c.Next, c.Start, c.Done, c.Next, c.Close):
        office.later(1)
        office.does(verb("anna", "1"))
        seen.append(office.desk("1").version)
        assert office.desk("1").since == office.now

    assert seen == sorted(set(seen))


def test_a_version_stays_where_nothing_is_shown_differently() -> None:
    office = with_three_waiting()
    office.calls("1")
    before = office.desk("1")
    office.later(1)

    office.does(c.Recall("anna", "1"))
    office.takes("P004")
    office.does(c.Leave("citizen", "P002"))
    office.calls("2")
    office.does(c.PauseOffice("anna", "Simulacre"))
    office.does(c.ResumeOffice("anna"))

    assert office.desk("1") == before


def test_a_paused_desk_shows_as_closed_so_that_closing_it_changes_no_version() -> None:
    office = Office()
    office.does(c.Open("anna", "1"))
    office.does(c.PauseDesk("anna", "1"))
    before = office.desk("1").version

    office.does(c.Close("anna", "1"))

    assert office.desk("1").version == before


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_command_meant_for_another_version_is_out_of_date_and_changes_nothing(wrong: int) -> None:
    office = with_three_waiting()
    office.calls("1")
    version = office.desk("1").version

    with pytest.raises(errors.OutOfDate, match=f"desk 1 has changed: it is at version {version}, not"):
        office.does(c.Next("anna", "1", version + wrong))

    assert office.stage("P001") is Stage.CALLED


def test_a_command_for_the_version_shown_is_obeyed() -> None:
    office = with_three_waiting()
    office.calls("1")

    office.does(c.Next("anna", "1", office.desk("1").version))

    assert office.desk("1").ticket == "P002"


# --- a new offices file ---------------------------------------------------------------------

ONE_DESK = replace(PLAN, desks=PLAN.desks[:1])


def test_the_same_plan_again_says_nothing() -> None:
    office = Office()

    assert office.does(c.Adopt("hub", replace(PLAN))) == []


def test_a_desk_that_the_file_no_longer_names_vanishes() -> None:
    office = Office()

    office.does(c.Adopt("hub", ONE_DESK))

    assert list(office.state.desks) == ["1"]


def test_a_desk_with_somebody_at_it_vanishes_only_later() -> None:
    office = with_three_waiting()
    office.calls("2")

    office.does(c.Adopt("hub", ONE_DESK))
    office.does(c.Done("anna", "2"))

    assert office.stage("P001") is Stage.DONE


def test_a_desk_that_comes_back_has_a_greater_version_than_it_had() -> None:
    office = with_three_waiting()
    office.does(c.Open("anna", "2"))
    office.does(c.Close("anna", "2"))
    had = office.desk("2").version

    office.does(c.Adopt("hub", ONE_DESK))
    office.does(c.Adopt("hub", PLAN))

    assert office.desk("2").version > had


def test_an_open_desk_serves_what_the_new_file_says() -> None:
    office = Office()
    office.takes("P001", "padro")
    office.does(c.Open("anna", "4"))

    office.does(c.Adopt("hub", replace(PLAN, desks=(*PLAN.desks[:3], DeskPlan("4", ("padro",))))))

    assert office.calls("4") == "P001"


def test_a_ticket_for_a_service_that_the_file_has_lost_is_called_in_its_turn_by_any_desk() -> None:
    office = Office()
    office.takes("P001", "padro")
    office.takes("R001", "registre")
    office.takes("P002", "padro")
    without = tuple(replace(desk, services=("registre",)) for desk in PLAN.desks)

    office.does(c.Adopt("hub", replace(PLAN, services=PLAN.services[1:], desks=without)))

    assert list(ahead(office.state, office.now).values()) == [0, 1, 2]
    assert [office.calls("2"), office.calls("1"), office.calls("2")] == ["P001", "R001", "P002"]


def test_once_another_file_has_the_service_again_its_own_desks_alone_serve_it() -> None:
    office = Office()
    office.takes("P001", "padro")
    office.does(c.Adopt("hub", replace(PLAN, desks=tuple(replace(desk, services=()) for desk in PLAN.desks))))

    office.does(c.Adopt("hub", PLAN))

    assert [office.desk(desk.id).services for desk in PLAN.desks] == [desk.services for desk in PLAN.desks]
