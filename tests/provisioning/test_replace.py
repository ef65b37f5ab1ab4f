"""A dispenser with its made card joins the hub by mutual TLS; when it breaks, one command and one card replace it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from provisioning.__main__ import main
from provisioning.fleet import read_fleet
from provisioning.folder import read
from provisioning.keys import Keys
from provisioning.made import keys_in
from tests.parts import Hub, wait_until
from tests.provisioning.fleets import (
    Client,
    Machine,
    SecureMosquitto,
    blank_card,
    context,
    described,
    secure_hub,
    unpacked,
)

DEVICE = "montroig-dispenser-1"


class House:
    """A provisioned fleet with its broker and hub running."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.words = ["--fleet", str(described(folder)), "--out", str(self.out)]
        assert main(["make", *self.words]) == 0
        self.door = SecureMosquitto(folder / "mosquitto", read_fleet(folder / "fleet.toml"), self.keys).start()
        self.hub: Hub = secure_hub(folder, self.door, self.keys).start()

    @property
    def keys(self) -> Keys:
        return keys_in(read(self.out))

    def install(self) -> None:
        """What hub/install does with the broker's files."""
        self.door.stop()
        self.door.give(read_fleet(self.folder / "fleet.toml"), self.keys)
        self.door.start()

    def stored(self, papers: list[tuple[str, str]]) -> bool:
        """Whether the hub knows every ticket that was printed."""
        answers = [requests.get(self.hub.url(f"/api/v1/tickets/{token}"), timeout=5) for _, token in papers]
        return all(answer.status_code == 200 for answer in answers)

    def stop(self) -> None:
        self.hub.stop()
        self.door.stop()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    running = House(tmp_path)
    yield running
    running.stop()


def test_a_broken_dispenser_is_replaced_by_one_command_and_one_card_and_its_numbers_go_on(
    house: House, tmp_path: Path
) -> None:
    port = house.door.doors.certificates
    old = Machine(unpacked(house.out / "cards" / DEVICE, tmp_path / "old", port), 12).start("all pressed", 60)
    wait_until(lambda: house.stored(old.papers), 20, "the hub's knowing of all that was printed")
    old_keys = house.keys
    old.kill()

    assert main(["replace", DEVICE, *house.words, "--boot", str(blank_card(tmp_path / "boot"))]) == 0
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
        thief = Client(house.door.doors.certificates, context(tmp_path / "thief", old_keys, DEVICE), DEVICE).enter()
        assert not thief.let_in
    finally:
        new.stop()
