"""A Raspberry Pi's card: judged by cloud-init itself, and by the agents' own reader of settings."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from devices.settings import read
from provisioning import cards
from provisioning.__main__ import main
from provisioning.boot import PARTS, CardError, program, write_card
from provisioning.fleet import Fleet, read_fleet
from provisioning.keys import Keys, renewed
from tests.parts import ROOT
from tests.parts import program as installed
from tests.provisioning.fleets import FLEET, NOW, blank_card, described

MANY = """
[raspberry]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3 technician@town-hall"]

[device.montroig-desk-1]
address = "192.168.10.31/24"

[device.montroig-desk-2]
wifi = true

[device.montroig-board-1]
read_only = true

[device.miamiplatja-dispenser-1]
read_only = true
data = "LABEL=torn-data"
settings = { printer = "network:192.168.10.9", buttons = { language = 20, services = { "padro" = 5 } }, voice = true }
"""


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A fleet with every kind of card."""
    network = 'gateway = "192.168.10.1"\nname_servers = ["192.168.10.1"]\ntime_servers = ["hora.roa.es"]\nwifi'
    return read_fleet(described(tmp_path_factory.mktemp("varied"), FLEET.replace("wifi", network, 1) + MANY))


@pytest.fixture(scope="module")
def seeds(varied: Fleet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each card's seed, by device, in a folder."""
    folder, (keys, _) = tmp_path_factory.mktemp("seeds"), renewed({}, varied, NOW)
    found = {}
    for device in varied.devices:
        if device.has_certificate:
            found[device.id] = folder / device.id
            found[device.id].mkdir()
            for name, body in cards.seed(varied, device, keys).items():
                (found[device.id] / name).write_bytes(body)
    return found


def user_data(seed: Path) -> dict:
    return yaml.safe_load((seed / "user-data").read_text("utf-8"))


def files_of(seed: Path) -> dict[str, dict]:
    return {file["path"]: file for file in user_data(seed)["write_files"]}


def test_cloud_inits_own_schema_takes_every_card(seeds: dict[str, Path]) -> None:
    for seed in seeds.values():
        command = [installed("cloud-init"), "schema", "--config-file", str(seed / "user-data")]
        done = subprocess.run(command, capture_output=True, text=True)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "Valid cloud-config" in done.stdout


@pytest.mark.parametrize("device", ["montroig-desk-1", "montroig-desk-2", "montroig-desk-3"])
def test_cloud_init_reads_every_network(seeds: dict[str, Path], device: str, tmp_path: Path) -> None:
    where = ["-p", str(seeds[device] / "network-config"), "-k", "yaml", "-d", str(tmp_path)]
    command = [installed("cloud-init"), "devel", "net-convert", *where, "-D", "debian", "-O", "netplan"]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (tmp_path / "etc/netplan").iterdir()
    assert yaml.safe_load(written.read_text())["network"] == json.loads((seeds[device] / "network-config").read_text())


def test_a_fixed_address_has_its_gateway_and_name_servers(seeds: dict[str, Path]) -> None:
    wired = json.loads((seeds["montroig-desk-1"] / "network-config").read_text())["ethernets"]["eth0"]

    assert wired["addresses"] == ["192.168.10.31/24"]
    assert wired["routes"] == [{"to": "default", "via": "192.168.10.1"}]
    assert wired["nameservers"] == {"addresses": ["192.168.10.1"]}


def test_a_wireless_machine_has_the_password_and_a_wired_one_has_not(seeds: dict[str, Path]) -> None:
    wireless, wired = (seeds[id] / "network-config" for id in ("montroig-desk-2", "montroig-desk-3"))

    assert json.loads(wireless.read_text())["wifis"]["wlan0"]["access-points"] == {
        "oficina": {"password": "correct horse battery"}
    }
    assert "correct horse" not in wired.read_text()


def test_the_agent_reads_its_settings_and_finds_the_broker(seeds: dict[str, Path], varied: Fleet, tmp_path) -> None:
    for id, seed in seeds.items():
        kind = varied.device(id).kind
        (tmp_path / "agent.toml").write_text(files_of(seed)[f"/etc/torn/{kind}.toml"]["content"], "utf-8")

        settings = read(kind, tmp_path / "agent.toml")

        assert settings.device == id
        assert (settings.broker.host, settings.broker.port) == ("localhost", 8883)
        assert settings.broker.key == "/etc/torn/device.key"
        assert settings.broker.password == ""
    miami = files_of(seeds["miamiplatja-dispenser-1"])["/etc/torn/dispenser.toml"]["content"]
    (tmp_path / "miami.toml").write_text(miami, "utf-8")
    settings = read("dispenser", tmp_path / "miami.toml")
    assert (settings.printer, settings.buttons.services) == ("network:192.168.10.9", {"padro": 5})


def test_secrets_are_for_the_agent_alone_and_leave_the_cards_open_part(seeds: dict[str, Path]) -> None:
    files = files_of(seeds["montroig-desk-1"])

    secret = [file for path, file in files.items() if path.endswith((".key", ".toml"))]
    assert {(file["owner"], file["permissions"]) for file in secret} == {("root:torn", "0640")}
    assert '> "$boot/user-data"' in files["/etc/torn/setup"]["content"]


def test_without_an_ssh_key_nobody_can_sign_in_and_with_one_by_the_key_alone(
    seeds: dict[str, Path], fleet: Fleet, keys: Keys
) -> None:
    with_key = user_data(seeds["montroig-desk-1"])
    without = cards.user_data(fleet, fleet.device("montroig-desk-1"), keys)

    assert [user["name"] for user in without["users"]] == ["torn"]
    assert [user["name"] for user in with_key["users"]] == ["technician", "torn"]
    assert with_key["users"][0]["lock_passwd"] is True
    assert with_key["ssh_pwauth"] is False


def test_a_read_only_machine_writes_its_journal_to_a_disk_of_its_own(seeds: dict[str, Path]) -> None:
    dispenser, board = (user_data(seeds[id]) for id in ("miamiplatja-dispenser-1", "montroig-board-1"))

    assert dispenser["mounts"] == [["LABEL=torn-data", "/var/lib/torn", "ext4", "defaults,noatime", "0", "2"]]
    assert dispenser["power_state"]["mode"] == board["power_state"]["mode"] == "reboot"
    assert "do_overlayfs 0" in files_of(seeds["montroig-board-1"])["/etc/torn/setup"]["content"]


def test_security_updates_come_by_themselves_at_night(seeds: dict[str, Path]) -> None:
    files = files_of(seeds["montroig-desk-1"])

    assert 'Unattended-Upgrade "1"' in files["/etc/apt/apt.conf.d/20auto-upgrades"]["content"]
    assert 'Automatic-Reboot-Time "03:30"' in files["/etc/apt/apt.conf.d/52torn"]["content"]
    assert "unattended-upgrades" in user_data(seeds["montroig-desk-1"])["packages"]


def test_the_setup_script_is_a_shells(seeds: dict[str, Path], tmp_path: Path) -> None:
    for seed in seeds.values():
        script = files_of(seed)["/etc/torn/setup"]["content"]

        assert subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True).returncode == 0


def test_a_new_certificate_makes_the_card_another_machine(fleet: Fleet, keys: Keys) -> None:
    device = fleet.device("montroig-desk-1")
    other, _ = renewed({}, fleet, NOW)

    assert cards.seed(fleet, device, keys)["meta-data"] == cards.seed(fleet, device, keys)["meta-data"]
    assert cards.seed(fleet, device, keys)["meta-data"] != cards.seed(fleet, device, other)["meta-data"]


# --- the card -------------------------------------------------------------------------------


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    words = ["--fleet", str(described(tmp_path)), "--out", str(tmp_path / "out")]
    assert main(["make", *words]) == 0
    return words


def test_a_card_has_the_seed_and_the_program_and_the_digest_of_it(words: list[str], tmp_path: Path) -> None:
    boot = blank_card(tmp_path / "boot")

    assert main(["card", "montroig-desk-1", *words, "--boot", str(boot)]) == 0

    seed = tmp_path / "out/cards/montroig-desk-1"
    assert all((boot / path.name).read_bytes() == path.read_bytes() for path in seed.iterdir())
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "torn.sha256"], cwd=boot)
    assert checked.returncode == 0
    with tarfile.open(boot / "torn.tar.gz") as tar:
        names = set(tar.getnames())
    assert {"devices/__main__.py", "firmware/wire.py", "pyproject.toml", "constraints.txt"} <= names
    assert {name.split("/")[0] for name in names} == set(PARTS)


def test_the_program_is_the_same_bytes_each_time() -> None:
    assert program(ROOT) == program(ROOT)


def test_a_folder_that_is_no_card_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="is no boot partition of a Raspberry Pi OS card"):
        write_card(tmp_path, {})

    assert list(tmp_path.iterdir()) == []


def test_a_card_that_runs_full_is_named_and_does_not_start_as_half_a_machine(tmp_path: Path, words) -> None:
    boot = blank_card(tmp_path / "boot")
    (boot / "user-data").write_text("#cloud-config\n{}")
    (boot / "meta-data").symlink_to("/dev/full")
    seed = {path.name: path.read_bytes() for path in (tmp_path / "out/cards/montroig-desk-1").iterdir()}

    with pytest.raises(CardError, match=r"the card is only half written \(No space left on device\); write it again"):
        write_card(boot, seed)

    assert not (boot / "user-data").exists()


def test_a_microcontroller_has_no_card_and_an_unknown_device_is_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boot = str(blank_card(tmp_path / "boot"))

    assert main(["card", "miamiplatja-board-1", *words, "--boot", boot]) == 2
    assert "it is a microcontroller" in capsys.readouterr().err
    assert main(["card", "nobody", *words, "--boot", boot]) == 2
    assert "there is no device nobody; there are montroig-dispenser-1, " in capsys.readouterr().err


def test_a_wrong_folder_for_the_new_card_revokes_nothing(words: list[str], tmp_path: Path) -> None:
    before = (tmp_path / "out/keys/montroig-desk-1.pem").read_bytes()

    assert main(["replace", "montroig-desk-1", *words, "--boot", str(tmp_path)]) == 2

    assert (tmp_path / "out/keys/montroig-desk-1.pem").read_bytes() == before


def test_signs_that_cannot_be_written_are_said_in_a_sentence(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "signs").write_text("a file, no folder")
    capsys.readouterr()

    assert main(["signs", *words[:2], "--to", str(tmp_path / "signs")]) == 2

    assert capsys.readouterr().err == f"provisioning: {tmp_path}/signs/mont-roig: Not a directory\n"
