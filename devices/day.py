"""The office's day and hours, from instants in ms since 1970 (UTC)."""

import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from firmware import wire


def local(now: int, timezone: str) -> datetime:
    """The office's wall clock at `now`."""
    return datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(timezone))


def day_of(now: int, timezone: str, day_starts: str = "04:00") -> str:
    """The office's day at `now`, such as 2026-11-24: a day begins at `day_starts` by the wall clock.

    The wall clock is moved back without its zone, so that days of 23 and 25 hours begin on time too.
    """
    hour, minute = day_starts.split(":")
    wall = local(now, timezone).replace(tzinfo=None)
    return (wall - timedelta(hours=int(hour), minutes=int(minute))).date().isoformat()


def closes(hours: Sequence[Mapping[str, str]], now: int) -> int | None:
    """When the doors that are open at `now` close, or None if none is open or none is known.

    `hours` is in order of time; what opens no later than another closes is one with it.
    """
    end = None
    for span in hours:
        if wire.instant(span["opens"]) <= (now if end is None else end) and now < wire.instant(span["closes"]):
            end = wire.instant(span["closes"])
    return end


def opens(hours: Sequence[Mapping[str, str]], now: int) -> int | None:
    """When the doors that are shut at `now` open; None if they are open, or if nothing later is known.

    What is not known never shuts anybody out.
    """
    if closes(hours, now) is not None:
        return None
    starts = (wire.instant(span["opens"]) for span in hours)
    return next((start for start in starts if start > now), None)


class Clock:
    """What time it is, and whether that can be believed.

    Args:
        hub_now: the hub's time in ms since 1970, None before its first live beat.
        synchronised: whether this machine's own clock is set, by NTP.
    """

    def __init__(self, hub_now: Callable[[], int | None], synchronised: Callable[[], bool] | None = None) -> None:
        self._hub_now = hub_now
        self._synchronised = synchronised or set_by_ntp

    def now(self) -> int:
        """Milliseconds since 1970: the hub's, or else this machine's."""
        hub = self._hub_now()
        return time.time_ns() // 1_000_000 if hub is None else hub

    def is_set(self) -> bool:
        """Whether a live beat or NTP stands behind it; a Raspberry Pi without either wakes up in the past."""
        return self._hub_now() is not None or self._synchronised()


def set_by_ntp() -> bool:
    """Whether the kernel's clock is synchronised: adjtimex(2) answers TIME_ERROR (5) while it is not."""
    unread = ctypes.create_string_buffer(512)  # struct timex, 208 bytes; all zero asks and sets nothing
    return ctypes.CDLL(None).adjtimex(unread) in range(5)
