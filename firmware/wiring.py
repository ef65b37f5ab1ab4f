"""Puts the board together: settings, parts, tasks. One place, one line a wire; in memory only until it is done."""

import asyncio

import config
import machine
import mqtt
import screens
import slots
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
        self.wifi = self.tls = self.screen = self.light = self.buzzer = self.pins = None


async def put_together(root, slot, before):
    """The tasks, ready to run; settings that cannot be used stand on the sign for ever."""
    parts = Parts()
    settings, fault = _settings(root + "config.json")
    try:
        parts.tls = None if fault else mqtt.tls_context(settings["broker"])
    except (OSError, ValueError) as error:
        fault = "broker.ca, certificate, key: cannot be used: %s" % error
    parts.screen = _screen(settings["sign"], parts.notes)
    try:
        if not fault:
            _connect(parts, settings)
    except ValueError as error:
        fault = "pins: %s" % error
    if fault:
        await _say_for_ever(parts, fault)
    _note_why(parts.notes, root, before)
    link = Link(settings, parts, "%s %s" % (version.VERSION, slot) if slot else version.VERSION)
    agent = _agent(settings, link, parts)
    supervisor = Supervisor(parts.clock, parts.notes, machine.WDT(timeout=WATCHDOG).feed)
    supervisor.add("link", link.run)
    supervisor.add(settings["kind"], agent.run)
    for button in getattr(agent, "buttons", ()):
        supervisor.add(button.name, button.watch)
    supervisor.add("update", Updater(link, parts, settings, root, supervisor.all_alive).run)
    agent.draw()
    return supervisor


def _settings(path):
    """The settings and what is wrong with them."""
    try:
        return config.read(path), None
    except config.ConfigError as fault:
        return {"sign": config.sign_of(path)}, str(fault)


def _agent(settings, link, parts):
    """What kind of machine this is; only its own words are loaded."""
    if settings["kind"] == "desk":
        from desk import Desk

        _forget("calls", "call")
        return Desk(link, parts, settings["language"])
    from board import Board

    _forget("desk", "press", "answer")
    return Board(link, parts, settings["language"])


def _forget(*kinds):
    """Messages of another kind of machine."""
    for kind in kinds:
        del wire.MESSAGES[kind]


def _connect(parts, settings):
    """The parts on their pins."""
    pins = settings["pins"]
    parts.wifi = Wifi(settings["wifi"], settings["device"], parts.clock)
    parts.light = machine.Pin(pins["light"], machine.Pin.OUT, value=0) if pins["light"] is not None else None
    parts.buzzer = (
        machine.PWM(machine.Pin(pins["buzzer"]), freq=440, duty_u16=0) if pins["buzzer"] is not None else None
    )
    parts.pins = {}
    for name in wire.PRESSES:
        if pins[name] is not None:
            parts.pins[name] = machine.Pin(pins[name], machine.Pin.IN, machine.Pin.PULL_UP)


def _screen(settings, notes):
    """The sign, or none if it does not answer."""
    try:
        return screens.screen(settings)
    except (OSError, ValueError) as error:
        notes.add("the sign %s does not answer: %s" % (settings["type"], error))
        return screens.Blank()


def _note_why(notes, root, before):
    """Why the board starts, if that was not meant."""
    if before:
        notes.add("gave way: %s" % before)
    elif machine.reset_cause() == machine.WDT_RESET and slots.read(root)["good"]:
        # To a Pico W somebody's reset looks the same; an update's own is on trial.
        notes.add("started again by the watchdog, or reset")


async def _say_for_ever(parts, fault):
    """What is wrong with the settings, on the sign and to whoever has a cable, until somebody mends it."""
    print("config.json: %s" % fault)
    parts.screen.show(("config.json", fault), "--------")
    while True:
        parts.screen.tick(parts.clock.ms())
        await asyncio.sleep_ms(40)
