"""What the office shows, in the contract's words."""

import json

import pytest

from firmware import wire
from hub.line import commands as c
from hub.line import views
from hub.line.model import Stage
from tests.line.office import Office


def busy() -> Office:
    """Nine were called one after the other, the last one is served; P010 and R001 wait."""
    office = Office()
    for number in range(1, 11):
        office.takes(f"P{number:03d}")
        office.later(1)
    office.takes("R001", "registre")
    for _ in range(9):
        office.calls("1")
        office.later(1)
    return office


def test_the_line_is_what_the_contract_says() -> None:
    office = busy()

    line = views.line_document(office.state, office.now, wire.stamp) | {"seq": 1}

    wire.encode("line", line)
    assert line["waiting"] == 2
    assert line["services"]["padro"] == {"waiting": 1, "wait": None}
    assert line["desks"]["1"] == {"state": "calling", "label": "P009"}
    assert line["calls"][0] == {"label": "P009", "desk": "1", "at": wire.stamp(office.now - 60_000)}


def test_the_board_has_the_last_eight_calls_newest_first() -> None:
    office = busy()

    labels = [call["label"] for call in views.calls(office.state, wire.stamp)]

    assert labels == ["P009", "P008", "P007", "P006", "P005", "P004", "P003", "P002"]


def test_who_is_called_again_is_on_the_board_once_and_first() -> None:
    office = busy()
    office.calls("2")
    office.later(1)
    office.does(c.Recall("anna", "1"))

    calls = views.calls(office.state, wire.stamp)

    assert [call["label"] for call in calls[:3]] == ["P009", "P010", "P008"]
    assert calls[0]["at"] == wire.stamp(office.now)


def test_no_document_holds_a_token_or_a_ticket_id() -> None:
    office = Office()
    office.does(c.Issue("dispenser-1", "secret-id", "secret-token", "P001", ("padro",)))
    office.calls("1")

    line = views.line_document(office.state, office.now, wire.stamp)
    desk = views.desk_document(office.state, office.desk("1"), wire.stamp)

    assert "secret" not in json.dumps([line, desk])


def test_the_pause_shows_its_message() -> None:
    office = Office()
    office.does(c.PauseOffice("anna", "Simulacre"))

    assert views.line_document(office.state, office.now, wire.stamp)["paused"] == "Simulacre"


def test_a_desk_shows_who_waits_for_the_services_it_serves() -> None:
    office = busy()

    desk = views.desk_document(office.state, office.desk("4"), wire.stamp) | {"seq": 1}

    wire.encode("desk", desk)
    assert desk["waiting"] == 1
    assert desk["state"] == "closed"


def test_a_paused_desk_shows_as_closed() -> None:
    office = Office()
    office.does(c.Open("anna", "1"))
    office.does(c.PauseDesk("anna", "1"))

    assert views.desk_document(office.state, office.desk("1"), wire.stamp)["state"] == "closed"


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        (Stage.WAITING, "waiting"),
        (Stage.CALLED, "called"),
        (Stage.SERVING, "serving"),
        (Stage.PARKED, "waiting"),
        (Stage.ABSENT, "absent"),
        (Stage.DONE, "done"),
        (Stage.LEFT, "left"),
        (Stage.VOIDED, "closed"),
        (Stage.CLOSED, "closed"),
    ],
)
def test_a_phone_is_told_the_state_in_the_contracts_words(stage: Stage, shown: str) -> None:
    assert views.SHOWN[stage] == shown


def test_the_phone_of_who_waits_is_told_how_many_are_ahead() -> None:
    office = busy()

    documents = views.ticket_documents(office.state, office.now, wire.stamp)

    assert documents["token-of-P010"]["ahead"] == 0
    assert documents["token-of-R001"]["ahead"] == 1
    assert documents["token-of-R001"]["desk"] is None


def test_the_phone_of_who_is_called_is_told_the_desk() -> None:
    office = busy()

    document = views.ticket_documents(office.state, office.now, wire.stamp)["token-of-P009"]

    assert (document["state"], document["ahead"], document["desk"]) == ("called", None, "1")


def test_a_parked_ticket_shows_as_waiting_with_nobody_counted() -> None:
    office = busy()
    office.does(c.Park("anna", "1", room="sala 2"))

    document = views.ticket_documents(office.state, office.now, wire.stamp)["token-of-P009"]

    assert (document["state"], document["ahead"], document["desk"]) == ("waiting", None, None)


def test_those_called_parked_or_absent_are_not_ahead_of_anybody() -> None:
    office = Office()
    for number in range(1, 6):
        office.takes(f"P00{number}")
        office.later(1)
    office.calls("1")
    office.does(c.Park("anna", "1", room="sala 2"))
    office.calls("1")
    office.misses("1")
    office.calls("1")

    assert office.line() == ["P004", "P005"]
    assert (office.ahead("P004"), office.ahead("P005")) == (0, 1)


@pytest.mark.parametrize(("minutes", "shown"), [(5, "10:20"), (30, "10:30")])
def test_a_phone_is_never_told_to_be_back_before_what_its_paper_promises(minutes: int, shown: str) -> None:
    office = Office(at="10:00")
    office.takes("P001", back_by=office.clock("10:20"))
    wait = {"p5": minutes, "p10": minutes, "p50": 40, "p90": 60}

    expected = views.Expected(office.now, {}, {"P001": wait})
    document = views.ticket_document(office.state, office.state.tickets["P001"], 0, wire.stamp, expected)

    assert document["back_by"] == wire.stamp(office.clock(shown))


def test_documents_kept_of_visits_that_are_over_are_what_they_would_be_made_anew() -> None:
    office = busy()
    acts = (c.Done("anna", "1"), c.Undo("anna", "1"), c.Done("anna", "1"), c.PauseOffice("anna", "fire"))
    kept = 0
    for act in acts:
        before, documents = office.state, views.ticket_documents(office.state, office.now, wire.stamp)
        office.does(act)
        known = {ticket.token: documents[ticket.token] for ticket in views.over(before, office.state)}
        kept += len(known)

        after = views.ticket_documents(office.state, office.now, wire.stamp, known=known)

        assert after == views.ticket_documents(office.state, office.now, wire.stamp)
    assert kept
