"""The tables of moves: what they allow happens, what they lack is refused with ticket, move and state."""

from collections.abc import Callable

import pytest

from hub.line import commands as c
from hub.line import errors
from hub.line.model import DESK_MOVES, TICKET_MOVES, Desk, DeskMove, DeskStage, Move, Stage, Ticket
from tests.line.office import Office

ENDED = (Stage.DONE, Stage.LEFT, Stage.VOIDED, Stage.CLOSED)


def pairs(table: dict, states: type, moves: type, lawful: bool) -> list[tuple]:
    """Every (state, move) that the table has, or that it lacks."""
    return [(state, move) for state in states for move in moves if (move in table[state]) is lawful]


@pytest.mark.parametrize(("stage", "move"), pairs(TICKET_MOVES, Stage, Move, lawful=False))
def test_a_move_that_the_table_lacks_is_refused_naming_ticket_move_and_state(stage: Stage, move: Move) -> None:
    ticket = Ticket("t", "token", "P001", ("padro",), issued=0, number=1, stage=stage)

    with pytest.raises(errors.NotNow) as refused:
        ticket.after(move)

    assert str(refused.value) == f"ticket P001 is {stage.value}: it cannot {move.value} now"


@pytest.mark.parametrize(("stage", "move"), pairs(DESK_MOVES, DeskStage, DeskMove, lawful=False))
def test_a_desk_refuses_what_its_table_lacks_naming_desk_move_and_state(stage: DeskStage, move: DeskMove) -> None:
    desk = Desk("1", ("padro",), stage=stage)

    with pytest.raises(errors.NotNow) as refused:
        desk.after(move)

    assert str(refused.value) == f"desk 1 is {stage.value}: it cannot {move.value} now"


@pytest.mark.parametrize("stage", ENDED)
def test_a_visit_that_is_over_stays_over(stage: Stage) -> None:
    assert TICKET_MOVES[stage] == {}


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in ENDED])
def test_the_end_of_the_day_closes_whoever_is_still_there(stage: Stage) -> None:
    assert TICKET_MOVES[stage][Move.CLOSE] is Stage.CLOSED


# --- the same through the commands ----------------------------------------------------------


def waiting(office: Office) -> None:
    """P001 waits, and others behind it."""


def called(office: Office) -> None:
    """P001 is called to desk 1."""
    office.calls("1")


def serving(office: Office) -> None:
    """P001 has come to desk 1."""
    called(office)
    office.does(c.Start("anna", "1"))


def parked(office: Office) -> None:
    """P001 is in a side room."""
    called(office)
    office.does(c.Park("anna", "1", room="sala 2"))


def absent(office: Office) -> None:
    """P001 did not come."""
    called(office)
    office.misses("1")


def done(office: Office) -> None:
    """P001 is finished with."""
    called(office)
    office.does(c.Done("anna", "1"))


def left(office: Office) -> None:
    """P001 has given its place up."""
    office.does(c.Leave("citizen", "P001"))


def voided(office: Office) -> None:
    """P001 was never printed."""
    office.does(c.Void("dispenser-1", "P001", "printer"))


# Each act, the stages in which it is lawful, and where it leads. At the desk it is said of whoever is there.
ACTS: dict[str, tuple[c.Command, dict[Callable[[Office], None], Stage]]] = {
    "recall": (c.Recall("anna", "1"), {called: Stage.CALLED}),
    "start": (c.Start("anna", "1"), {called: Stage.SERVING}),
    "absent": (c.MarkAbsent("anna", "1"), {called: Stage.ABSENT}),
    "done": (c.Done("anna", "1"), {called: Stage.DONE, serving: Stage.DONE}),
    "park": (c.Park("anna", "1", room="sala 2"), {called: Stage.PARKED, serving: Stage.PARKED}),
    "transfer": (c.Transfer("anna", "1", service="idcat"), {called: Stage.WAITING, serving: Stage.WAITING}),
    "resume": (c.Resume("anna", "1", ticket="P001"), {parked: Stage.CALLED}),
    "return": (c.Resume("anna", "1", ticket="P001", to_line=True), {parked: Stage.WAITING}),
    "rejoin": (c.Rejoin("citizen", "P001"), {absent: Stage.WAITING}),
    "let pass": (c.LetPass("citizen", "P001"), {waiting: Stage.WAITING, called: Stage.WAITING}),
    "reassign": (c.Reassign("citizen", "P001", "idcat"), {waiting: Stage.WAITING}),
    "leave": (
        c.Leave("citizen", "P001"),
        {waiting: Stage.LEFT, called: Stage.LEFT, parked: Stage.LEFT, absent: Stage.LEFT, left: Stage.LEFT},
    ),
}
SITUATIONS = (waiting, called, serving, parked, absent, done, left, voided)


def situation(arrange: Callable[[Office], None]) -> Office:
    """Desk 1 is open, P001 is as `arrange` leaves it, and two more wait."""
    office = Office()
    office.does(c.Open("anna", "1"))
    for label in ("P001", "P002", "P003"):
        office.takes(label)
        office.later(1)
    arrange(office)
    return office


@pytest.mark.parametrize("arrange", SITUATIONS, ids=lambda arrange: arrange.__name__)
@pytest.mark.parametrize("act", ACTS)
def test_an_act_leads_where_the_table_says_or_is_refused_and_changes_nothing(
    act: str, arrange: Callable[[Office], None]
) -> None:
    command, lawful = ACTS[act]
    office = situation(arrange)
    before = office.state

    if arrange in lawful:
        office.does(command)
        assert office.stage("P001") is lawful[arrange]
    else:
        with pytest.raises(errors.NotNow, match="ticket P001 is|nobody is at desk 1"):
            office.does(command)
        assert office.state == before


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in ENDED])
def test_only_who_waits_or_is_parked_can_be_called(stage: Stage) -> None:
    moves = TICKET_MOVES[stage]

    assert (Move.CALL in moves or Move.RESUME in moves) == (stage in (Stage.WAITING, Stage.PARKED))


@pytest.mark.parametrize(
    "command",
    [
        c.Next("anna", "9"),
        c.Resume("anna", "1", ticket="P999"),
        c.Transfer("anna", "1", service="nothing"),
        c.Rejoin("citizen", "P999"),
        c.LetPass("citizen", "P999"),
        c.Leave("citizen", "P999"),
        c.Void("dispenser-1", "P999", "printer"),
        c.Reassign("citizen", "P002", "nothing"),
        c.Issue("dispenser-1", "x", "token-x", "X001", ("nothing",)),
        c.Issue("dispenser-1", "x", "token-x", "X001", ()),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_is_not_there_is_unknown_and_changes_nothing(command: c.Command) -> None:
    office = situation(called)
    before = office.state

    with pytest.raises(errors.Unknown):
        office.does(command)

    assert office.state == before


@pytest.mark.parametrize("kind", [error for error in vars(errors).values() if isinstance(error, type)])
def test_every_error_is_of_the_one_tree_and_of_a_standard_kind(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.LineError)
    assert kind is errors.LineError or issubclass(kind, ValueError | LookupError)
