"""An office's own broker, on two real mosquittos with a line between them that is cut, or stands still."""

import os
import re
import shlex
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from devices.link import Link
from devices.settings import Broker
from firmware import wire
from provisioning import ProvisioningError, broker
from provisioning.cards import agent_settings
from provisioning.fleet import Fleet, read_fleet
from provisioning.folder import write
from provisioning.keys import LASTS, Authority, Keys, Wanted, renewed, revoked
from provisioning.made import files
from tests.parts import Hub, free_port, listens, program, wait_until
from tests.provisioning.fleets import (
    FLEET,
    NOW,
    Client,
    Machine,
    SecureMosquitto,
    context,
    described,
    run_provisioning,
    secure_hub,
    unpacked,
)

OFFICE, DISPENSER, DESK = "mont-roig", "montroig-dispenser-1", "montroig-desk-1"
OWN = FLEET.replace('host = "localhost"', 'host = "127.0.0.1"') + f'\n[broker.{OFFICE}]\nhost = "localhost"\n'
PRESSES = 14
Message = dict[str, Any]


class Line:
    """The line between office and town hall: bytes go both ways, until it is cut or stands still."""

    def __init__(self, far: int) -> None:
        self.far, self.whole, self.flows, self.shut_out = far, True, threading.Event(), 0
        self.flows.set()
        self._door = socket.create_server(("localhost", 0))
        self.port: int = self._door.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # the door is closed: that was all
            while True:
                near, _ = self._door.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        try:
            if not self.whole:
                raise OSError("cut")
            far = socket.create_connection(("localhost", self.far), 5)
        except OSError:
            near.close()
            self.shut_out += 1
            return
        far.settimeout(None)
        self._ends += [near, far]
        for start, end in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(start, end), daemon=True).start()

    def _carry(self, start: socket.socket, end: socket.socket) -> None:
        with suppress(OSError):
            while data := start.recv(65536):
                self.flows.wait()
                end.sendall(data)
        for each in (start, end):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Both ends see it, and no new connection is made."""
        self.whole = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """As before."""
        self.whole = True

    def close(self) -> None:
        """For good."""
        self.cut()
        self.flows.set()
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


class Tunnel:
    """stunnel by the words of its unit, with the files in `folder`, which systemd would hand to it."""

    def __init__(self, folder: Path, door: int) -> None:
        command = re.search(r"^ExecStart=(.*)$", broker.tunnel_unit(), re.MULTILINE)[1]
        given = {"PATH": os.environ["PATH"], "CREDENTIALS_DIRECTORY": str(folder)}
        program("stunnel")
        with (folder / "tunnel.log").open("ab") as log:
            self.running = subprocess.Popen(shlex.split(command), env=given, stdout=log, stderr=log)
        wait_until(lambda: listens(door), what="the tunnel")

    def kill(self) -> None:
        """At once."""
        self.running.kill()
        self.running.wait(5)


class OfficeMosquitto(SecureMosquitto):
    """Debian's mosquitto with the files that provisioning made for an office."""

    def __init__(self, folder: Path, fleet: Fleet, keys: Keys, upstream: int) -> None:
        self.fleet, self.upstream, self.tunnel_door = fleet, upstream, free_port()
        super().__init__(folder, fleet, keys)

    def give(self, fleet: Fleet, keys: Keys) -> None:
        """Puts the files of `brokers/OFFICE/etc` where they go; what systemd hands to the tunnel lies beside."""
        for path, body in files(fleet, keys).items():
            if path.startswith((f"brokers/{OFFICE}/etc/mosquitto/torn/", f"brokers/{OFFICE}/etc/torn/")):
                write(self.folder / "torn" / Path(path).name, body)

    def _configuration(self) -> str:
        two = (self.doors.folder, self.doors.certificates, self.doors.passwords)
        doors = broker.Doors(*two, tunnel=self.tunnel_door, upstream=self.upstream)
        made = broker.office_configuration(self.fleet, OFFICE, doors)
        write(self.folder / "torn" / "tunnel.conf", broker.tunnel(self.fleet, doors).encode())
        backdoor = f"listener {self.backdoor} 127.0.0.1\nallow_anonymous true\n"
        keeping = f"persistence true\npersistence_location {self.folder}/\n"
        return f"user root\n{keeping}{made.replace('# The hub', backdoor + '# The hub')}"

    def start(self) -> "OfficeMosquitto":
        """Mosquitto, which has no door for the hub, and the tunnel by the words of its unit."""
        self.doors = broker.Doors(self.doors.folder, self.doors.certificates, self.doors.passwords, self.backdoor)
        super().start()
        self.tunnel = Tunnel(self.folder / "torn", self.tunnel_door)
        return self

    def kill(self) -> None:
        """Both."""
        self.tunnel.kill()
        super().kill()


class Site:
    """Town hall and office: two brokers and the line between them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        fleet_file = described(folder, OWN)
        run_provisioning("make", "--fleet", str(fleet_file), "--out", str(self.out))
        self.fleet = read_fleet(fleet_file)
        self.keys = {path.name: path.read_bytes() for path in (self.out / "keys").iterdir()}
        self.hall = SecureMosquitto(folder / "hall", self.fleet, self.keys).start()
        self.line = Line(self.hall.doors.certificates)
        self.office = OfficeMosquitto(folder / "office", self.fleet, self.keys, self.line.port).start()
        self.witness = Client(self.hall.backdoor, None, "hall-witness").enter().hear("torn/v1/#")
        self.near = Client(self.office.backdoor, None, "office-witness").enter().hear("torn/v1/#")

    def stop(self) -> None:
        self.witness.leave()
        self.near.leave()
        self.office.kill()  # a mosquitto that is just calling the other one takes its time to end
        self.line.close()
        self.hall.stop()

    def passes(self) -> None:
        """Returns once what the hub's broker keeps is known in the office."""
        topic, word = wire.line_topic(OFFICE), f"{len(self.near.heard)}".encode()
        self.witness.say(topic, word, retain=True)
        wait_until(lambda: (topic, word) in self.near.heard, 30, "what is said in the hall to be heard in the office")


class DeskLink:
    """A desk's link, as its agent has it; presses go out whatever it knows of the hub."""

    def __init__(self, site: Site) -> None:
        folder = site.folder / DESK
        proof = {"ca": "ca.pem", "certificate": f"{DESK}.pem", "key": f"{DESK}.key"}
        for name in proof.values():
            write(folder / name, site.keys[name])
        where = {"host": "localhost", "port": site.office.doors.certificates}
        self.link = Link(DESK, "desk", Broker(**where, **{key: str(folder / name) for key, name in proof.items()}))
        self.answers: dict[str, Message] = {}
        self.documents: dict[str, Message] = {}
        self.link.on(wire.device_topic(DESK, "answer"), "answer", self._answered)
        for desk in ("1", "2"):
            self.link.on(wire.desk_topic(OFFICE, desk), "desk", self._told(desk))
        self.link.start()

    def _answered(self, answer: Message, _retained: bool) -> None:
        self.answers[answer["id"]] = answer

    def _told(self, desk: str) -> Callable[[Message, bool], None]:
        return lambda document, _retained: self.documents.update({desk: document})

    def press(self, id: str, what: str = "next") -> None:
        """One press of what the sign shows."""
        now = wire.stamp(self.link.hub_now())
        press = {"id": id, "press": what, "version": self.documents["1"]["version"], "now": now}
        assert self.link.publish(wire.device_topic(DESK, "press"), "press", press)

    def pressed(self, id: str, what: str = "next") -> Message:
        """One press and its answer."""
        wait_until(self.link.hub_here, 30, "the hub's beat")
        self.press(id, what)
        return wait_until(lambda: self.answers.get(id), 20, f"the answer to {id}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def hub(site: Site) -> Iterator[Hub]:
    running = secure_hub(site.folder, site.hall, site.keys).start()
    yield running
    running.stop()


@pytest.fixture
def desk(site: Site, hub: Hub) -> Iterator[DeskLink]:
    made = DeskLink(site)
    wait_until(lambda: made.link.hub_here() and set(made.documents) == {"1", "2"}, 30, "the desk's documents")
    yield made
    made.link.stop()


def stored(hub: Hub, papers: list[tuple[str, str]]) -> int:
    """How many of these tickets the hub knows."""
    answers = [requests.get(hub.url(f"/api/v1/tickets/{token}"), timeout=5) for _, token in papers]
    return sum(answer.status_code == 200 for answer in answers)


@pytest.mark.timeout(180)
def test_while_the_line_is_cut_nothing_is_lost_nothing_comes_late_and_nothing_counts_twice(
    site: Site, hub: Hub, desk: DeskLink
) -> None:
    header = {"Authorization": f"Bearer {hub.token('clerk')}"}
    settings = unpacked(site.out / "cards" / DISPENSER, site.folder / "card", site.office.doors.certificates)
    dispenser = Machine(settings, PRESSES).start()
    try:
        wait_until(lambda: stored(hub, dispenser.papers) > 2, 60, "the first tickets at the hub")
        first = desk.pressed("before")

        site.line.cut()
        wait_until(lambda: not desk.link.hub_here(), 20, "that the desk has no connection to the hub")
        desk.press("lost")
        other = requests.post(hub.url(f"/api/v1/offices/{OFFICE}/desks/2/next"), headers=header, timeout=10).json()
        wait_until(lambda: "all pressed" in dispenser.lines, 90, "the dispenser's last ticket")
        known = stored(hub, dispenser.papers)
        assert desk.link.connected
        site.line.mend()

        wait_until(lambda: stored(hub, dispenser.papers) == PRESSES, 60, "every ticket at the hub")
        wait_until(lambda: desk.documents["2"]["label"] == other["label"], 20, "what was called meanwhile")
        last = desk.pressed("after")
    finally:
        dispenser.stop()

    assert known < PRESSES  # they stood in the journal
    assert first["ok"] and last["ok"]
    presses = [wire.decode("press", body)["id"] for topic, body in site.witness.heard if topic.endswith("/press")]
    assert presses == ["before", "after"]  # and "lost" never came
    waiting = requests.get(hub.url(f"/api/v1/offices/{OFFICE}/line"), timeout=10).json()["waiting"]
    assert waiting == PRESSES - 3
    assert len({label for label, _ in dispenser.papers}) == PRESSES


@pytest.mark.timeout(180)
def test_a_press_into_a_line_that_stands_still_has_no_effect_when_it_moves_again(
    site: Site, hub: Hub, desk: DeskLink
) -> None:
    header = {"Authorization": f"Bearer {hub.token('clerk')}"}
    for _ in range(3):
        tickets = hub.url(f"/api/v1/offices/{OFFICE}/tickets")
        requests.post(tickets, json={"service": "padro"}, headers=header, timeout=10).raise_for_status()
    called = desk.pressed("before")
    wait_until(lambda: desk.documents["1"]["label"] == called["label"], 20, "the sign")

    site.line.flows.clear()
    desk.press("held")
    old = time.monotonic() + 5  # seconds: the hub obeys no press that is older
    wait_until(lambda: not desk.link.hub_here(), 20, "that the desk has no connection to the hub")
    wait_until(lambda: time.monotonic() > old, 20, "the press to be too old")
    site.line.flows.set()
    after = desk.pressed("after", "recall")

    assert after["label"] == called["label"]
    assert not desk.answers.get("held", {}).get("ok")


@pytest.mark.timeout(180)
def test_a_door_that_opens_and_shuts_at_once_costs_the_office_its_line_and_nothing_else(site: Site) -> None:
    desk = Client(site.office.doors.certificates, context(site.folder / "d", site.keys, DESK), DESK).enter()
    heard = [(wire.device_topic(DESK, "state"), f"{shut_out}".encode()) for shut_out in range(1, 5)]
    site.passes()

    site.line.cut()
    for shut_out, word in enumerate(heard, 1):
        wait_until(lambda least=shut_out: site.line.shut_out >= least, 40, "the office's knocking at the hall")
        desk.say(*word, retain=True)
        wait_until(lambda word=word: word in site.near.heard, what="a word within the office")
    site.line.mend()

    site.passes()
    desk.leave()


def test_a_beat_that_the_hubs_broker_kept_is_not_passed_on_as_live(site: Site) -> None:
    old = wire.encode("hub", {"state": "ready", "now": "2026-11-24T10:00:00.000Z", "beat": 1})
    site.passes()
    site.line.cut()
    site.witness.say(wire.HUB_TOPIC, old, retain=True)
    site.line.mend()

    site.passes()
    before = [body for topic, body in site.near.heard if topic == wire.HUB_TOPIC]
    site.witness.say(wire.BEAT_TOPIC, b"live")
    wait_until(lambda: (wire.HUB_TOPIC, b"live") in site.near.heard, what="a live beat")
    late = Client(site.office.backdoor, None, "late").enter().hear("torn/v1/#")
    site.witness.say(wire.line_topic(OFFICE), b"last", retain=True)
    wait_until(lambda: (wire.line_topic(OFFICE), b"last") in late.heard, 30, "the last word")

    assert before == []
    assert wire.HUB_TOPIC not in {topic for topic, _ in late.heard}  # who comes later waits for the next one
    late.leave()


def test_a_devices_state_is_known_in_the_hall_when_the_line_comes_back(site: Site) -> None:
    topic = wire.device_topic(DESK, "state")
    desk = Client(site.office.doors.certificates, context(site.folder / "d", site.keys, DESK), DESK).enter()
    site.passes()
    site.line.cut()
    desk.say(topic, b"changed meanwhile", retain=True)

    site.line.mend()

    wait_until(lambda: (topic, b"changed meanwhile") in site.witness.heard, 30, "its state in the hall")
    desk.leave()


def test_an_offices_broker_speaks_and_hears_at_the_hubs_for_its_own_devices_alone(site: Site) -> None:
    site.office.kill()
    client = Client(site.hall.doors.certificates, context(site.folder / "b", site.keys, f"bridge-{OFFICE}"), "x")
    client.enter().hear("#")
    own = (wire.device_topic(DISPENSER, "fact"), wire.device_topic(DESK, "press"), wire.device_topic(DESK, "state"))
    others = (wire.device_topic("miamiplatja-desk-1", "press"), wire.HUB_TOPIC, wire.line_topic(OFFICE))

    for topic in (*others, *own, wire.device_topic(DESK, "answer")):
        client.say(topic, b"said")
    wait_until(lambda: (own[-1], b"said") in site.witness.heard, what="its last word")
    site.witness.say(wire.line_topic("miami-platja"), b"told")
    site.witness.say(wire.device_topic("miamiplatja-desk-1", "config"), b"told")
    site.witness.say(wire.device_topic(DESK, "answer"), b"told")
    wait_until(lambda: client.heard, what="what it may hear")

    assert {topic for topic, body in site.witness.heard if body == b"said"} == set(own)
    assert client.heard == [(wire.device_topic(DESK, "answer"), b"told")]
    client.leave()


def shown(what: str, fleet: Fleet, keys: Keys) -> tuple[Keys, Keys]:
    """What somebody at the far end shows, and the keys from which the office was made."""
    authority = Authority.of(keys)
    if what == "another authority's":
        return renewed({}, fleet, NOW)[0], keys
    if what == "revoked":
        return keys, renewed(revoked(keys, "broker", NOW), fleet, NOW)[0]
    if what == "ended":
        return authority.issue(Wanted("broker", ("127.0.0.1",)), NOW - LASTS - timedelta(days=1)), keys
    if what == "another host's":
        return authority.issue(Wanted("broker", ("elsewhere.example.lan",)), NOW), keys
    return keys, keys


@pytest.mark.parametrize("what", ["another authority's", "another host's", "ended", "revoked", "the hub's"])
def test_an_offices_line_speaks_to_nobody_but_the_hubs_broker(tmp_path: Path, what: str) -> None:
    fleet = read_fleet(described(tmp_path, OWN))
    far, mine = shown(what, fleet, renewed({}, fleet, NOW)[0])
    for end in ("pem", "key"):
        write(tmp_path / f"far.{end}", far[f"broker.{end}"])
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "far.pem", tmp_path / "far.key")

    def answer(door: socket.socket) -> None:
        with suppress(OSError):  # the door is closed: that was all
            while True:
                raw, _ = door.accept()
                with raw, suppress(OSError), theirs.wrap_socket(raw, server_side=True) as end:
                    end.sendall(b"heard: " + end.recv(100))

    folder, mouth = tmp_path / "office", free_port()
    for name, body in broker.office_tree(fleet, OFFICE, mine).items():
        write(folder / Path(name).name, body)
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=answer, args=(door,), daemon=True).start()
        doors = broker.Doors(tunnel=mouth, upstream=door.getsockname()[1])
        write(folder / "tunnel.conf", broker.tunnel(fleet, doors).encode())
        running, answered = Tunnel(folder, mouth), b""
        try:
            with socket.create_connection(("127.0.0.1", mouth), 20) as near, suppress(ConnectionResetError):
                near.sendall(b"a press")
                answered = near.recv(100)
        finally:
            running.kill()
            door.shutdown(socket.SHUT_RDWR)

    assert answered == (b"heard: a press" if what == "the hub's" else b"")


def test_a_line_to_a_host_by_name_wants_that_name_in_the_certificate(tmp_path: Path) -> None:
    fleet = read_fleet(described(tmp_path, FLEET))

    assert "checkHost = localhost\n" in broker.tunnel(fleet)
    assert "connect = localhost:8883\n" in broker.tunnel(fleet)


def test_the_devices_of_an_office_with_a_broker_are_led_to_it_and_kept_out_of_the_hubs(tmp_path: Path) -> None:
    fleet = read_fleet(described(tmp_path, OWN))
    keys, _ = renewed({}, fleet, NOW)

    assert 'host = "localhost", port = 8883' in agent_settings(fleet, fleet.device(DISPENSER))
    assert 'host = "127.0.0.1", port = 8883' in agent_settings(fleet, fleet.device("miamiplatja-dispenser-1"))
    assert f"user {DISPENSER}\n" not in broker.rights(fleet)
    made = files(fleet, keys)
    assert f"user {DISPENSER}\n" in made[f"brokers/{OFFICE}/etc/mosquitto/torn/rights"].decode()
    assert b"user hub\n" not in made[f"brokers/{OFFICE}/etc/mosquitto/torn/rights"]
    script = made[f"brokers/{OFFICE}/install"]
    assert subprocess.run(["sh", "-n"], input=script, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[broker.nowhere]\nhost = "a"', "broker nowhere: {offices} has no such office"),
        ('[broker.mont-roig]\nhost = "localhost"', "host localhost: is given twice; hub and brokers are machines of"),
        ("[broker.mont-roig]\n", "broker mont-roig host: Field required"),
    ],
)
def test_a_mistake_about_an_offices_broker_is_named_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    path = described(tmp_path, f"{FLEET}\n{text}\n")

    with pytest.raises(ProvisioningError) as said:
        read_fleet(path)

    offices = path.read_text().split('"')[1]
    assert fault.replace("{offices}", offices) in str(said.value)
