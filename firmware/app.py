"""Puts the board together: settings, parts, tasks. One place, one line a wire."""

import asyncio
import gc
import sys

import machine
import mqtt
import screens
import version
import wire
from clock import Clock
from link import Link
from notes import Notes
from supervisor import Supervisor
from update import Updater
from wifi import Wifi

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
    parts = Parts()
    settings, fault = _settings(root + "config.json")
    try:
        parts.tls = None if fault else mqtt.tls_context(settings["broker"])
    except (OSError, ValueError) as error:
        fault = "broker.ca, certificate, key: cannot be used: %s" % error
    if fault:
        return await _say_for_ever(parts, settings["sign"], fault)
    if before:
        parts.notes.add("gave way: %s" % before)
    _wire(parts, settings)
    link = Link(settings, parts, "%s %s" % (version.VERSION, slot) if slot else version.VERSION)
    parts.restart = _restarting(link)
    agent = _agent(settings, link, parts)
    watchdog = machine.WDT(timeout=WATCHDOG)
    supervisor = Supervisor(parts.clock, parts.notes, watchdog.feed)
    supervisor.add("link", link.run)
    supervisor.add(settings["kind"], agent.run)
    for button in getattr(agent, "buttons", ()):
        supervisor.add(button.name, button.watch)
    supervisor.add("update", Updater(link, parts, settings, root, supervisor.all_alive).run)
    agent.draw()
    await supervisor.watch()


def _settings(path):
    """The settings and what is wrong with them; the module that judges them is not kept in memory."""
    import config

    try:
        return config.read(path), None
    except config.ConfigError as fault:
        return {"sign": config.sign_of(path)}, str(fault)
    finally:
        del sys.modules["config"]


def _agent(settings, link, parts):
    """What kind of machine this is; only its own words are loaded."""
    if settings["kind"] == "desk":
        from desk import Desk

        return Desk(link, parts, settings["language"])
    from board import Board

    return Board(link, parts, settings["language"])


def _wire(parts, settings):
    """The parts on their pins."""
    pins = settings["pins"]
    parts.wifi = Wifi(settings["wifi"], settings["device"], parts.clock)
    parts.screen = _screen(settings["sign"], parts.notes)
    parts.light = machine.Pin(pins["light"], machine.Pin.OUT, value=0) if pins["light"] is not None else None
    parts.buzzer = machine.PWM(machine.Pin(pins["buzzer"])) if pins["buzzer"] is not None else None
    parts.pins = {}
    for name in wire.PRESSES:
        if pins[name] is not None:
            parts.pins[name] = machine.Pin(pins[name], machine.Pin.IN, machine.Pin.PULL_UP)


def _screen(settings, notes):
    try:
        return screens.screen(settings)
    except OSError as error:
        notes.add("the sign %s does not answer: %s" % (settings["type"], error))
        return screens.Blank()


def _restarting(link):
    async def restart():
        await link.goodbye()
        machine.reset()

    return restart


async def _say_for_ever(parts, sign, fault):
    """What is wrong with the settings, on the sign and to whoever has a cable, until somebody mends it."""
    print("config.json: %s" % fault)
    screen = _screen(sign, parts.notes)
    screen.show(("config.json", fault), "--------")
    while True:
        screen.tick(parts.clock.ms())
        await asyncio.sleep_ms(40)
