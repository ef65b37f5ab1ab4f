"""The log's words: every event is written as JSON and read back the same."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from hub.line.events import KINDS, DayOpened, Event, OfficePlanned, pack, unpack
from hub.line.plan import Appointment, Rules, Season
from tests.line.office import MORNINGS, PLAN, with_rules

ROOT = Path(__file__).resolve().parents[2]
SEASONAL = with_rules(walk_in_max_wait_minutes=40, walk_in_share=0.25)
PLACE = ((2, 1795514400000, 1795514400000, 7, -31), (0, 1795514400000, 1795514400000, 7, -31))
WORDS = {
    "at": 1795514400000,
    "by": "anna",
    "day": "2026-11-24",
    "plan": PLAN,
    "versions": {"1": 4, "2": 0},
    "message": "Simulacre d'incendi · «sortiu»",
    "ticket": "0b6f3c1e-0000-4000-8000-000000000001",
    "token": "kq3Vd0Zr3n2h9xw8Yt5u1A",
    "label": "P012",
    "services": ("padro", "registre"),
    "language": "fr",
    "priority": True,
    "back_by": 1795516500000,
    "appointment": Appointment("a-17", 1795514400000, 10, True),
    "place": PLACE,
    "service": "idcat",
    "why": "printer",
    "desk": "1",
    "step": 31,
    "pause": True,
    "stays": True,
    "reason": "waited_longest",
    "room": "sala 2",
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_event_is_read_back_as_it_was_written(kind: type[Event]) -> None:
    event = kind(**{field.name: WORDS[field.name] for field in fields(kind)})

    assert unpack(pack(event)) == event


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_has_its_default_value_is_left_out_and_comes_back(kind: type[Event]) -> None:
    needed = [field.name for field in fields(kind) if field.default is not False and field.default is not None]
    event = kind(**{name: WORDS[name] for name in needed if name not in ("language", "place")})

    assert unpack(pack(event)) == event
    assert "back_by" not in json.loads(pack(event))


def test_a_plan_is_read_back_with_its_rules_hours_and_seasons() -> None:
    summer = Season("2026-08-01", "2026-08-31", MORNINGS)
    plan = type(PLAN)(**{**vars(SEASONAL), "seasons": (summer,), "closed": ("2026-12-25",)})

    read = unpack(pack(OfficePlanned(1, "hub", plan)))

    assert read == OfficePlanned(1, "hub", plan)
    assert read.plan.rules == Rules(walk_in_max_wait_minutes=40, walk_in_share=0.25)


def test_an_event_takes_one_line() -> None:
    event = DayOpened(1, "hub", "2026-11-24", PLAN, {"1": 0})

    assert "\n" not in pack(event)


@pytest.mark.parametrize("text", ['{"kind":"ticket.eaten","at":1,"by":"x"}', '{"at":1,"by":"x"}', "{", ""])
def test_what_is_no_event_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack(text)


def test_an_event_from_before_a_rule_existed_is_read_with_its_default() -> None:
    body = json.loads(pack(OfficePlanned(1, "hub", PLAN)))
    del body["plan"]["rules"]["walk_in_share"]

    assert unpack(json.dumps(body)).plan.rules.walk_in_share == Rules().walk_in_share
