"""A fleet's provisioning, and how long a broken dispenser is missing."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.office import folder
from tests.bench.table import Row
from tests.parts import program
from tests.provisioning.fleets import House, Machine, blank_card, run_provisioning, unpacked

DEVICES = 100
DISPENSER = "montroig-dispenser-1"
OFFICE = """
[[office]]
id = "large"
name = "OMAC"
timezone = "Europe/Madrid"
hours = { mon = "09:00-14:00" }
service = [{ id = "padro", letter = "P", name = { ca = "Padró d'habitants" } }]
"""


def fleet() -> Iterator[Row]:
    """A hundred Raspberry Pis: keys, certificates, rights and cards, from nothing, and then one of them anew."""
    with folder() as place:
        words = _large(place)
        first = _seconds("make", *words)
        again = _seconds("make", *words)
        one = _seconds("replace", "desk-7", *words)
        peer = {f"{DEVICES} keys and certificates by openssl": _by_openssl(place)}
    yield Row(f"a fleet of {DEVICES} devices provisioned", {"": first}, "s", {"": 30}, peer)
    yield Row("and again, with nothing to do", {"": again}, "s", {"": 30}, peer)
    yield Row("and one of its devices replaced", {"": one}, "s", {"": 30}, peer)


def replaced() -> Iterator[Row]:
    """From the command to the first ticket of the new machine; the installation of packages is not in it."""
    with folder() as place:
        house = House(place)
        try:
            old = Machine(unpacked(house.out / "cards" / DISPENSER, place / "old", house.port), 1)
            usual = _until_paper(old)
            old.kill()
            begun = time.perf_counter()
            boot = blank_card(place / "boot")
            run_provisioning("replace", DISPENSER, *house.words, "--boot", str(boot))
            house.install()
            new = Machine(unpacked(boot, place / "new", house.port), 1)
            _until_paper(new)
            taken = time.perf_counter() - begun
            new.stop()
        finally:
            house.stop()
    beside = {"a dispenser's start until its first ticket": usual}
    yield Row("a broken dispenser replaced, command to first ticket", {"": taken}, "s", {"": 120}, beside)


def _large(place: Path) -> list[str]:
    """An office of a hundred desks, each with its buttons."""
    desks = "".join(f'[[office.desk]]\nid = "{n}"\nservices = ["*"]\n' for n in range(DEVICES))
    devices = "".join(f'[[office.device]]\nid = "desk-{n}"\nkind = "desk"\ndesk = "{n}"\n' for n in range(DEVICES))
    (place / "offices.toml").write_text(OFFICE + desks + devices, "utf-8")
    (place / "fleet.toml").write_text('[hub]\nhost = "torn-hub.example.lan"\n')
    return ["--fleet", str(place / "fleet.toml"), "--out", str(place / "out")]


def _seconds(*words: str) -> float:
    begun = time.perf_counter()
    run_provisioning(*words)
    return time.perf_counter() - begun


def _by_openssl(place: Path) -> float:
    """The same keys and certificates by the command line, one after the other."""
    openssl, ca = program("openssl"), ["-CA", f"{place}/out/keys/ca.pem", "-CAkey", f"{place}/out/keys/ca.key"]
    begun = time.perf_counter()
    for n in range(DEVICES):
        key, request = f"{place}/{n}.key", f"{place}/{n}.csr"
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request]
        subprocess.run([openssl, "req", "-new", *new, "-subj", f"/CN=desk-{n}"], check=True, capture_output=True)
        more = ["-days", "825", "-out", f"{place}/{n}.pem"]
        subprocess.run([openssl, "x509", "-req", "-in", request, *ca, *more], check=True, capture_output=True)
    return time.perf_counter() - begun


def _until_paper(machine: Machine) -> float:
    begun = time.perf_counter()
    machine.start("all pressed", 60)
    return time.perf_counter() - begun
