"""A fleet of the sample offices, its keys, and mosquitto with exactly the files that were made for it."""

import json
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from provisioning import broker
from provisioning.fleet import Fleet, read_fleet
from provisioning.folder import read, write
from provisioning.keys import Keys
from provisioning.made import MOSQUITTO, files, keys_in
from tests.parts import ROOT, ROUND_THE_CLOCK, Hub, Mosquitto, Process, free_port, listens, wait_until

NOW = datetime.now(UTC).replace(microsecond=0)

SIGN, BUTTON = "miamiplatja-board-1", "miamiplatja-desk-3"  # the microcontrollers among them
FLEET = """
offices = "{offices}"

[hub]
host = "localhost"

[network]
wifi = { name = "oficina", password_file = "wifi.password" }

[device.miamiplatja-board-1]
hardware = "microcontroller"

[device.miamiplatja-desk-3]
hardware = "microcontroller"

[device.montroig-dispenser-1]
settings = { fakes = true, voice = false, screen = "fake", printer = "fake" }
"""


def described(folder: Path, text: str = FLEET, offices: Path = ROUND_THE_CLOCK) -> Path:
    """A fleet.toml in this folder."""
    write(folder / "wifi.password", b"correct horse battery\n")
    write(folder / "fleet.toml", text.replace("{offices}", str(offices)).encode())
    return folder / "fleet.toml"


def sample(folder: Path) -> Fleet:
    """The fleet of the sample offices."""
    return read_fleet(described(folder))


class SecureMosquitto(Mosquitto):
    """Debian's mosquitto with the files that provisioning made, on free ports."""

    def __init__(self, folder: Path, fleet: Fleet, keys: Keys) -> None:
        self.doors = broker.Doors(str(folder / "torn"), free_port(), free_port(), free_port())
        super().__init__(folder, self.doors.certificates)
        self.backdoor = free_port()  # the tests' own: without rights, to see what really arrives
        self.give(fleet, keys)

    def give(self, fleet: Fleet, keys: Keys) -> None:
        """Puts the files of `hub/etc/mosquitto/torn` where they go."""
        for path, body in files(fleet, keys).items():
            if path.startswith(f"{MOSQUITTO}/torn/"):
                write(self.folder / "torn" / Path(path).name, body)

    def _configuration(self) -> str:
        keeping = f"persistence true\npersistence_location {self.folder}/\n"
        backdoor = f"listener {self.backdoor} 127.0.0.1\nallow_anonymous true\n"
        return f"user root\n{keeping}{broker.configuration(self.doors)}{backdoor}"

    def start(self) -> "SecureMosquitto":
        """Starts it and waits until every door is open."""
        super().start()
        doors = (self.doors.certificates, self.doors.passwords, self.doors.hub, self.backdoor)
        wait_until(lambda: all(map(listens, doors)), what="every door of the broker")
        return self


class Client:
    """Somebody at one of the broker's doors; what arrives is kept in `heard`."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | None, name: str = "", password: str = "", user: str = ""
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.refused, self._came, self._subscribed = "", threading.Event(), threading.Event()
        self._port, self.let_in, self._beating = port, False, threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        if tls:
            self._client.tls_set_context(tls)
        if password or user:
            self._client.username_pw_set(user or name, password or None)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = lambda *_: self._came.set()
        self._client.on_disconnect = lambda *_: self._came.set()
        self._client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))
        self._client.on_subscribe = lambda *_: self._subscribed.set()

    def _connected(self, _client: mqtt.Client, _data: object, _flags: object, reason: object, _p: object) -> None:
        self.let_in, self.refused = not reason.is_failure, str(reason)
        self._came.set()

    def enter(self) -> "Client":
        """Knocks; `let_in` says whether the door was opened."""
        try:
            self._client.connect("localhost", self._port, keepalive=30)
        except OSError as error:  # the handshake failed
            self.refused = str(error)
            return self
        self._client.loop_start()
        self._came.wait(10)
        return self

    def knock(self) -> bool:
        """Whether it is let in; it does not stay."""
        self.enter()
        self.leave()
        return self.let_in

    def will(self, topic: str, payload: bytes) -> None:
        """What the broker is to say when this client vanishes; before `enter`."""
        self._client.will_set(topic, payload, qos=1)

    def vanish(self) -> None:
        """Cuts the cable, without a word."""
        sock = self._client.socket()
        if sock:
            sock.close()
        self._client.loop_stop()

    @property
    def here(self) -> bool:
        """Whether it is still inside."""
        return self._client.is_connected()

    def hear(self, *topics: str) -> "Client":
        """Subscribes, and returns when the broker has answered (which it does to forbidden ones, too)."""
        self._subscribed.clear()
        self._client.subscribe([(topic, 1) for topic in topics])
        assert self._subscribed.wait(10)
        return self

    def say(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publishes, and returns when the broker has acknowledged (which it does to forbidden ones, too)."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def beat(self, topic: str, payload: bytes) -> None:
        """Says the same again and again until it leaves, as the hub beats."""
        self._beating = threading.Event()

        def work() -> None:
            while not self._beating.wait(0.1):
                self._client.publish(topic, payload, qos=1)

        threading.Thread(target=work, daemon=True).start()

    def leave(self) -> None:
        """Disconnects."""
        self._beating.set()
        self._client.disconnect()
        self._client.loop_stop()


def context(folder: Path, keys: Keys, certificate: str = "") -> ssl.SSLContext:
    """What a client needs to trust the broker, and to prove to be `certificate`."""
    write(folder / "ca.pem", keys["ca.pem"])
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if certificate:
        for ending in ("pem", "key"):
            write(folder / f"{certificate}.{ending}", keys[f"{certificate}.{ending}"])
        tls.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    return tls


def secure_hub(folder: Path, door: SecureMosquitto, keys: Keys) -> Hub:
    """The hub, by its certificate at its own door of the broker."""
    for name in ("ca.pem", "hub.pem", "hub.key"):
        write(folder / "etc" / name, keys[name])
    hub = Hub(folder / "hub", broker=f"mqtts://localhost:{door.doors.hub}")
    proof = {"--broker-ca": "ca.pem", "--broker-certificate": "hub.pem", "--broker-key": "hub.key"}
    hub.command += [word for option, name in proof.items() for word in (option, str(folder / "etc" / name))]
    return hub


def unpacked(card: Path, folder: Path, port: int = broker.CERTIFICATES) -> Path:
    """What a card's user-data puts into /etc/torn, put into `folder`; the agent's settings file.

    The journal goes there, too, and the broker's port may be another: nothing else is changed.
    """
    document = json.loads((card / "user-data").read_text().removeprefix("#cloud-config\n"))
    settings = folder
    for file in document["write_files"]:
        path = Path(file["path"])
        if path.parent == Path("/etc/torn"):
            body = file["content"].replace("/etc/torn", str(folder)).replace("/var/lib/torn", str(folder))
            write(folder / path.name, body.replace("8883", str(port)).encode())
            settings = folder / path.name if path.suffix == ".toml" else settings
    return settings


class Machine(Process):
    """A dispenser's agent on what its card has put onto it, and people who press so many times."""

    def __init__(self, settings: Path, presses: int) -> None:
        super().__init__("-m", "tests.e2e.dispensers", settings, presses, 1)

    @property
    def papers(self) -> list[tuple[str, str]]:
        """Label and token of each slip."""
        return [(line.split()[1], line.split()[2]) for line in self.lines if line.startswith("paper ")]


def blank_card(folder: Path) -> Path:
    """A fresh Raspberry Pi OS card's boot partition, as far as anybody looks."""
    for name in ("config.txt", "cmdline.txt"):
        write(folder / name, b"")
    return folder


def run_provisioning(*words: str) -> None:
    """`python -m provisioning …`; AssertionError with what it said if it does not end with 0."""
    command = [sys.executable, "-m", "provisioning", *words]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


class House:
    """A provisioned fleet with its broker and hub running."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.words = ["--fleet", str(described(folder)), "--out", str(self.out)]
        run_provisioning("make", *self.words)
        self.door = SecureMosquitto(folder / "mosquitto", read_fleet(folder / "fleet.toml"), self.keys).start()
        self.hub: Hub = secure_hub(folder, self.door, self.keys).start()

    @property
    def port(self) -> int:
        """The broker's door for certificates."""
        return self.door.doors.certificates

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
