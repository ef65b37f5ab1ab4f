"""A morning at which everything dies that can die; afterwards paper, journals, log and phones must agree."""

import random
from pathlib import Path

import pytest

from tests.e2e.morning import DISPENSERS, Morning

TICKETS = 300
KILLS = ["hub", "hub", "bridge", "web", "broker", "broker", "broker emptied", *DISPENSERS]
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 11))]


def a_morning_of_kills(folder: Path, seed: int, database: str | None = None) -> list[str]:
    """What is amiss after 300 tickets, while every part was killed at moments that the seed chooses."""
    chance = random.Random(seed)
    kills = chance.sample(KILLS, len(KILLS))
    moments = sorted(chance.sample(range(5, TICKETS - 5), len(kills)))
    with Morning(folder, seed, TICKETS, database) as morning:
        for moment, what in zip(moments, kills, strict=True):
            morning.until_papers(moment)
            morning.kill(what)
        morning.until_everybody_was_called()
        return morning.faults()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_morning_on_sqlite_survives_the_death_of_every_part(seed, tmp_path):
    assert a_morning_of_kills(tmp_path, seed) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [11, pytest.param(12, marks=pytest.mark.soak)])
def test_a_morning_on_postgresql_survives_the_death_of_every_part(seed, tmp_path, postgres_url):
    assert a_morning_of_kills(tmp_path, seed, postgres_url) == []
