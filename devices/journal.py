"""The dispenser's memory: the numbers it has given and the facts that the hub has not stored yet.

The rules:
  - A number is taken and its fact written in one transaction, on the disk (WAL, synchronous=FULL) before
    anything goes to the printer: whatever fails afterwards, the number is never given again.
  - Facts are numbered from 1 without gaps, under a name that belongs to this file alone.
  - What the hub has stored is kept for 14 days, and sent again if `stored` goes back (a restored database);
    if the hub asks for what is gone, a new name begins, with what is left.
"""

import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devices import DeviceError
from firmware import wire

log = logging.getLogger("torn.journal")

KEPT_MS = 14 * 24 * 3600 * 1000
LAST = 9999  # the largest number that a label can carry

SCHEMA = """
CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (day TEXT, letter TEXT, number INTEGER NOT NULL, PRIMARY KEY (day, letter));
CREATE TABLE IF NOT EXISTS facts (seq INTEGER PRIMARY KEY, day TEXT NOT NULL, at INTEGER NOT NULL,
                                  ticket TEXT, label TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS facts_by_label ON facts (day, label);
"""


class JournalError(DeviceError, OSError):
    """The journal cannot be read or written; nothing that it has acknowledged is lost."""


class NoNumberLeft(JournalError, LookupError):
    """This dispenser's range of numbers is used up for today."""


class Journal:
    """One file, one dispenser.

    Args:
        file: where it lives; made if it is not there. A file that is no journal is put aside.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._db = self._opened()
        if self._remembered("journal") is None:
            self._remember(journal=_name(), stored="0", known="")

    @property
    def name(self) -> str:
        """The name under which the hub stores these facts."""
        return self._remembered("journal") or ""

    @property
    def stored(self) -> int:
        """The last fact that the hub has stored."""
        return int(self._remembered("stored") or 0)

    @property
    def last(self) -> int:
        """The last fact written."""
        return self._one("SELECT max(seq) FROM facts") or self.stored

    @property
    def unsent(self) -> int:
        """How many facts the hub has not stored yet."""
        return max(0, self.last - self.stored)

    @property
    def unsent_since(self) -> int | None:
        """When the oldest of them happened, in ms since 1970; None if there is none."""
        return self._one("SELECT at FROM facts WHERE seq > ? ORDER BY seq LIMIT 1", self.stored)

    @property
    def day(self) -> str | None:
        """The last day for which it numbered; None on a new card."""
        return self._remembered("known") or None

    @property
    def settled(self) -> bool:
        """Whether it has learned, on a day that a set clock confirmed, where its numbers stand."""
        return self._remembered("settled") == "yes"

    def settle(self, confirmed: bool) -> None:
        """Remembers that it has."""
        self._remember(settled="yes" if confirmed else "no")

    @property
    def config(self) -> dict[str, Any] | None:
        """The last configuration that the hub gave."""
        text = self._remembered("config")
        return json.loads(text) if text else None

    @property
    def paper(self) -> str:
        """What the hub was last told of the paper."""
        return self._remembered("paper") or "ok"

    def paper_changed(self, fact: Mapping[str, Any]) -> None:
        """Writes a `printer.changed` and remembers it, so that it is told once, through restarts too."""
        with self._writing():
            self._append(fact)
            self._put("paper", fact["paper"])

    def keep_config(self, config: Mapping[str, Any]) -> None:
        """Remembers the configuration, for a start without the hub; not what changes with every ticket."""
        lasting = {key: value for key, value in config.items() if key not in ("seq", "numbers")}
        if lasting != self.config:
            self._remember(config=json.dumps(lasting))

    @property
    def agenda(self) -> dict[str, Any] | None:
        """The last agenda that the hub gave: digests, and nobody's name."""
        text = self._remembered("agenda")
        return json.loads(text) if text else None

    def keep_agenda(self, agenda: Mapping[str, Any]) -> None:
        """Remembers the agenda, for check-ins without the hub; the one before is gone."""
        self._remember(agenda=json.dumps(agenda))

    def begin_day(self, day: str, now: int) -> None:
        """Numbers begin again; what has been stored for 14 days goes. A day never goes back."""
        if day > (self.day or ""):
            with self._writing():
                self._put("known", day)
                self._db.execute("DELETE FROM numbers WHERE day < ?", (day,))
                self._db.execute("DELETE FROM facts WHERE seq < ? AND at < ?", (self.stored, now - KEPT_MS))

    def lift(self, day: str, numbers: Mapping[str, int], first: int, last: int | None) -> None:
        """Never again a number up to the one the hub knows of, by letter, within this dispenser's range."""
        with self._lock:
            known = dict(self._all("SELECT letter, number FROM numbers WHERE day = ?", day))
            news = [
                (day, letter, number)
                for letter, number in numbers.items()
                if known.get(letter, first - 1) < number <= (last or LAST)
            ]
            if news:
                with self._writing():
                    self._db.executemany("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?)", news)

    def issue(self, letter: str, first: int, last: int | None, fact: Mapping[str, Any]) -> dict[str, Any]:
        """Takes the next number of a letter and writes the fact that gives it out, in one transaction.

        Args:
            letter: of the service, such as "P".
            first, last: this dispenser's range; without a last one it goes on to 9999.
            fact: `fact`, `at`, `day`, `ticket` and the rest, without journal, seq and label.

        Returns the whole fact. Raises NoNumberLeft, and JournalError if the disk is full.
        """
        with self._writing():
            number = self._one("SELECT number FROM numbers WHERE day = ? AND letter = ?", fact["day"], letter)
            number = first if number is None else max(number + 1, first)
            if number > (last or LAST):
                raise NoNumberLeft(f"no number is left for {letter}: {first} to {last or LAST} are given")
            self._db.execute("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?)", (fact["day"], letter, number))
            whole = self._append({**fact, "label": f"{letter}{number:03d}"})
            self._put("unprinted", whole["ticket"])
        return whole

    def add(self, fact: Mapping[str, Any]) -> dict[str, Any]:
        """Writes a fact that takes no number; gives it back whole."""
        with self._writing():
            return self._append(fact)

    def void(self, issued: Mapping[str, Any], fact: Mapping[str, Any]) -> None:
        """Takes a ticket back of which nothing was printed; its number is offered again if it was the last."""
        letter, number = issued["label"].rstrip("0123456789"), int(issued["label"].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        with self._writing():
            self._append(fact)
            self._db.execute(
                "UPDATE numbers SET number = number - 1 WHERE day = ? AND letter = ? AND number = ?",
                (issued["day"], letter, number),
            )
            self._put("unprinted", "")

    def printed(self) -> None:
        """The last ticket is on paper."""
        self._remember(unprinted="")

    def unprinted(self) -> dict[str, Any] | None:
        """The last ticket, if it is not known to be on paper: its fact."""
        ticket = self._remembered("unprinted")
        return self._fact("ticket = ? ORDER BY seq", ticket) if ticket else None

    def ticket(self, day: str, label: str) -> dict[str, Any] | None:
        """The fact that gave out a label on a day, the latest if it was offered again."""
        return self._fact("day = ? AND label = ? ORDER BY seq DESC", day, label)

    def labels(self, day: str, number: int) -> list[str]:
        """The labels of a day that carry a number: 12 -> ["P012", "R012"]."""
        rows = self._all("SELECT DISTINCT label FROM facts WHERE day = ? AND label GLOB ?", day, f"[A-Z]*{number:03d}")
        return [label for (label,) in rows if int(label.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == number]

    def checked_in(self, day: str, appointment: str) -> dict[str, Any] | None:
        """The fact by which an appointment was checked in here, unless its ticket was voided."""
        return self._fact(
            "day = ? AND json_extract(body, '$.appointment') = ? AND ticket NOT IN"
            " (SELECT ticket FROM facts WHERE json_extract(body, '$.fact') = 'ticket.voided') ORDER BY seq DESC",
            day,
            appointment,
        )

    def voided(self, ticket: str) -> bool:
        """Whether a ticket of this machine was taken back."""
        return self._fact("ticket = ? AND json_extract(body, '$.fact') = 'ticket.voided'", ticket) is not None

    def facts(self, after: int, most: int) -> list[dict[str, Any]]:
        """Up to `most` whole facts after a number, in order."""
        name = self.name
        rows = self._all("SELECT seq, body FROM facts WHERE seq > ? ORDER BY seq LIMIT ?", after, most)
        return [{**json.loads(body), "journal": name, "seq": seq} for seq, body in rows]

    def acknowledge(self, journal: str, seq: int) -> None:
        """What the hub says it has stored. Another journal's name means that it has nothing of this one.

        If the hub lacks facts that are no longer kept, those that are left begin a new journal.
        """
        seq = seq if journal == self.name else 0
        if seq == self.stored:
            return
        oldest = self._one("SELECT min(seq) FROM facts")
        if seq > self.last:
            log.warning(
                "the hub has stored %d facts of %s, which has %d: a new journal begins", seq, self.name, self.last
            )
            self._begin_again(self.stored)
        elif seq < self.stored and oldest is not None and oldest > seq + 1:
            log.warning("the hub asks for facts from %d, %d is the oldest kept: a new journal begins", seq + 1, oldest)
            self._begin_again(seq)
        else:
            self._remember(stored=str(seq))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    # --- inside -------------------------------------------------------------------------

    def _begin_again(self, stored: int) -> None:
        """A new name; the facts after `stored` become 1, 2, 3... under it."""
        with self._writing():
            left = self._db.execute(
                "SELECT day, at, ticket, label, body FROM facts WHERE seq > ? ORDER BY seq", (stored,)
            )
            rows = left.fetchall()
            self._db.execute("DELETE FROM facts")
            self._db.executemany("INSERT INTO facts (day, at, ticket, label, body) VALUES (?, ?, ?, ?, ?)", rows)
            self._put("journal", _name())
            self._put("stored", "0")

    def _append(self, fact: Mapping[str, Any]) -> dict[str, Any]:
        seq = self.last + 1
        whole = {**fact, "journal": self.name, "seq": seq}
        wire.encode("fact", whole)  # ValueError now, rather than a fact that blocks those behind it
        self._db.execute(
            "INSERT INTO facts (seq, day, at, ticket, label, body) VALUES (?, ?, ?, ?, ?, ?)",
            (seq, fact["day"], wire.instant(fact["at"]), fact.get("ticket"), fact.get("label"), json.dumps(fact)),
        )
        return whole

    def _fact(self, which: str, *values: object) -> dict[str, Any] | None:
        rows = self._all(f"SELECT seq, body FROM facts WHERE {which} LIMIT 1", *values)
        return {**json.loads(rows[0][1]), "journal": self.name, "seq": rows[0][0]} if rows else None

    def _opened(self) -> sqlite3.Connection:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            try:
                return _connected(self._file)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                return self._put_aside(error)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"the journal {self._file} cannot be opened: {error}") from error

    def _put_aside(self, error: Exception) -> sqlite3.Connection:
        """Better a dispenser that waits once for the hub than one that waits for a technician."""
        aside = self._file.with_suffix(f".broken-{_name()}")
        log.error("%s is no journal (%s): it is put aside as %s, and a new one begins", self._file, error, aside.name)
        self._file.rename(aside)
        return _connected(self._file)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, one writer; it is on the disk when the block is left, or nothing of it is."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise JournalError(f"the journal {self._file} cannot be written: {error}") from error
                raise

    def _all(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise JournalError(f"the journal {self._file} cannot be read: {error}") from error

    def _one(self, query: str, *values: object) -> Any:
        rows = self._all(query, *values)
        return rows[0][0] if rows else None

    def _remembered(self, key: str) -> str | None:
        return self._one("SELECT value FROM memory WHERE key = ?", key)

    def _remember(self, **values: str) -> None:
        with self._writing():
            for key, value in values.items():
                self._put(key, value)

    def _put(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (key, value))


def _connected(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=2.0)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
    return database


def _name() -> str:
    return secrets.token_hex(4)
