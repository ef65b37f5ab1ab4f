"""A microcontroller's bundle."""

import json
import ssl
import subprocess

from provisioning.boards import bundle
from provisioning.broker import PASSWORDS
from provisioning.fleet import Fleet
from provisioning.keys import Keys, renewed, revoked
from tests.provisioning.fleets import BUTTON, NOW, SIGN


def test_the_settings_name_the_device_its_network_and_its_broker(fleet: Fleet, keys: Keys) -> None:
    settings = json.loads(bundle(fleet, fleet.device(SIGN), keys)["config.json"])

    assert (settings["device"], settings["kind"], settings["board"]) == (SIGN, "board", "pico-w")
    assert settings["wifi"] == {"ssid": "oficina", "password": "correct horse battery", "country": "ES"}
    password = keys[f"{SIGN}.password"].decode()
    assert settings["broker"] == {"host": "localhost", "port": PASSWORDS, "ca": "ca.der", "password": password}
    assert len(settings["update_key"]) == 64


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
