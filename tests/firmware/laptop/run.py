"""A board on a laptop, under MicroPython or CPython: run.py FIRMWARE FOLDER [SPEED]

FIRMWARE is the folder with the board's files, compiled or not; FOLDER is the rest of its flash: settings,
`boot.json`, updates. Ends with 3 where a board would reset.
"""

import sys

here = __file__.rpartition("/")[0] or "."
FIRMWARE, FOLDER, SPEED = sys.argv[1], sys.argv[2], int((sys.argv + ["1"])[3])
micropython = sys.implementation.name == "micropython"
if micropython:
    sys.path[:] = [".frozen"]
sys.path[:0] = [FIRMWARE, here]  # the stand-ins may be compiled, too
if SPEED > 1:
    import faster

    faster.speed_up(SPEED)

import machine  # noqa: E402

if not hasattr(machine, "WDT"):  # the unix port has some of it built in
    raise ImportError("the stand-in for machine was not found in %s" % here)
if not micropython:
    import cpython  # noqa: F401

import hands  # noqa: E402
import main  # noqa: E402
import screens  # noqa: E402

bare = screens.screen
screens.screen = lambda settings: hands.Told(bare(settings))
print("stopped:", main.run(FOLDER + "/"))
