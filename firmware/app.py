"""Puts the board together: settings, parts, tasks."""

import asyncio
import gc
import sys

import machine
import mqtt
import version
from clock import Clock
from link import Link
from notes import Notes
from supervisor import Supervisor
from update import Updater

WATCHDOG = 8300  # ms: the RP2040's longest


class Parts:
    """What the tasks share."""

    def __init__(self):
        self.clock = Clock(machine.RTC())
        self.notes = Notes(self.clock)
        self.wifi = self.tls = self.screen = self.light = self.buzzer = self.pins = self.restart = None


def main(root, slot, before):
    """Runs for ever. A copy of the software that cannot be put together raises.

    Args:
        root: the folder of the settings, ending in / or empty.
        slot: which copy this is: a, b, or empty as flashed.
        before: why another copy gave way to this one, or None.
    """
    gc.threshold(4096)
    asyncio.new_event_loop()  # what a copy that gave way has left behind
    asyncio.run(_work(root, slot, before))


async def _work(root, slot, before):
    supervisor = await _put_together(root, slot, before)
    for name in ("wiring", "screens", "config"):
        sys.modules.pop(name, None)  # their room is needed
    await supervisor.watch()


async def _put_together(root, slot, before):
    """The tasks, ready to run; settings that cannot be used stand on the sign for ever."""
    import wiring

    parts = Parts()
    settings, fault = wiring.settings(root + "config.json")
    try:
        parts.tls = None if fault else mqtt.tls_context(settings["broker"])
    except (OSError, ValueError) as error:
        fault = "broker.ca, certificate, key: cannot be used: %s" % error
    if fault:
        await _say_for_ever(parts, wiring.screen(settings["sign"], parts.notes), fault)
    if before:
        parts.notes.add("gave way: %s" % before)
    wiring.connect(parts, settings)
    link = Link(settings, parts, "%s %s" % (version.VERSION, slot) if slot else version.VERSION)
    parts.restart = _restarting(link)
    agent = wiring.agent(settings, link, parts)
    supervisor = Supervisor(parts.clock, parts.notes, machine.WDT(timeout=WATCHDOG).feed)
    supervisor.add("link", link.run)
    supervisor.add(settings["kind"], agent.run)
    for button in getattr(agent, "buttons", ()):
        supervisor.add(button.name, button.watch)
    supervisor.add("update", Updater(link, parts, settings, root, supervisor.all_alive).run)
    agent.draw()
    return supervisor


def _restarting(link):
    async def restart():
        await link.goodbye()
        machine.reset()

    return restart


async def _say_for_ever(parts, screen, fault):
    """What is wrong with the settings, on the sign and to whoever has a cable, until somebody mends it."""
    print("config.json: %s" % fault)
    screen.show(("config.json", fault), "--------")
    while True:
        screen.tick(parts.clock.ms())
        await asyncio.sleep_ms(40)
