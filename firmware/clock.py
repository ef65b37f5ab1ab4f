"""What time it is: how long the board has run, and what the hub says.

A board's own clock begins years ago. Only a beat of the hub that arrives live tells the time; until
then, and for certificates, the clock stands at the moment the software was built.
"""

import time

import version
import wire

OFF = 2000  # ms: by so much the board's own clock may differ before it is set again


class Clock:
    """Milliseconds that never run back.

    Args:
        rtc: `machine.RTC()`, which certificates are judged by; None where the system keeps the time.
    """

    def __init__(self, rtc=None):
        self._last = time.ticks_ms()
        self._ms = 0
        self._ahead = None  # ms: the hub's clock less ours
        self._rtc = rtc
        self._rtc_at = None  # what the board's own clock was set to, less ours
        self._set(wire.instant(version.BUILT))

    def ms(self):
        """How long the board has run. The chip's counter wraps after days; this one does not."""
        now = time.ticks_ms()
        self._ms += time.ticks_diff(now, self._last)
        self._last = now
        return self._ms

    def hear(self, ms):
        """A live beat of the hub says that it is `ms` since 1970."""
        self._ahead = ms - self.ms()
        if ms >= wire.instant(version.BUILT) and abs(self._ahead - self._rtc_at) > OFF:
            self._set(ms)

    def doubt(self):
        """No certificate is of this time: the board's own clock goes back to where it began."""
        self._set(wire.instant(version.BUILT))

    def hub_now(self):
        """The hub's time in ms since 1970, carried on by our own clock; None before the first live beat."""
        return None if self._ahead is None else self._ahead + self.ms()

    def _set(self, ms):
        self._rtc_at = ms - self.ms()
        if self._rtc:
            text = wire.stamp(ms)
            weekday = (ms // 86400000 + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
            date = (int(text[:4]), int(text[5:7]), int(text[8:10]), weekday)
            self._rtc.datetime(date + (int(text[11:13]), int(text[14:16]), int(text[17:19]), 0))
