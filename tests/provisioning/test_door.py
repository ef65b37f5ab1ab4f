"""Who is kept out by the real mosquitto, and how a dispenser with its made files joins the hub."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from provisioning.broker import hashed
from provisioning.fleet import Fleet
from provisioning.keys import LASTS, SLACK, Authority, Keys, Wanted, renewed, revoked
from tests.parts import wait_until
from tests.provisioning.fleets import BUTTON, NOW, Client, SecureMosquitto, context

ME, OTHER = "montroig-dispenser-1", "montroig-desk-1"
STATE = "torn/v1/dev/{}/state"


def knocking(door: SecureMosquitto, folder: Path, keys: Keys, certificate: str = "") -> Client:
    """Somebody with this certificate who says to be the dispenser."""
    return Client(door.doors.certificates, context(folder, keys, certificate), ME, user=ME)


def reissued(keys: Keys, days_ago: timedelta) -> Keys:
    """The dispenser's certificate as if it had been made at another time."""
    return {**keys, **Authority.of(keys).issue(Wanted(ME), NOW - days_ago)}


@pytest.fixture
def witness(door: SecureMosquitto) -> Iterator[Client]:
    client = Client(door.backdoor, None, "door-witness").enter().hear("torn/v1/#")
    yield client
    client.leave()


def test_no_certificate_opens_no_door(door: SecureMosquitto, keys: Keys, tmp_path: Path) -> None:
    assert not knocking(door, tmp_path, keys).knock()


def test_a_certificate_of_another_authority_opens_no_door(
    door: SecureMosquitto, fleet: Fleet, keys: Keys, tmp_path: Path
) -> None:
    theirs, _ = renewed({}, fleet, NOW)

    assert not knocking(door, tmp_path, {**theirs, "ca.pem": keys["ca.pem"]}, ME).knock()


@pytest.mark.parametrize("days_ago", [LASTS + timedelta(days=1), -SLACK - timedelta(days=1)], ids=["ended", "to come"])
def test_a_certificate_that_has_ended_or_not_begun_opens_no_door(
    door: SecureMosquitto, keys: Keys, tmp_path: Path, days_ago: timedelta
) -> None:
    assert not knocking(door, tmp_path, reissued(keys, days_ago), ME).knock()


def test_a_servers_certificate_is_no_devices(door: SecureMosquitto, keys: Keys, tmp_path: Path) -> None:
    assert not knocking(door, tmp_path, keys, "broker").knock()


def test_a_revoked_certificate_opens_no_door_and_the_one_made_instead_does(
    fleet: Fleet, keys: Keys, tmp_path: Path
) -> None:
    after, _ = renewed(revoked(keys, ME, NOW), fleet, NOW)
    broker = SecureMosquitto(tmp_path / "m", fleet, after).start()

    try:
        assert not knocking(broker, tmp_path / "old", keys, ME).knock()
        assert knocking(broker, tmp_path / "new", after, ME).knock()
        assert knocking(broker, tmp_path / "other", after, OTHER).knock()
    finally:
        broker.stop()


def test_another_devices_certificate_gives_that_ones_rights_whatever_name_is_said(
    door: SecureMosquitto, keys: Keys, witness: Client, tmp_path: Path
) -> None:
    thief = knocking(door, tmp_path, keys, OTHER).enter()

    thief.say(STATE.format(ME), b"a lie")
    thief.say(STATE.format(OTHER), b"its own")

    wait_until(lambda: (STATE.format(OTHER), b"its own") in witness.heard, what="what it may say")
    assert (STATE.format(ME), b"a lie") not in witness.heard
    thief.leave()


def test_nobody_pushes_another_device_out_by_taking_its_client_id(
    door: SecureMosquitto, keys: Keys, witness: Client, tmp_path: Path
) -> None:
    mine = Client(door.doors.certificates, context(tmp_path, keys, ME), ME).enter()
    thief = Client(door.doors.certificates, context(tmp_path, keys, "montroig-board-1"), ME).enter()

    thief.say(STATE.format("montroig-board-1"), b"here")
    mine.say(STATE.format(ME), b"still here")

    wait_until(lambda: (STATE.format(ME), b"still here") in witness.heard, what="the one who was there first")
    assert thief.let_in
    assert mine.here
    mine.leave()
    thief.leave()


@pytest.mark.parametrize(
    ("name", "password"),
    [(BUTTON, "wrong"), (BUTTON, ""), (ME, ""), (ME, "wrong"), ("hub", "hub"), ("stranger", "stranger")],
)
def test_a_wrong_password_opens_no_door_and_a_raspberrys_name_has_none(
    door: SecureMosquitto, keys: Keys, tmp_path: Path, name: str, password: str
) -> None:
    assert not Client(door.doors.passwords, context(tmp_path, keys), name, password, user=name).knock()


def test_a_password_is_good_for_its_own_device_alone(door: SecureMosquitto, keys: Keys, tmp_path: Path) -> None:
    password = keys[f"{BUTTON}.password"].decode()

    assert Client(door.doors.passwords, context(tmp_path, keys), BUTTON, password).knock()
    assert not Client(door.doors.passwords, context(tmp_path, keys), "miamiplatja-board-1", password).knock()


def test_the_same_password_gives_the_same_line_and_another_one_another() -> None:
    assert hashed(b"one") == hashed(b"one")
    assert hashed(b"one") != hashed(b"two")
