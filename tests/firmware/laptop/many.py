"""Many desks in one process, without pins and signs: many.py FIRMWARE FOLDER FIRST COUNT

Each has its own connection and does all that a button does at the broker; tells {"here": n} whenever the number of
those that could be pressed changes. FOLDER has the settings; their devices are crowd-FIRST and so on.
"""

import sys

here = __file__.rpartition("/")[0]
sys.path[:] = [sys.argv[1], here, ".frozen"]

import asyncio  # noqa: E402

import config  # noqa: E402
import hands  # noqa: E402
import mqtt  # noqa: E402
from clock import Clock  # noqa: E402
from desk import Desk  # noqa: E402
from link import Link  # noqa: E402
from notes import Notes  # noqa: E402
from screens import Blank  # noqa: E402
from wifi import Wifi  # noqa: E402


class Parts:
    """What one desk has; the clock, the Wi-Fi and the way to trust the broker are everybody's."""


def desk(settings, clock, tls, number):
    """One of them: (link, desk)."""
    settings = dict(settings, device="crowd-%d" % number)
    parts = Parts()
    parts.clock, parts.notes, parts.tls = clock, Notes(clock), tls
    parts.wifi = Wifi(settings["wifi"], settings["device"], clock)
    parts.screen, parts.light, parts.pins = Blank(), None, {}
    link = Link(settings, parts, "crowd")
    return link, Desk(link, parts, "ca")


async def main(settings, first, count):
    """For ever."""
    clock, tls = Clock(), mqtt.tls_context(settings["broker"])
    crowd = [desk(settings, clock, tls, number) for number in range(first, first + count)]
    tasks = [asyncio.create_task(each.run(lambda: None)) for pair in crowd for each in pair]
    told = -1
    while tasks:
        ready = sum([each._version is not None for _, each in crowd])
        if ready != told:
            hands.tell({"here": ready})
            told = ready
        await asyncio.sleep_ms(50)


asyncio.run(main(config.read(sys.argv[2] + "/config.json"), int(sys.argv[3]), int(sys.argv[4])))
