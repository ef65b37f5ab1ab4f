"""The real parts that the tests drive: a broker, a database server, a browser, the project's own processes.

Each is started on a free port and in a folder of its own, and leaves nothing running. A part that the machine
does not have raises PartMissing: the test fails and says what to install; it does not skip itself.
"""

import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pgserver
import psycopg
import trustme
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from hub.clock import now
from hub.store import Store, staff
from hub.store.upgrade import upgrade

ROOT = Path(__file__).resolve().parent.parent
OFFICES = ROOT / "provisioning" / "offices.sample.toml"
ROUND_THE_CLOCK = ROOT / "provisioning" / "offices.tryout.toml"

Found = TypeVar("Found")


class PartMissing(RuntimeError):
    """The machine lacks a program that this test drives."""


class NotInTime(AssertionError):
    """What was waited for did not come about before the deadline."""


def program(name: str) -> str:
    """The full path of a system program; raises PartMissing, which says what to install."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise PartMissing(f"{name} is missing: as root, apt-get install {name}")
    return found


def free_port() -> int:
    """A port that nobody listens at, below those that Linux gives to outgoing connections (32768 and above)."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def listens(port: int) -> bool:
    """Whether somebody accepts connections at this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], Found], seconds: float = 30, what: str = "the condition") -> Found:
    """Returns the condition's first true answer; raises NotInTime when `seconds` pass without one."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < deadline:
        if found := condition():
            return found
        pause.wait(0.01)
    raise NotInTime(f"{what} did not come about in {seconds} s")


# --- processes ------------------------------------------------------------------------------


def where_it_is_noon(folder: Path) -> Path:
    """The same offices, in a time zone where it is noon now: no test runs over the end of their day."""
    zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    path = folder / "noon.toml"
    path.write_text(ROUND_THE_CLOCK.read_text(encoding="utf-8").replace("Europe/Madrid", zone), encoding="utf-8")
    return path


class Process:
    """A process of the project's own: `Process("-m", "devices", "desk", "--config", path)`.

    `lines` is what it has said so far, stdout and stderr together.
    """

    def __init__(self, *arguments: object, environment: dict[str, str] | None = None) -> None:
        self.command = [sys.executable, "-u", *map(str, arguments)]
        self.environment = {**os.environ, **(environment or {})}
        self.lines: list[str] = []
        self.running: subprocess.Popen[str] | None = None

    def start(self, ready: str = "", seconds: float = 60) -> "Process":
        """Starts it, and waits until it says `ready` on a line of its own (at once if `ready` is empty)."""
        self.lines = []
        self.running = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.running, ready, said), daemon=True)
        self.reader.start()
        if ready and not (said.wait(seconds) and ready in self.lines):
            self.stop()
            raise NotInTime(f"no {ready!r} from {' '.join(self.command)}:\n" + "\n".join(self.lines[-40:]))
        return self

    def _read(self, running: "subprocess.Popen[str]", ready: str, said: threading.Event) -> None:
        for line in running.stdout or ():
            self.lines.append(line.rstrip("\n"))
            if line.rstrip("\n") == ready:
                said.set()
        said.set()  # its end, too, ends the waiting

    @property
    def pid(self) -> int:
        """The process's number; raises RuntimeError when it was never started."""
        if self.running is None:
            raise RuntimeError("not started")
        return self.running.pid

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM, as systemd would; returns the exit status, or raises NotInTime (and kills) after `seconds`."""
        if self.running is None:
            return 0
        self.running.terminate()
        return self._ended(seconds)

    def kill(self) -> None:
        """SIGKILL: a power cut."""
        if self.running is not None:
            self.running.kill()
            self._ended(10)

    def _ended(self, seconds: float) -> int:
        try:
            status = self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
            raise NotInTime(f"{' '.join(self.command)} was still there {seconds} s after SIGTERM") from None
        self.reader.join(5)
        self.running.stdout.close()
        self.running = None
        return status


class Hub(Process):
    """The whole hub in one process group, its data in `folder`; `http` and `mqtt` are its ports.

    `broker` and `database` are addresses; without them the hub brings its own broker and its own SQLite file.
    `part` may be "web", "bridge" or "forecast run" instead of "up": that part alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        part: str = "up",
        offices: Path = ROUND_THE_CLOCK,
        broker: str | None = None,
        database: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.part, self.http, self.mqtt = folder, part, free_port(), free_port()
        self.offices = offices
        self.where: list[object] = ["--database", database] if database else ["--data", folder]
        doors: list[object] = ["--broker", broker] if broker else ["--mqtt", f"127.0.0.1:{self.mqtt}"]
        doors += [] if part in ("bridge", "forecast run") else ["--http", f"127.0.0.1:{self.http}"]
        doors += ["--data", folder] if database else []
        super().__init__("-m", "hub", *part.split(), *self.where, *doors, "--offices", offices, environment=environment)

    def start(self, ready: str = "ready", seconds: float = 60) -> "Hub":
        """Starts it and waits until it serves; a bridge or forecaster alone has nothing to wait for."""
        super().start(ready if self.part == "up" else "", seconds)
        if self.part == "web":
            wait_until(lambda: listens(self.http), seconds, "the web process's port")
        return self

    def url(self, path: str = "/") -> str:
        """The address of one of its pages."""
        return f"http://127.0.0.1:{self.http}{path}"

    @contextmanager
    def _store(self) -> Iterator[Store]:
        """Its database, opened beside it, as its commands do in a process of their own that takes a second to start."""
        store = Store(str(self.where[1]) if self.where[0] == "--database" else f"sqlite:///{self.folder / 'torn.db'}")
        try:
            upgrade(store)
            yield store
        finally:
            store.dispose()

    def token(self, role: str, office: str | None = None) -> str:
        """A new API token."""
        with self._store() as store:
            return staff.new_token(store, role, now(), office)

    def account(self, name: str, role: str, password: str) -> None:
        """A new staff account."""
        with self._store() as store:
            staff.add_person(store, name, password, role, now())

    def command_line(self, *arguments: str, said: str = "") -> str:
        """What `python -m hub …` prints for this hub's database; raises CalledProcessError when it fails."""
        command = [sys.executable, "-m", "hub", *arguments, *map(str, self.where)]
        done = subprocess.run(command, cwd=ROOT, input=said, text=True, capture_output=True, timeout=90, check=True)
        return done.stdout.strip()


class Bench(Process):
    """Every device of the offices on the vendors' fakes, with its page at port `http`."""

    def __init__(self, broker: int, offices: Path = ROUND_THE_CLOCK, *more: object) -> None:
        self.http = free_port()
        doors = ["--broker", f"127.0.0.1:{broker}", "--http", f"127.0.0.1:{self.http}"]
        super().__init__("-m", "devices", "bench", *doors, "--offices", offices, *more)

    def start(self, ready: str = "ready", seconds: float = 60) -> "Bench":
        """Starts it and waits until it serves."""
        super().start(ready, seconds)
        return self

    def url(self, path: str = "/") -> str:
        """The address of one of its pages."""
        return f"http://127.0.0.1:{self.http}{path}"


# --- the broker -----------------------------------------------------------------------------


class Authority:
    """A certificate authority of the tests' own; `ca` is its certificate as PEM, `der` the same as DER."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._made = folder, trustme.CA()
        self.ca, self.der = folder / "ca.pem", folder / "ca.der"
        self._made.cert_pem.write_to_path(str(self.ca))
        self.der.write_bytes(ssl.PEM_cert_to_DER_cert(self.ca.read_text()))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for a name or an address, and its key, both as PEM."""
        leaf, paths = self._made.issue_cert(name, common_name=name), (f"{name}.pem", f"{name}.key")
        certificate, key = (self.folder / each for each in paths)
        leaf.cert_chain_pems[0].write_to_path(str(certificate))
        leaf.private_key_pem.write_to_path(str(key))
        return certificate, key


class Mosquitto:
    """Debian's mosquitto at `port` of 127.0.0.1. What it keeps survives stop and kill if `persistence` is on.

    `config` is put into its configuration file as it is, after what makes it listen. With an `authority` it also
    listens at `tls_port`, with a certificate for `name`; `mutual` lets in only who shows one of that authority's there,
    by the name in it.
    """

    name = "broker.torn.test"

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        config: str = "",
        persistence: bool = True,
        authority: Authority | None = None,
        mutual: bool = False,
    ) -> None:
        self.folder, self.port, self.tls_port = folder, port or free_port(), free_port()
        self.authority, self.mutual = authority, mutual
        self.config = config or "allow_anonymous true"
        self.persistence = persistence
        self.running: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its address as `python -m hub --broker` reads it."""
        return f"mqtt://{self.address}"

    def start(self) -> "Mosquitto":
        """Starts it and waits until it accepts connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "mosquitto.conf"
        path.write_text(self._configuration())
        with (self.folder / "mosquitto.log").open("ab") as log:
            command = [program("mosquitto"), "-c", str(path)]
            self.running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.running.poll() is not None or listens(self.port), 10, "mosquitto's port")
        if self.running.poll() is not None:
            raise NotInTime("mosquitto ended:\n" + (self.folder / "mosquitto.log").read_text()[-2000:])
        return self

    def _configuration(self) -> str:
        keeping = f"persistence true\npersistence_location {self.folder}/\n" if self.persistence else ""
        # As root, mosquitto would become a user who may not write into this folder. Without Nagle's algorithm
        # an answer does not wait 40 ms for the acknowledgement of the one before.
        secure = ""
        if self.authority:
            certificate, key = self.authority.issue(self.name)
            secure = f"listener {self.tls_port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
        if self.authority and self.mutual:
            secure += f"cafile {self.authority.ca}\nrequire_certificate true\nuse_identity_as_username true\n"
        open_door = f"listener {self.port} 127.0.0.1\n"
        return f"user root\nset_tcp_nodelay true\n{secure}{open_door}{keeping}{self.config}\n"

    def stop(self) -> None:
        """A clean end: what is retained is written to disk."""
        if self.running is not None:
            self.running.terminate()
            self.running.wait(10)
            self.running = None

    def kill(self) -> None:
        """SIGKILL: a power cut."""
        if self.running is not None:
            self.running.kill()
            self.running.wait(10)
            self.running = None

    def restart_empty(self) -> None:
        """Kills it, and starts it again with nothing retained and no session known."""
        self.kill()
        (self.folder / "mosquitto.db").unlink(missing_ok=True)
        self.start()


# --- the database ---------------------------------------------------------------------------


class Postgres:
    """A PostgreSQL server of the tests' own; `database()` makes an empty database and returns its address."""

    def __init__(self) -> None:
        # Not in pytest's folders: as root the server runs as a user of its own, who may not look into those.
        self.folder = Path(tempfile.mkdtemp(prefix="torn-postgres-"))
        self.server = pgserver.get_server(self.folder / "data", cleanup_mode="delete")

    def database(self) -> str:
        """The address of a new, empty database, as SQLAlchemy reads it."""
        name = "test_" + uuid.uuid4().hex[:12]
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.server.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)

    def stop(self) -> None:
        """Ends the server and removes its files."""
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- the browser ----------------------------------------------------------------------------


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"),
            # Nobody but the tests' own pages are opened; as root and in containers there is no sandbox, and little
            # shared memory.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield browser
        browser.close()


def barriers(page: Page) -> list[str]:
    """What axe finds on the page against WCAG 2.2 A and AA: one line each, none when all is well."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = Axe().run(page, options={"runOnly": tags}).response["violations"]
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:120]}" for each in found]
