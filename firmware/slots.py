"""Which of the board's copies of the software runs: as flashed, or updated in folder `a` or `b`.

The root of the filesystem holds what was flashed and is never written again. An update goes into
the folder that does not run, and is *on trial* until it has shown that it works; a copy that does
not get there in three starts gives way to the one before. `boot.json` remembers:

    {"slot": "a", "before": "", "tries": 1, "good": false, "counter": 7}

`counter` is that of the newest update ever tried, so that none is tried twice and none goes back.
The file is written beside itself and renamed: a power cut leaves the old one or the new one. One
that cannot be read counts as none: the board runs as flashed.

main.py and this file choose; they are never part of an update.
"""

import json
import os

FILE = "boot.json"
SLOTS = ("a", "b")
TRIES = 3


def read(root):
    """What `boot.json` in the folder `root` (ending in /) says; as flashed if there is none to be read."""
    fresh = {"slot": "", "before": "", "tries": 0, "good": True, "counter": 0}
    try:
        with open(root + FILE) as file:
            state = json.loads(file.read())
        known = ("",) + SLOTS
        if state["slot"] in known and state["before"] in known and state["tries"] >= 0 and state["counter"] >= 0:
            return {key: state[key] for key in fresh}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return fresh


def write(root, state):
    """Replaces `boot.json`, all or nothing."""
    with open(root + FILE + ".new", "w") as file:
        file.write(json.dumps(state))
    os.rename(root + FILE + ".new", root + FILE)


def start(root):
    """The slot to run now. A start on trial is counted before it happens, the fourth goes back instead."""
    state = read(root)
    if state["good"]:
        return state["slot"]
    state["tries"] += 1
    if state["tries"] > TRIES:
        return back(root)
    write(root, state)
    return state["slot"]


def back(root):
    """Gives the running slot up for the one before it, or, if there is none left, for what was flashed."""
    state = read(root)
    before = state["before"] if state["before"] != state["slot"] else ""
    state.update({"slot": before, "before": "", "tries": 0, "good": True})
    write(root, state)
    return state["slot"]


def free(root):
    """The slot that an update may overwrite: neither the running one nor, on trial, the one before."""
    state = read(root)
    taken = (state["slot"],) if state["good"] else (state["slot"], state["before"])
    return next(slot for slot in SLOTS if slot not in taken)


def install(root, slot, counter):
    """From the next start on `slot` runs, on trial."""
    state = read(root)
    write(root, {"slot": slot, "before": state["slot"], "tries": 0, "good": False, "counter": counter})


def confirm(root):
    """The running slot has shown that it works."""
    state = read(root)
    if not state["good"]:
        state.update({"good": True, "tries": 0})
        write(root, state)
