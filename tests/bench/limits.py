"""What nobody can beat on this machine: the peers that stand beside our own figures."""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.machines import Machines
from tests.bench.table import spread

WORDS = b"x" * 120  # about as long as a press
SELDOM, OFTEN = 100, 500
PAUSE = threading.Event()  # never set: waiting for it is resting


def round_trip(machines: Machines, rest: float) -> float:
    """Milliseconds (median) of QoS 1 from a client through the broker and back to it, after `rest` seconds each."""
    back = threading.Event()
    machines.hear("raw", lambda topic, payload: back.set())
    taken = []
    for _ in range(SELDOM):
        PAUSE.wait(rest)
        back.clear()
        begun = time.perf_counter()
        machines.say("raw", WORDS)
        back.wait(5)
        taken.append(time.perf_counter() - begun)
    return spread(taken)["p50"]


def durable_commit(folder: Path, rest: float = 0.0) -> float:
    """Milliseconds (median) of one durable SQLite commit (WAL, synchronous=FULL) on the disk of `folder`.

    A machine that has rested for `rest` seconds before each takes longer than one that is at it.
    """
    database = sqlite3.connect(folder / "limit.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, body TEXT)")
    taken = []
    for _ in range(SELDOM if rest else OFTEN):
        PAUSE.wait(rest)
        taken.append(_timed(lambda: database.execute("INSERT INTO rows (body) VALUES (?)", ("x" * 300,))))
    database.close()
    return spread(taken)["p50"]


def _timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


# The least that Flask and gevent need to tell everybody the same: POST /ring tells all who follow /events.
BARE_STREAMS = """
import sys
from flask import Flask, Response
from gevent.event import Event
from gevent.pywsgi import WSGIServer

app, bells = Flask(__name__), [Event()]
WORDS = "event: ticket\\ndata: " + "x" * 150 + "\\n\\n"

@app.get("/events")
def events():
    def stream():
        yield WORDS
        while True:
            bells[0].wait()
            yield WORDS
    return Response(stream(), mimetype="text/event-stream")

@app.post("/ring")
def ring():
    rung, bells[0] = bells[0], Event()
    rung.set()
    return {"rung": True}

server = WSGIServer(("127.0.0.1", int(sys.argv[1])), app, log=None, backlog=4096)
server.start()
print("ready", flush=True)
server.serve_forever()
"""

# The least that a machine's agent needs.
BARE_CLIENT = """
import signal
import paho.mqtt.client as mqtt

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
print("ready", flush=True)
signal.pause()
"""

IMPORTS = [sys.executable, "-c", "import flask, sqlalchemy"]
