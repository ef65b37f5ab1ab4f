"""`python -m hub`: starts quickly, says `ready`, ends when told, and names what is wrong with what it was given."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import psutil
import pytest

from firmware import wire
from hub import settings
from tests.bridge.witness import LINE, Witness, issued
from tests.parts import OFFICES, ROOT, Hub, Mosquitto, Process, listens, wait_until


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Hub]:
    """Everything of the hub in one process group, with its own broker and database."""
    hub = Hub(tmp_path / "hub").start()
    yield hub
    hub.stop()


def hub_says(*words: object, folder: Path = ROOT, seconds: float = 60) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of one command."""
    command = [sys.executable, "-m", "hub", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout, done.stderr


def children(hub: Hub) -> list[psutil.Process]:
    """The parts: broker, bridge, web and forecaster."""
    return psutil.Process(hub.pid).children()


def part_that_holds(hub: Hub, port: int) -> psutil.Process:
    """The child that listens at a port."""
    held = {each.laddr.port for child in children(hub) for each in child.net_connections()}
    assert port in held
    return next(c for c in children(hub) if port in {each.laddr.port for each in c.net_connections()})


def test_up_says_ready_once_on_a_line_of_its_own_and_works_with_its_own_broker(up: Hub) -> None:
    assert up.lines.count("ready") == 1

    witness = Witness(up.mqtt)
    witness.newest(LINE)
    witness.tell(issued(1))
    witness.stored("j1", 1)
    answer = witness.press()

    witness.close()
    assert answer == {"ok": True, "label": "P001"}
    assert witness.faults == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_up_ends_with_0_within_five_seconds_and_leaves_nothing_running(up: Hub, sign: signal.Signals) -> None:
    parts = children(up)
    assert len(parts) == 4

    os.kill(up.pid, sign)

    assert up.running.wait(5) == 0
    wait_until(lambda: not any(part.is_running() for part in parts), 1)


@pytest.mark.parametrize("part", ["web", "bridge"])
def test_a_part_alone_says_ready_once_too(tmp_path: Path, mosquitto: Mosquitto, part: str) -> None:
    hub = Hub(tmp_path / "hub", part=part, broker=mosquitto.url)

    Process.start(hub, "ready")

    witness = Witness(mosquitto.port)
    beats = 2 if part == "bridge" else 0
    witness.wait(lambda: len(witness.of(wire.HUB_TOPIC)) >= beats)
    witness.close()
    hub.stop()
    assert hub.lines.count("ready") == 1


@pytest.mark.parametrize("part", ["up", "web", "bridge"])
def test_a_hub_that_is_told_to_end_while_it_still_starts_ends_with_0(tmp_path: Path, part: str) -> None:
    hub = Hub(tmp_path / "hub", part=part, broker="mqtt://127.0.0.1:1")
    Process.start(hub)
    wait_until(lambda: catches(hub.pid, signal.SIGTERM), 5, "a hand on the signal")

    assert hub.stop(5) == 0
    assert not [line for line in hub.lines if "Traceback" in line]


def catches(pid: int, sign: signal.Signals) -> bool:
    """Whether the process has a handler for a signal (proc(5), SigCgt)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (sign - 1) & 1)


def test_a_hub_that_is_told_to_end_says_lost_before_its_broker_goes(up: Hub) -> None:
    witness = Witness(up.mqtt)
    witness.until(wire.HUB_TOPIC, lambda m: m["state"] == "ready")

    up.stop(5)

    witness.until(wire.HUB_TOPIC, lambda m: m["state"] == "lost")
    assert witness.newest(wire.HUB_TOPIC)["state"] == "lost"
    witness.close()


def test_when_the_hub_is_killed_its_parts_end_with_it(up: Hub) -> None:
    parts = children(up)

    up.kill()

    wait_until(lambda: not any(part.is_running() and part.status() != "zombie" for part in parts), 5)
    assert not listens(up.http)
    assert not listens(up.mqtt)


@pytest.mark.parametrize("part", ["broker", "bridge", "web", "forecaster"])
def test_a_part_that_is_killed_starts_again(up: Hub, part: str) -> None:
    ports = {"broker": up.mqtt, "web": up.http}
    busy = [part_that_holds(up, port) for port in ports.values()]
    bridge, forecaster = sorted((c for c in children(up) if c not in busy), key=lambda child: child.pid)
    victim = {**dict(zip(ports, busy, strict=True)), "bridge": bridge, "forecaster": forecaster}[part]

    victim.kill()

    wait_until(lambda: len(children(up)) == 4 and victim not in children(up), 10, "another one in its place")
    wait_until(lambda: listens(up.mqtt) and listens(up.http), 10)
    witness = Witness(up.mqtt)
    witness.insist(issued(1))
    assert witness.press()["label"] == "P001"
    witness.close()
    assert [line for line in up.lines if "has died and starts again" in line and f"part={part}" in line]


@pytest.fixture
def waiting(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hub]:
    """A hub that has started while its broker was away."""
    mosquitto.stop()
    hub = Hub(tmp_path, broker=mosquitto.address)
    Process.start(hub)
    yield hub
    hub.stop()


def test_up_is_ready_when_its_broker_has_come(waiting: Hub, mosquitto: Mosquitto) -> None:
    wait_until(lambda: listens(waiting.http), 20)
    assert "ready" not in waiting.lines

    mosquitto.start()

    wait_until(lambda: "ready" in waiting.lines, 20, "ready")
    assert waiting.stop() == 0


def test_a_second_hub_on_the_same_database_and_broker_is_ready_though_the_first_works_for_all(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    first = Hub(tmp_path, broker=mosquitto.address).start()
    second = Hub(tmp_path, broker=mosquitto.address)
    try:
        second.start()

        assert second.lines.count("ready") == 1
    finally:
        second.stop()
        first.stop()


def test_a_bridge_alone_ends_with_0(alone: Hub, witness: Witness) -> None:
    witness.until(wire.HUB_TOPIC, lambda m: m["state"] == "ready")

    assert alone.stop(5) == 0

    assert witness.newest(wire.HUB_TOPIC)["state"] == "lost"


def test_a_bridge_that_ends_says_nothing_of_machines_that_never_spoke(alone: Hub, witness: Witness) -> None:
    witness.newest(LINE)

    alone.stop()

    expected = ("local feasts", "TORN_KEYS")  # said to the technician at every start
    warnings = [line for line in alone.lines if "level=warning" in line]
    assert [line for line in warnings if not any(words in line for words in expected)] == []


# --- what is wrong ----------------------------------------------------------------------------


def wrong_letter(text: str) -> str:
    """The sample file with a mistake in the second service of the first office."""
    return text.replace('letter = "R"', 'letter = "RRR"', 1)


@pytest.mark.parametrize(
    ("command", "change", "said"),
    [
        ("up", wrong_letter, ["office mont-roig", "service registre", "letter"]),
        ("bridge", lambda text: "[[office\n" + text, ["offices.toml", "line 1"]),
        ("web", lambda text: "", ["office", "required"]),
        ("up", lambda text: text.replace('id = "padro"', 'id = "Padró"', 1), ["office mont-roig", "id", "a-z"]),
    ],
)
def test_a_wrong_offices_file_is_named_with_place_and_reason(
    tmp_path: Path, command: str, change: Callable[[str], str], said: list[str]
) -> None:
    file = tmp_path / "offices.toml"
    file.write_text(change(OFFICES.read_text()))

    status, out, error = hub_says(command, "--offices", file, "--data", tmp_path / "data")

    assert (status, out) == (2, "")
    assert error.startswith("torn: ")
    assert error.count("\n") == 1
    assert [word for word in said if word.lower() not in error.lower()] == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", ["--http", "--mqtt"])
def test_a_taken_port_is_named(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        doors = {"--http": "127.0.0.1:0", "--mqtt": "127.0.0.1:0"} | {option: address}

        status, out, error = hub_says("up", "--data", tmp_path, *(word for pair in doors.items() for word in pair))

    assert (status, out) == (2, "")
    assert f"{address}: Address already in use" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--http", "8080"], "--http '8080': must be HOST:PORT"),
        (["--http", "127.0.0.1:99999"], "--http"),
        (["--http", "127.0.0.1:²"], "--http"),
        (["--http", "nowhere.invalid:8080"], "nowhere.invalid:8080"),
        (["--mqtt", ":1883"], "--mqtt"),
        (["--broker", "amqp://b"], "--broker: must be HOST:PORT"),
        (["--broker", "127.0.0.1:many"], "--broker: must be HOST:PORT"),
        (["--offices", "/nonexistent.toml"], "/nonexistent.toml: No such file"),
        (["--offices", "/"], "/: Is a directory"),
        (["--database", "nonsense"], "--database"),
        (["--database", "postgresql://torn:secret@db:port/torn"], "--database"),
        (["--database", "sqlite://"], "--database"),
        (["--database", "sqlite:///:memory:"], "--database"),
        (["--database", "mysql://root:secret@db/torn"], "--database"),
        (["--data", "/dev/null/torn"], "--data /dev/null/torn"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, words: list[str], said: str) -> None:
    status, out, error = hub_says("up", "--data", tmp_path, *words)

    assert (status, out) == (2, "")
    assert said in error
    assert "Traceback" not in error
    assert "secret" not in error


@pytest.mark.parametrize("url", ["postgresql://nobody:secret@127.0.0.1:1/torn", "sqlite:////nonexistent/torn.db"])
def test_a_database_that_is_not_there_ends_the_start_with_1_and_a_sentence(url: str) -> None:
    status, out, error = hub_says("bridge", "--database", url)

    assert (status, out) == (1, "")
    assert "torn: the database" in error
    assert "Traceback" not in error
    assert "secret" not in error


def test_without_a_command_the_help_says_what_there_is() -> None:
    status, out, _ = hub_says("--help")

    assert status == 0
    assert all(command in out for command in settings.COMMANDS)


def test_a_token_is_printed_alone(tmp_path: Path) -> None:
    status, out, error = hub_says("token", "--role", "clerk", "--data", tmp_path)

    assert (status, error) == (0, "")
    assert len(out.strip()) >= 40
    assert out.count("\n") == 1


@pytest.mark.parametrize("part", ["up", "web", "bridge"])
def test_every_part_takes_the_same_words_for_the_same_things(part: str) -> None:
    chosen = settings.parser().parse_args([part, "--http", "[::1]:0", "--broker", "b:1"])

    host, port = settings.address(chosen.http, settings.HTTP)
    assert host == "::1"
    assert 0 < port < 65536
    assert settings.broker(chosen).host == "b"


def test_systemd_is_told_when_the_hub_is_ready_and_then_that_it_lives(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(15)
        hub = Hub(tmp_path / "hub", environment={"NOTIFY_SOCKET": str(address)}).start()

        said = [systemd.recv(64) for _ in range(3)]
        hub.stop()

        assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


@pytest.mark.parametrize("option", ["--broker-ca", "--broker-certificate", "--broker-key"])
def test_a_certificate_that_is_not_there_is_told_at_the_start(option: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"

    more = ("--broker-certificate", missing) if option == "--broker-key" else ()
    status, _, error = hub_says("bridge", "--data", tmp_path, "--broker", "mqtts://b", option, missing, *more)

    assert status == 2
    assert "--broker-ca, --broker-certificate or --broker-key cannot be used" in error


def test_certificates_without_tls_are_refused() -> None:
    chosen = settings.parser().parse_args(["bridge", "--broker", "b:1883", "--broker-ca", certifi.where()])

    with pytest.raises(settings.SettingsError, match="certificates go with mqtts:// alone"):
        settings.broker(chosen)
