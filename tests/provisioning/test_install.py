"""The written steps, on a fresh Debian 12 and on two hosts: the hub is installed, and a dispenser elsewhere joins."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.__main__ import main
from tests.parts import ROOT, ROUND_THE_CLOCK, Process, wait_until
from tests.provisioning.fleets import Machine, described, unpacked
from tests.provisioning.hosts import HUB, OFFICE, FreshDebian, Host, on, run

DEVICE = "montroig-dispenser-1"
FLEET = f"""
offices = "{ROUND_THE_CLOCK}"

[hub]
host = "{HUB}"

[device.{DEVICE}]
settings = {{ fakes = true, voice = false, screen = "fake", printer = "fake" }}
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1500)]


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[FreshDebian]:
    system = FreshDebian(tmp_path / "debian")
    yield system
    system.close()


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    both = Host("hub", HUB), Host("office", OFFICE)
    both[0].plug_into(both[1])
    yield both
    for host in both:
        host.close()


@pytest.fixture
def small_debian(tmp_path: Path) -> Iterator[FreshDebian]:
    system = FreshDebian(tmp_path / "small" / "debian")
    yield system
    system.close()


def install(words: list[str], debian: FreshDebian, *source: object, part: str = "hub") -> str:
    """`hub/install`, or another part's, onto the fresh system."""
    script = Path(words[3]) / part / "install"
    return run(*debian.within, "sh", script, *source, env={**os.environ, "TORN_ROOT": str(debian.root)})


def asked(host: Host, ca: Path, path: str) -> int:
    """The answer's status to a phone in the office."""
    words = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", ca)
    return int(run(*host.within, *words, f"https://{HUB}{path}"))


def known_at_the_hub(dispenser: Machine, office: Host, ca: Path) -> None:
    """Returns once a phone in the office finds every ticket."""
    for _, token in dispenser.papers:
        path = f"/api/v1/tickets/{token}"
        wait_until(lambda path=path: asked(office, ca, path) == 200, 30, "the hub's knowing")


def test_the_hub_is_installed_by_the_written_steps_and_a_dispenser_elsewhere_joins_it(
    tmp_path: Path, debian: FreshDebian, hosts: tuple[Host, Host]
) -> None:
    hub, office = hosts
    out = tmp_path / "out"
    words = ["--fleet", str(described(tmp_path, FLEET)), "--out", str(out)]
    assert main(["make", *words]) == 0

    first = install(words, debian, ROOT)
    again = install(words, debian)
    debian.start_services(hub)
    settings = unpacked(out / "cards" / DEVICE, tmp_path / "card")
    dispenser = on(office, Machine(settings, 5)).start("all pressed", 90)

    try:
        assert "install: packages: mosquitto nginx python3-venv" in first
        assert again == "install: nothing has changed\n"
        assert debian.owners("etc/torn/hub.key", "etc/torn/https.key") == {("root", "root", "600")}
        assert debian.owners("etc/torn/hub.pem") == {("root", "torn", "640")}
        assert debian.owners("etc/mosquitto/torn/broker.key") == {("root", "mosquitto", "640")}
        assert len(run(*debian.within, "chroot", debian.root, "torn", "token", "--role", "clerk").strip()) > 40
        assert len(dispenser.papers) == 5
        ca = out / "keys/ca.pem"
        known_at_the_hub(dispenser, office, ca)
        assert asked(office, ca, "/metrics") == 403
        doctor = on(office, Process("-m", "provisioning", "doctor", *words, "--root", debian.root))
        said = subprocess.run(doctor.command, cwd=ROOT, text=True, capture_output=True).stdout.splitlines()
        assert said
        assert [line for line in said if "has never been heard" not in line] == []  # the machines that are not there
        assert not [line for line in said if line.startswith(DEVICE)]
        for port, opened in ((8883, True), (8884, True), (8885, False), (8080, False), (1883, False)):
            knock = f"import socket, sys; sys.exit(socket.socket().connect_ex(('{HUB}', {port})) != 0)"
            status = subprocess.run([*office.within, sys.executable, "-c", knock]).returncode
            assert (status == 0) == opened, port
    finally:
        dispenser.stop()


def test_an_offices_own_broker_is_installed_by_the_written_steps_and_its_dispenser_reaches_the_hub_through_it(
    tmp_path: Path, debian: FreshDebian, small_debian: FreshDebian, hosts: tuple[Host, Host]
) -> None:
    hub, office = hosts
    out = tmp_path / "out"
    fleet = described(tmp_path, f'{FLEET}\n[broker.mont-roig]\nhost = "{OFFICE}"\n')
    words = ["--fleet", str(fleet), "--out", str(out)]
    assert main(["make", *words]) == 0

    install(words, debian, ROOT)
    first = install(words, small_debian, part="brokers/mont-roig")
    again = install(words, small_debian, part="brokers/mont-roig")
    debian.start_services(hub)
    small_debian.start_mosquitto(office)
    small_debian.start_unit(office, "torn-tunnel", "nobody")
    settings = unpacked(out / "cards" / DEVICE, tmp_path / "card")
    dispenser = on(office, Machine(settings, 5)).start("all pressed", 90)

    try:
        assert "install: packages: mosquitto stunnel4\n" in first
        assert again == "install: nothing has changed\n"
        assert small_debian.owners("etc/mosquitto/torn/broker.key") == {("root", "mosquitto", "640")}
        assert small_debian.owners("etc/torn/bridge.key") == {("root", "root", "600")}
        assert f'host = "{OFFICE}"' in settings.read_text()
        assert len(dispenser.papers) == 5
        known_at_the_hub(dispenser, office, out / "keys/ca.pem")
    finally:
        dispenser.stop()
