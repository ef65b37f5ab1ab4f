"""How the machines are: the last word of each, and who has fallen silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from hub.line.plan import MINUTE, Moment
from hub.offices import Device
from hub.store import Store, devices

from .intake import Message

log = structlog.get_logger()
SILENT = 75_000  # ms without a word: lost, whatever a will says
WRITTEN_AGAIN = MINUTE  # an unchanged word is written down so often


@dataclass(frozen=True)
class Heard:
    """The last word of one machine."""

    message: Message
    at: Moment
    written: Moment = 0


class Health:
    """Keeps what the machines of this process's offices say of themselves, for the staff's pages."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._heard: dict[str, Heard] = {}

    def begin(self, machines: Iterable[Device], now: Moment) -> None:
        """Takes up where another process left off: what was written down counts as heard now."""
        known = devices.all_health(self.store)
        self._heard |= {each.id: Heard(known[each.id][0], now, now) for each in machines if each.id in known}

    def end(self, machines: Iterable[Device]) -> None:
        """Another process listens to these machines now."""
        for device in machines:
            self._heard.pop(device.id, None)

    def heard(self, device: Device, messages: list[Message], now: Moment) -> None:
        """Takes state documents; a last will counts only if it is of the connection seen last."""
        for message in messages:
            before = self._heard.get(device.id)
            if message["state"] == "lost" and before and not _same_connection(message, before.message):
                continue
            if before and message["state"] == "lost":
                message = before.message | {"state": "lost"}
            self._keep(device.id, message, now)

    def facts_came(self, device: Device, facts: list[Message], now: Moment) -> None:
        """Paper that runs low is told as a fact, too: it may come before the next state document."""
        papers = [fact["paper"] for fact in facts if fact["fact"] == "printer.changed"]
        before = self._heard.get(device.id)
        if papers and before:
            self._keep(device.id, before.message | {"paper": papers[-1]}, now)

    def look_for_silence(self, now: Moment) -> None:
        """Calls lost who has not been heard for too long."""
        for device, heard in list(self._heard.items()):
            if heard.message["state"] != "lost" and now - heard.at > SILENT:
                log.warning("a machine has fallen silent", device=device)
                self._keep(device, heard.message | {"state": "lost"}, now)

    def _keep(self, device: str, message: Message, now: Moment) -> None:
        """Writes down what is new first: what could not be written is not known, and written the next time."""
        before = self._heard.get(device)
        written = before.written if before else 0
        if before is None or before.message != message or now - written > WRITTEN_AGAIN:
            devices.remember(self.store, device, message, now)
            written = now
        self._heard[device] = Heard(message, now, written)


def _same_connection(one: Message, other: Message) -> bool:
    return (one["boot"], one["conn"]) == (other["boot"], other["conn"])
