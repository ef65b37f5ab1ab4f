"""A microcontroller's bundle."""

import json
import ssl
import subprocess
from pathlib import Path

import pytest

from provisioning.boards import bundle
from provisioning.broker import PASSWORDS
from provisioning.fleet import Fleet
from provisioning.folder import write
from provisioning.keys import Keys, renewed, revoked
from tests.firmware.board import Board, interpreter
from tests.parts import ROOT, wait_until
from tests.provisioning.fleets import BUTTON, NOW, SIGN, Client, SecureMosquitto


def test_the_settings_name_the_device_its_network_and_its_broker(fleet: Fleet, keys: Keys) -> None:
    settings = json.loads(bundle(fleet, fleet.device(SIGN), keys)["config.json"])

    assert (settings["device"], settings["kind"], settings["board"]) == (SIGN, "board", "pico-w")
    assert settings["wifi"] == {"ssid": "oficina", "password": "correct horse battery", "country": "ES"}
    password = keys[f"{SIGN}.password"].decode()
    assert settings["broker"] == {"host": "localhost", "port": PASSWORDS, "ca": "ca.der", "password": password}
    assert len(settings["update_key"]) == 64


@pytest.mark.parametrize("python", ["micropython", "cpython"])
@pytest.mark.parametrize("id", [SIGN, BUTTON])
def test_the_firmware_takes_the_made_settings(fleet: Fleet, keys: Keys, tmp_path: Path, id: str, python: str) -> None:
    given = bundle(fleet, fleet.device(id), keys)["config.json"]
    (tmp_path / "config.json").write_bytes(given)
    reads = f"import sys; sys.path.insert(0, {str(ROOT / 'firmware')!r}); import config, json; "
    reads += "print(json.dumps(config.read('config.json')))"

    done = subprocess.run([*interpreter(python), "-c", reads], cwd=tmp_path, text=True, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr
    taken, made = json.loads(done.stdout), json.loads(given)
    for key, value in made.items():
        assert value.items() <= taken[key].items() if isinstance(value, dict) else value == taken[key]


def test_a_board_with_its_made_bundle_joins_by_its_password(
    door: SecureMosquitto, fleet: Fleet, keys: Keys, tmp_path: Path
) -> None:
    for name, body in bundle(fleet, fleet.device(BUTTON), keys).items():
        body = body.replace(f'"port": {PASSWORDS}'.encode(), f'"port": {door.doors.passwords}'.encode())
        body = body.replace(b'"ca.der"', f'"{tmp_path}/ca.der"'.encode())  # a board works in its flash's root
        write(tmp_path / name, body)
    witness = Client(door.backdoor, None, "board-witness").enter().hear(f"torn/v1/dev/{BUTTON}/state")
    board = Board(tmp_path, None).start()

    try:
        wait_until(lambda: witness.heard, 30, "the board's state")
    finally:
        board.stop()
        witness.leave()

    assert json.loads(witness.heard[0][1])["kind"] == "desk"


def test_the_authoritys_certificate_is_in_the_form_that_boards_read(fleet: Fleet, keys: Keys) -> None:
    der = bundle(fleet, fleet.device(SIGN), keys)["ca.der"]

    assert ssl.DER_cert_to_PEM_cert(der).split() == keys["ca.pem"].decode().split()


def test_pins_and_sign_are_those_of_the_fleets_file(fleet: Fleet, keys: Keys) -> None:
    device = fleet.device(BUTTON)
    machine = device.machine.model_copy(update={"settings": {"pins": {"next": 3}}, "board": "esp32"})
    other = type(device)(**{**device.__dict__, "machine": machine})

    settings = json.loads(bundle(fleet, other, keys)["config.json"])

    assert settings["pins"] == {"next": 3}
    assert settings["board"] == "esp32"


def test_the_flashing_script_is_a_shells_and_wants_the_firmware(fleet: Fleet, keys: Keys, tmp_path) -> None:
    script = tmp_path / "flash"
    script.write_bytes(bundle(fleet, fleet.device(BUTTON), keys)["flash"])

    without = subprocess.run(["sh", script], text=True, capture_output=True)
    wrong = subprocess.run(["sh", script, tmp_path], text=True, capture_output=True)

    assert "name the folder with the firmware" in without.stderr
    assert (wrong.returncode, wrong.stderr) == (1, f"flash: {tmp_path}: has no wire.py; name Torn's folder firmware\n")


def test_a_broken_board_gets_another_password(fleet: Fleet, keys: Keys) -> None:
    after, done = renewed(revoked(keys, BUTTON, NOW), fleet, NOW)

    assert after[f"{BUTTON}.password"] != keys[f"{BUTTON}.password"]
    assert done == [f"{BUTTON}: a password is made"]
