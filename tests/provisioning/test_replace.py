"""A dispenser with its made card joins the hub by mutual TLS; when it breaks, one command and one card replace it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import wait_until
from tests.provisioning.fleets import Client, House, Machine, blank_card, context, run_provisioning, unpacked

DEVICE = "montroig-dispenser-1"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    running = House(tmp_path)
    yield running
    running.stop()


def test_a_broken_dispenser_is_replaced_by_one_command_and_one_card_and_its_numbers_go_on(
    house: House, tmp_path: Path
) -> None:
    port = house.port
    old = Machine(unpacked(house.out / "cards" / DEVICE, tmp_path / "old", port), 12).start("all pressed", 60)
    wait_until(lambda: house.stored(old.papers), 20, "the hub's knowing of all that was printed")
    old_keys = house.keys
    old.kill()

    run_provisioning("replace", DEVICE, *house.words, "--boot", str(blank_card(tmp_path / "boot")))
    house.install()
    new = Machine(unpacked(tmp_path / "boot", tmp_path / "new", port), 12).start("all pressed", 60)

    try:
        given, after = ({label[0]: 0 for label, _ in old.papers}, [label for label, _ in new.papers])
        for label, _ in old.papers:
            given[label[0]] = max(given[label[0]], int(label[1:]))
        assert len(old.papers) == len(new.papers) == 12
        for label in after:  # each letter goes on by one
            assert int(label[1:]) == given.get(label[0], 0) + 1
            given[label[0]] = int(label[1:])
        wait_until(lambda: house.stored(new.papers), 20, "the hub's knowing of the new machine's tickets")
        thief = Client(house.door.doors.certificates, context(tmp_path / "thief", old_keys, DEVICE), DEVICE)
        assert not thief.knock()
    finally:
        new.stop()
