"""The agents as processes of their own, as systemd runs them."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devices.loop import Loop
from devices.settings import KINDS, defaults
from firmware import wire
from tests.devices.test_dispenser import Storing, configure
from tests.parts import ROOT, Mosquitto, Process, wait_until

MOST = 60 * 1024 * 1024  # bytes resident


@pytest.fixture
def hub(mosquitto: Mosquitto) -> Iterator[Storing]:
    voice = Storing(mosquitto.port)
    yield voice
    voice.stop()


def settings(kind: str, mosquitto: Mosquitto, folder: Path) -> Path:
    """A settings file of an agent without hardware."""
    text = defaults(kind).replace("fakes = false", "fakes = true").replace("port = 1883", f"port = {mosquitto.port}")
    text = text.replace('"/var/lib/torn"', f'"{folder}"').replace("voice = true", "voice = false")
    text = re.sub(r'screen = "\w+"', 'screen = "fake"', text).replace(f'"{kind}-1"', '"d-1"')
    file = folder / f"{kind}.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_says_who_it_is_stays_small_and_leaves_cleanly(kind, mosquitto, hub, tmp_path):
    agent = Process("-m", "devices", kind, "--config", settings(kind, mosquitto, tmp_path)).start()
    try:
        state = hub.wait_for("state", 1, 15)[0]
        resident = psutil.Process(agent.pid).memory_info().rss
    finally:
        status = agent.stop()

    assert (state["kind"], status, resident < MOST) == (kind, 0, True), f"{resident / 1024 / 1024:.0f} MiB"
    last = wait_until(lambda: hub.of("state")[-1]["state"] == "lost" and hub.of("state")[-1])
    assert last["kind"] == kind, "the agent said it, not its will"


def test_systemd_is_told_when_an_agent_is_ready_and_when_it_ends(mosquitto, tmp_path):
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(15)
        file = settings("desk", mosquitto, tmp_path)
        agent = Process("-m", "devices", "desk", "--config", file, environment={"NOTIFY_SOCKET": str(address)}).start()

        ready = systemd.recv(64)
        agent.stop()

        assert (ready, systemd.recv(64)) == (b"READY=1", b"STOPPING=1")


@pytest.mark.parametrize("kind", KINDS)
def test_a_watchdog_hears_of_an_agent_as_long_as_it_does_what_it_is_told(kind, mosquitto, tmp_path):
    address = tmp_path / "notify"
    told = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(15)
        file = settings(kind, mosquitto, tmp_path)
        agent = Process("-m", "devices", kind, "--config", file, environment=told).start()

        said = [systemd.recv(64) for _ in range(3)]
        agent.stop()

        assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_an_agent_whose_act_does_not_end_does_not_answer():
    stuck, loop = threading.Event(), Loop(lambda: None, lambda moment: None)
    worker = threading.Thread(target=loop.run)
    worker.start()
    well = loop.answers(5)

    loop.soon(stuck.wait)
    ill = loop.answers(0.05)
    stuck.set()

    assert (well, ill, loop.answers(5)) == (True, False, True)
    loop.stop()
    worker.join(5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_settings_file_is_one_sentence_and_exit_2(kind, tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text("fakes = maybe")

    done = subprocess.run(
        [sys.executable, "-m", "devices", kind, "--config", str(file)], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"{file}: Invalid value") and done.stderr.count("\n") == 1


def test_defaults_are_printed():
    done = subprocess.run(
        [sys.executable, "-m", "devices", "board", "--defaults"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == defaults("board")


# A dispenser at which somebody presses without end; each ticket is told once it is on paper.
BUSY = """
import sys
from pathlib import Path
from devices.dispenser import wired
from devices.loop import Loop
from devices.settings import read
dispenser = wired(read("dispenser", Path(sys.argv[1])))
dispenser.printer.port.printed = lambda slip: print("paper", flush=True)
dispenser.start()
while True:
    issued = dispenser.pressed("padro")
    if issued:
        print(issued["ticket"], issued["label"], flush=True)
"""


def test_a_dispenser_killed_at_any_moment_loses_no_printed_ticket_and_doubles_none(mosquitto, hub, tmp_path):
    configure(hub, last_number=None)
    file = settings("dispenser", mosquitto, tmp_path)
    said: list[list[str]] = []

    for papers in (7, 1, 12, 5):
        busy = Process("-c", BUSY, file).start()
        wait_until(lambda busy=busy, papers=papers: busy.lines.count("paper") >= papers, 20, "the papers")
        busy.kill()
        said += [line.split() for line in busy.lines if re.match(r"[0-9a-f-]{36} P", line)]
    agent = Process("-m", "devices", "dispenser", "--config", file).start()
    wait_until(lambda: hub.of("state") and hub.of("state")[-1].get("unsent") == 0, 15, "the last fact to be stored")
    agent.stop()

    stored = [(fact["ticket"], fact["label"]) for fact in hub.stored]
    assert len(said) >= 20
    assert {tuple(each) for each in said} <= set(stored)
    assert len({label for _, label in stored}) == len(stored) == len({ticket for ticket, _ in stored})
    assert [fact["seq"] for fact in hub.stored] == list(range(1, len(stored) + 1))
    assert all(wire.is_label(label) for _, label in stored)
