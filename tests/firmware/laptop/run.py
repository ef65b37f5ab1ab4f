"""A board on a laptop, under MicroPython or CPython: run.py FIRMWARE FOLDER SPEED CAUSE

FIRMWARE is the folder with the board's files, compiled or not; FOLDER is the rest of its flash: settings,
`boot.json`, updates. CAUSE is 1 where it has got power, and
3 where it was reset. Ends with 3 where a board would reset.

Few names, and those of the board where that can be: each takes room in the heap that is measured.
"""

import sys

if sys.implementation.name == "micropython":
    sys.path[:] = [".frozen"]
sys.path[:0] = [sys.argv[1], __file__.rpartition("/")[0]]  # the stand-ins may be compiled, too
if int(sys.argv[3]) > 1:
    import faster

    faster.speed_up(int(sys.argv[3]))

import machine  # noqa: E402

if not hasattr(machine, "WDT"):  # the unix port has some of it built in
    raise ImportError("the stand-in for machine was not found")
if sys.implementation.name != "micropython":
    import cpython  # noqa: F401

import hands  # noqa: E402
import main  # noqa: E402
import screens  # noqa: E402

screens.screen = hands.telling(screens.screen)
print("stopped:", main.run(sys.argv[2] + "/"))
