"""SIGTERM ends a process at whatever moment it comes; hub and agents have the same few lines for that."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROCESSES = 12  # an Event's `set` as the handler stood still in one of two
WAITS_ALL_THE_TIME = """
from {module} import Ending
ending = Ending()
print("waits", flush=True)
while not ending.asked(0.0):
    pass
print(ending.asked(), flush=True)
"""

TOLD_WHERE_PYTHON_IGNORES_EXCEPTIONS = """
import os, signal, sys
sys.argv[1:] = ["{part}"]
import hub.__main__
class Forgotten:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            pass
Forgotten()
print("goes on")
"""


@contextmanager
def waiting(module: str) -> Iterator[subprocess.Popen[str]]:
    """A process that begins to wait for its end again and again."""
    words = [sys.executable, "-c", WAITS_ALL_THE_TIME.format(module=module)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "waits\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("module", ["hub.ending", "devices.ending"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_asked_to_end_while_it_begins_to_wait_for_that_ends(module: str, number: signal.Signals) -> None:
    for _ in range(PROCESSES):
        with waiting(module) as process:
            process.send_signal(number)
            said, _ = process.communicate(timeout=30)

        assert (said, process.returncode) == ("True\n", 0)


@pytest.mark.parametrize("part", ["up", "web", "bridge", "forecast"])
def test_a_hub_told_to_end_while_it_imports_ends_wherever_it_is_just_then(part: str) -> None:
    words = [sys.executable, "-c", TOLD_WHERE_PYTHON_IGNORES_EXCEPTIONS.format(part=part)]

    ended = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)

    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)
