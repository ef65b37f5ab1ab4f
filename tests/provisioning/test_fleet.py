"""Mistakes in the fleet's files are named with their place, and nothing is made."""

from pathlib import Path

import pytest

from provisioning.__main__ import main
from provisioning.fleet import FleetError, read_fleet
from tests.parts import OFFICES, ROOT, ROUND_THE_CLOCK
from tests.provisioning.fleets import FLEET, described


def changed(folder: Path, old: str, new: str) -> Path:
    """The sample offices with one change, and a fleet of them."""
    text = ROUND_THE_CLOCK.read_text("utf-8")
    assert old in text
    (folder / "offices.toml").write_text(text.replace(old, new, 1), "utf-8")
    return described(folder, offices=folder / "offices.toml")


def test_a_device_is_what_both_files_say_of_it(tmp_path: Path) -> None:
    fleet = read_fleet(described(tmp_path))

    dispenser, sign = fleet.device("montroig-dispenser-1"), fleet.device("miamiplatja-board-1")
    assert (dispenser.office.id, dispenser.kind, dispenser.has_certificate) == ("mont-roig", "dispenser", True)
    assert (sign.office.id, sign.kind, sign.has_certificate) == ("miami-platja", "board", False)
    assert fleet.wifi_password == "correct horse battery"


def test_the_sample_fleet_can_be_used_as_it_is() -> None:
    fleet = read_fleet(ROOT / "provisioning" / "fleet.sample.toml")

    assert fleet.offices_text == OFFICES.read_bytes()
    assert fleet.device("montroig-dispenser-1").machine.address == "192.168.10.21/24"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[device.nobody]\n", "device nobody: {offices} has no such device"),
        ("[device.montroig-desk-1]\nadress = 1\n", "device montroig-desk-1 adress: there is no such setting"),
        ('[device.montroig-desk-1]\naddress = "192.168.1.9"\n', "address: must have its network's size"),
        ('[device.montroig-desk-1]\naddress = "192.168.1.900/24"\n', "montroig-desk-1 address: "),
        (
            '[device.montroig-desk-1]\naddress = "10.0.0.9/24"\n[device.montroig-desk-2]\naddress = "10.0.0.9/24"\n',
            "address 10.0.0.9: is given twice",
        ),
        (
            '[device.miamiplatja-dispenser-1]\nhardware = "microcontroller"\n',
            "device miamiplatja-dispenser-1: a dispenser needs a Raspberry Pi",
        ),
        ("[device.miamiplatja-dispenser-1]\nread_only = true\n", "the journal needs a disk of its own"),
        ('[device.montroig-desk-1]\nsettings = { device = "x" }\n', "are made by provisioning; leave them out"),
        ("[device.montroig-desk-1]\nsettings = { a = 2026-01-01 }\n", "settings: a: cannot be a date or a time"),
        ('[raspberry]\nuser = "Root!"\n', "raspberry user: "),
        ('[hub.oidc]\nissuer = "http://idp.example.cat"\nclient = "torn"\n', "hub oidc issuer: "),
        ('[hub.oidc]\nissuer = "https://idp.example.cat"\nclient = "torn"\n', "add the provider's network to reaches"),
        (
            '[hub.oidc]\nissuer = "http://localhost:1"\nclient = "torn"\nroles = { x = "clerk@nowhere" }\n',
            "hub oidc: roles: x = clerk@nowhere: must be clerk, operator, manager, admin, or one of them and @OFFICE",
        ),
        ("[", "fleet.toml: "),
    ],
)
def test_a_mistake_in_the_fleets_file_is_named_with_its_place(tmp_path: Path, more: str, said: str) -> None:
    path = described(tmp_path, FLEET + "\n" + more)

    with pytest.raises(FleetError) as fault:
        read_fleet(path)

    assert str(path) in str(fault.value)
    assert said.format(offices=ROUND_THE_CLOCK) in str(fault.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "montroig-desk-2"', 'id = "montroig-desk-1"', "device montroig-desk-1: is there twice"),
        ('id = "montroig-desk-2"', 'id = "hub"', "device hub: this name is taken by the fleet itself"),
        ('id = "montroig-desk-2"', 'id = "Desk 2"', "device Desk 2 id: must be 1 to 64 of a-z, 0-9 and -"),
        ('kind = "board"', 'kind = "boar"', "office mont-roig device montroig-board-1 kind: "),
        ('desk = "4"', 'desk = "9"', "office mont-roig, device montroig-desk-4: there is no desk 9"),
        (
            'id = "montroig-board-1"\n  kind = "board"',
            'id = "montroig-dispenser-2"\n  kind = "dispenser"',
            "montroig-dispenser-1 and montroig-dispenser-2 both begin at first_number 1",
        ),
        ("first_number = 1\n", "first_number = 900\n", "first_number 900 must be 1 to 899"),
    ],
)
def test_a_mistake_in_the_offices_file_is_named_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = changed(tmp_path, old, new)

    with pytest.raises(FleetError) as fault:
        read_fleet(path)

    assert f"{tmp_path / 'offices.toml'}: " in str(fault.value)
    assert said in str(fault.value)


def test_a_wireless_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = described(tmp_path)
    (tmp_path / "wifi.password").chmod(0o644)

    with pytest.raises(FleetError, match="others may read the wireless network's password; chmod 600"):
        read_fleet(path)


def test_a_clients_secret_that_is_missing_or_that_others_can_read_is_refused(tmp_path: Path) -> None:
    oidc = '[hub.oidc]\nissuer = "http://localhost:1"\nclient = "torn"\nsecret_file = "oidc.secret"\n'
    path = described(tmp_path, f"{FLEET}\n{oidc}")

    with pytest.raises(FleetError, match=r"oidc\.secret: cannot be read: No such file"):
        read_fleet(path)
    (tmp_path / "oidc.secret").write_text("secret")
    (tmp_path / "oidc.secret").chmod(0o644)
    with pytest.raises(FleetError, match="others may read the client's secret; chmod 600"):
        read_fleet(path)


def test_with_a_mistake_nothing_is_made_and_the_command_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = described(tmp_path, FLEET + "\n[device.nobody]\n")

    status = main(["make", "--fleet", str(path), "--out", str(tmp_path / "out")])

    assert status == 2
    assert capsys.readouterr().err.startswith(f"provisioning: {path}: device nobody")
    assert not (tmp_path / "out").exists()
