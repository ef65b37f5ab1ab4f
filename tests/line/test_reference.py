"""docs/line.md says all that the code does: no rule, move, command, event, reason or refusal is missing there."""

import re
from dataclasses import fields

import pytest

from hub.line import commands, errors
from hub.line.events import KINDS, Event
from hub.line.model import DESK_MOVES, TICKET_MOVES
from hub.line.plan import Rules
from tests.parts import ROOT

TEXT = (ROOT / "docs" / "line.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The tables under a heading: each row by its first cell."""
    part = re.split(rf"^#+ {heading}$", TEXT, flags=re.MULTILINE)[1].split("\n#")[0]
    cells = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    return {first.strip("`"): [cell.strip(" |") for cell in more] for first, *more in cells}


def test_every_rule_stands_there_with_its_default() -> None:
    written = {name: default.strip("`") for name, (default, _) in rows("Rules and their defaults").items()}

    assert written == {field.name: str(field.default) for field in fields(Rules)}


@pytest.mark.parametrize(("heading", "table"), [("A ticket", TICKET_MOVES), ("A desk", DESK_MOVES)])
def test_every_state_stands_there_with_its_moves(heading: str, table: dict) -> None:
    written = {}
    for state, (_, moves) in rows(heading).items():
        steps = [step.split(" → ") for step in moves.split("; ") if step != "none"]
        written[state] = {move: to for names, to in steps for move in names.split(", ")}

    assert written == {state.value: {m.value: to.value for m, to in moves.items()} for state, moves in table.items()}


def test_every_command_stands_there() -> None:
    bases = {commands.Command, commands.TicketCommand, commands.DeskCommand}
    found = {kind for kind in vars(commands).values() if isinstance(kind, type) and issubclass(kind, commands.Command)}

    assert set(rows("Commands")) == {kind.__name__ for kind in found - bases}


def test_every_refusal_stands_there_with_its_code() -> None:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.LineError]

    assert {name: code.strip("`") for name, (code, _) in rows("Refusals").items()} == {
        k.__name__: k.code for k in found
    }


def test_every_event_stands_there_with_its_words() -> None:
    own = {field.name for field in fields(Event)}
    written = {
        kind: re.findall(r"`(\w+)`", words[1] if len(words) > 1 else "") for kind, words in rows("Events").items()
    }

    assert written == {name: [f.name for f in fields(kind) if f.name not in own] for name, kind in KINDS.items()}


def test_every_reason_of_a_call_stands_there() -> None:
    code = "\n".join((ROOT / "hub" / "line" / f"{name}.py").read_text() for name in ("order", "decide", "model"))

    for reason in rows("Why somebody was called"):
        assert f'"{reason}"' in code
