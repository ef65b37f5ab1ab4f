"""The doctor names what is wrong in a sentence with what to do, and finds nothing where all is well."""

import shutil
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from firmware import wire
from provisioning.__main__ import main
from provisioning.doctor import Fault, Heard, folder_faults, installed_faults, listened, live_faults
from provisioning.fleet import Fleet, read_fleet
from provisioning.folder import read
from provisioning.keys import AUTHORITY_LASTS, LASTS, RENEWED_BEFORE
from tests.parts import free_port
from tests.provisioning.fleets import FLEET, NOW, Client, SecureMosquitto, described

ME = "montroig-dispenser-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert main(["make", "--fleet", str(described(folder)), "--out", str(folder / "out")]) == 0
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy of the folder that may be spoilt."""
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


def said(faults: Iterator[Fault]) -> str:
    return "\n".join(map(str, faults))


# --- the folder -----------------------------------------------------------------------------


def test_nothing_is_wrong_with_a_folder_that_was_just_made(fleet: Fleet, out: Path) -> None:
    assert said(folder_faults(fleet, out, NOW)) == ""


def test_a_folder_that_is_not_there_is_said(fleet: Fleet, tmp_path: Path) -> None:
    assert said(folder_faults(fleet, tmp_path / "none", NOW)) == f"{tmp_path}/none is not there or empty. Run make."


def test_a_certificate_near_its_end_is_named_with_its_day(fleet: Fleet, out: Path) -> None:
    faults = said(folder_faults(fleet, out, NOW + LASTS - RENEWED_BEFORE + timedelta(days=2)))

    assert f"the certificate {ME} ends on {NOW + LASTS:%Y-%m-%d}. Run make, then write its card anew." in faults
    assert "the certificate broker ends on" in faults
    assert "certificate ca " not in faults


@pytest.mark.parametrize("own", ["broker", "bridge"])
def test_a_certificate_of_an_offices_own_broker_is_renewed_on_its_machine(tmp_path: Path, own: str) -> None:
    file, out = described(tmp_path, f'{FLEET}\n[broker.mont-roig]\nhost = "there.example.lan"\n'), tmp_path / "out"
    assert main(["make", "--fleet", str(file), "--out", str(out)]) == 0

    faults = said(folder_faults(read_fleet(file), out, NOW + LASTS - RENEWED_BEFORE + timedelta(days=2)))

    where = "Run make, then brokers/mont-roig/install on the machine of that office's broker."
    assert f"the certificate {own}-mont-roig ends on {NOW + LASTS:%Y-%m-%d}. {where}" in faults


def test_with_a_clock_that_is_years_ahead_all_has_ended(fleet: Fleet, out: Path) -> None:
    faults = said(folder_faults(fleet, out, NOW + AUTHORITY_LASTS + timedelta(days=1)))

    assert f"the certificate ca ended on {NOW + AUTHORITY_LASTS:%Y-%m-%d}. Begin a new authority" in faults


def test_a_file_that_others_may_read_is_named(fleet: Fleet, out: Path) -> None:
    (out / "keys/ca.key").chmod(0o644)

    assert f"others may look into {out}/keys/ca.key. chmod -R go= {out}" in said(folder_faults(fleet, out, NOW))


def test_a_file_that_was_changed_by_hand_or_deleted_is_named(fleet: Fleet, out: Path) -> None:
    (out / "hub/etc/mosquitto/torn/rights").write_text("")
    (out / f"cards/{ME}/user-data").unlink()

    faults = said(folder_faults(fleet, out, NOW))

    assert f"{out}/hub/etc/mosquitto/torn/rights was changed by hand, or is gone. Run make" in faults
    assert f"{out}/cards/{ME}/user-data was changed by hand, or is gone. Run make" in faults


def test_a_folder_older_than_the_fleets_file_is_said(out: Path, tmp_path: Path) -> None:
    grown = read_fleet(described(tmp_path / "grown", FLEET + '[device.montroig-desk-1]\naddress = "10.0.0.9/24"\n'))

    assert "is older than" in said(folder_faults(grown, out, NOW))


def test_an_authority_that_cannot_be_read_is_said_with_what_to_do(fleet: Fleet, out: Path) -> None:
    (out / "keys/ca.key").write_bytes(b"")

    assert "keys/ca.key: cannot be read; put it back from the backup" in said(folder_faults(fleet, out, NOW))


def test_a_clock_that_stands_years_back_is_said(fleet: Fleet, out: Path) -> None:
    faults = said(folder_faults(fleet, out, NOW - timedelta(days=800)))

    assert f"this machine's clock says {NOW - timedelta(days=800):%Y-%m-%d}, but keys were made on" in faults


# --- the hub's machine ----------------------------------------------------------------------


def test_the_hubs_machine_is_held_against_what_was_made(out: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(out / "hub", tmp_path / "root"))
    well = said(installed_faults(read(out), root))
    (root / "etc/mosquitto/torn/rights").write_text("user everybody\n")
    (root / "etc/torn/hub.key").chmod(0o644)
    (root / "etc/nginx/sites-available/torn").unlink()

    ill = said(installed_faults(read(out), root))

    assert well == ""
    assert f"{root}/etc/mosquitto/torn/rights is not as it was made: changed by hand, or older" in ill
    assert f"anybody may read {root}/etc/torn/hub.key. Run hub/install as root" in ill
    assert f"{root}/etc/nginx/sites-available/torn is not there. Run hub/install as root." in ill


# --- the fleet at work ----------------------------------------------------------------------


def state(**more: object) -> dict:
    return {"state": "ready", "boot": "a", "conn": 1, "software": "0.1.0", **more}


def at_work(fleet: Fleet) -> Heard:
    """A fleet where all is well."""
    beat = {"state": "ready", "now": wire.stamp(round(NOW.timestamp() * 1000)), "beat": 1}
    return Heard(None, b"the broker's", beat, NOW.timestamp(), {device.id: state() for device in fleet.devices})


def test_nothing_is_wrong_with_a_fleet_that_works(fleet: Fleet) -> None:
    assert said(live_faults(fleet, at_work(fleet), b"the broker's")) == ""


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (state(state="lost"), "has fallen silent. Look at power and network."),
        (state(state="degraded"), "does not work fully. Look at its parts: journalctl -u torn-dispenser there."),
        (state(paper="out"), ": paper is out. Put a new roll in."),
        (state(unsent=51), "has 51 facts that the hub has not stored. Look at the hub's log."),
        (state(software="0.0.9"), "the devices run different versions: 0.0.9, 0.1.0."),
    ],
)
def test_a_device_that_is_not_well_is_named_with_its_office(fleet: Fleet, document: dict, sentence: str) -> None:
    heard = at_work(fleet)
    heard.states[ME] = document

    faults = said(live_faults(fleet, heard, b"the broker's"))

    assert sentence in faults
    assert ME in faults or "versions" in sentence


def test_a_device_that_was_never_heard_and_a_stranger_are_named(fleet: Fleet) -> None:
    heard = at_work(fleet)
    heard.states["stranger"] = heard.states.pop(ME)

    faults = said(live_faults(fleet, heard, b"the broker's"))

    assert f"{ME} (OMAC Mont-roig del Camp) has never been heard. Look at power and network" in faults
    assert "stranger speaks, but is not in the fleet." in faults


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3600, "is 1:00:00 behind this machine's"), (-86400 * 800, "is 800 days, 0:00:00 ahead of this machine's")],
)
def test_clocks_that_differ_are_said_with_by_how_much(fleet: Fleet, seconds: int, words: str) -> None:
    heard = at_work(fleet)
    heard.beat_at += seconds

    assert f"the hub's clock {words}. timedatectl" in said(live_faults(fleet, heard, b"the broker's"))


def test_a_hub_that_is_not_there_is_said(fleet: Fleet) -> None:
    heard = at_work(fleet)
    heard.beat = None

    assert "the hub has not been heard for 6 s. On its machine: journalctl -u torn-hub." in said(
        live_faults(fleet, heard, b"the broker's")
    )


def test_a_broker_with_an_older_certificate_is_said(fleet: Fleet) -> None:
    assert "the broker shows another certificate than was made last" in said(live_faults(fleet, at_work(fleet), b"new"))


def test_no_broker_no_name_and_another_fleets_broker_are_told_apart(
    made: Path, fleet: Fleet, door: SecureMosquitto
) -> None:
    nowhere = Fleet(**{**fleet.__dict__, "hub": fleet.hub.model_copy(update={"host": "nowhere.invalid"})})

    refused = [
        listened(fleet, made / "out/keys", free_port()).refused,
        listened(nowhere, made / "out/keys").refused,
        listened(fleet, made / "out/keys", door.doors.certificates).refused,  # another authority's
        listened(fleet, made / "out/keys", door.backdoor).refused,  # without TLS
    ]

    assert [str(each).split(". ")[0] for each in refused[1:3]] == [
        "nobody knows the name nowhere.invalid",
        f"the broker's certificate at localhost:{door.doors.certificates} is not from this fleet's authority",
    ]
    assert "no broker listens at localhost:" in str(refused[0])
    assert f"the broker at localhost:{door.backdoor} does not" in str(refused[3])


def test_at_the_real_broker_the_doctor_hears_every_device_and_the_hub(made: Path, tmp_path: Path) -> None:
    fleet, out = read_fleet(made / "fleet.toml"), made / "out"
    keys = {path.removeprefix("keys/"): body for path, body in read(out).items() if path.startswith("keys/")}
    broker = SecureMosquitto(tmp_path / "m", fleet, keys).start()
    hub = Client(broker.backdoor, None, "hub-for-the-doctor").enter()
    try:
        for device in fleet.devices:
            hub.say(wire.device_topic(device.id, "state"), wire.encode("state", state()), retain=True)
        beat = {"state": "ready", "now": wire.stamp(round(NOW.timestamp() * 1000)), "beat": 1}
        hub.beat(wire.HUB_TOPIC, wire.encode("hub", beat))

        heard = listened(fleet, out / "keys", broker.doors.certificates, NOW.timestamp)

        made_last = ssl.PEM_cert_to_DER_cert(keys["broker.pem"].decode())
        assert said(live_faults(fleet, heard, made_last)) == ""
    finally:
        hub.leave()
        broker.stop()


def test_the_command_ends_with_1_and_says_what_is_wrong(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--fleet", str(made / "fleet.toml"), "--out", str(made / "out")]

    well = main(["doctor", "--offline", *words]), capsys.readouterr().out
    ill = main(["doctor", "--port", str(free_port()), *words]), capsys.readouterr().out

    assert well == (0, "all is well\n")
    assert ill[0] == 1
    assert "no broker listens at localhost:" in ill[1]
