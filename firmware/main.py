"""What the board runs when it gets power: chooses a copy of the software (slots.py) and starts it.

A copy that cannot be started gives way to the one before it, at once and without a reset; if not even
the flashed one starts, the board waits at its prompt for somebody with a cable.
"""

import sys

import slots


def run(root=""):
    """Starts the chosen copy in the folder `root` (ending in /, or empty); returns only what stopped the last."""
    slot, before = choose(root)
    fault = _stopped(root, slot, before)
    while slot:
        try:
            slot = slots.back(root)
        except OSError:
            slot = ""
        fault = _stopped(root, slot, fault)
    return fault


def choose(root):
    """(the copy to run, why it is not another one's turn or None); what was flashed if nothing can be written."""
    tried = slots.read(root)["slot"]
    try:
        slot = slots.start(root)
        return slot, None if slot == tried else "%s: three starts without a connection" % tried
    except OSError as error:
        return "", "%s: boot.json cannot be written: %s" % (tried, error)


def _stopped(root, slot, before):
    """Runs one copy; `before` is why it is not another one's turn. Says why it did not run on."""
    known = set(sys.modules)
    sys.path.insert(0, root + slot)
    try:
        import app

        app.main(root, slot, before)
    except Exception as fault:
        sys.print_exception(fault)
        sys.path.remove(root + slot)
        for name in set(sys.modules) - known:  # the next copy has its own by these names
            del sys.modules[name]
        return "%s: %r" % (slot or "as flashed", fault)


if __name__ == "__main__":
    run()
