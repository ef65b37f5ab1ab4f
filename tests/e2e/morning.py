"""A morning at two offices with the project's real processes: people, desks, phones, and a hand that kills.

with Morning(folder, seed=3, tickets=300) as morning:
    morning.until_papers(40)
    morning.kill("broker")
    morning.until_everybody_was_called()
    morning.faults()
"""

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import psutil
import requests

from tests.e2e.books import Books
from tests.e2e.desks import Button, Clerk, Keyboard, Reception
from tests.e2e.dispensers import Dispenser
from tests.e2e.phones import Phones
from tests.e2e.recorder import Recorder
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, listens, wait_until

OFFICES = ("mont-roig", "miami-platja")
SECOND_DISPENSER = """
  [[office.device]]
  id = "montroig-dispenser-2"
  kind = "dispenser"
  first_number = 500
"""
DISPENSERS = ("montroig-dispenser-1", "montroig-dispenser-2", "miamiplatja-dispenser-1")
KEYBOARDS = (("mont-roig", "1"), ("mont-roig", "2"), ("miami-platja", "1"))
BUTTONS = (
    ("mont-roig", "3", "montroig-desk-3"),
    ("mont-roig", "4", "montroig-desk-4"),
    ("miami-platja", "2", "miamiplatja-desk-2"),
)
RECEPTION = 20  # tickets
ENDED = {"done", "absent"}


class Morning:
    """From the first ticket to the last call. `database` is an address; without one the hub has SQLite."""

    def __init__(self, folder: Path, seed: int, tickets: int, database: str | None = None) -> None:
        self.seed = seed
        self.database = database or f"sqlite:///{folder / 'hub' / 'torn.db'}"
        self.broker = Mosquitto(folder / "mosquitto")
        self.hub = Hub(folder / "hub", offices=offices_file(folder), broker=self.broker.url, database=database)
        tickets -= RECEPTION
        shares = [tickets - 2 * (tickets // 3), tickets // 3, tickets // 3]
        self.dispensers = [
            Dispenser(device, folder / "cards", self.broker.port, share, seed)
            for device, share in zip(DISPENSERS, shares, strict=True)
        ]
        self.clerks: list[Clerk] = []
        self.made_up: list[bytes] = []  # payloads that a test says itself, and that need not be to the contract
        self._closing = ExitStack()

    def __enter__(self) -> "Morning":
        try:
            self._open()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.close()

    def _open(self) -> None:
        for part in (self.broker, self.hub):
            self._closing.callback(part.stop)
            part.start()
        self.recorder = Recorder(self.broker.port)
        self._closing.callback(self.recorder.stop)
        self.recorder.start()
        token = self.hub.token("clerk")
        self.reception = Reception(self.hub, token, "mont-roig", RECEPTION)
        self._begin_work(token)
        self.phones = Phones(self.hub.http, lambda: [token for _, token in self.papers])
        self._closing.callback(self.phones.stop)
        self.phones.start()
        for dispenser in self.dispensers:
            self._closing.callback(dispenser.stop)
            dispenser.start()

    def _begin_work(self, token: str) -> None:
        self.clerks += [Keyboard(self.hub, token, office, desk, self.seed) for office, desk in KEYBOARDS]
        self.clerks += [Button(self.broker.port, office, desk, name, self.seed) for office, desk, name in BUTTONS]
        for worker in (*self.clerks, self.reception):
            self._closing.callback(worker.stop)
            worker.start()

    # --- what is to be seen -----------------------------------------------------------------

    @property
    def papers(self) -> list[tuple[str, str]]:
        """Label and token of every slip that came out, and of what reception gave."""
        return [slip for dispenser in self.dispensers for slip in dispenser.papers] + list(self.reception.given)

    # --- what happens -------------------------------------------------------------------------

    def until_papers(self, count: int) -> None:
        """Until so many slips are out."""
        wait_until(lambda: len(self.papers) >= count, 120, f"slip {count}")

    def kill(self, what: str) -> None:
        """SIGKILL, and what systemd does then: starts it again. `what` is a part, or a dispenser's id."""
        {
            "hub": self._kill_hub,
            "bridge": lambda: self._kill_child(web=False),
            "web": lambda: self._kill_child(web=True),
            "broker": self._kill_broker,
            "broker emptied": self.broker.restart_empty,
        }.get(what, lambda: self._kill_dispenser(what))()

    def _kill_hub(self) -> None:
        self.hub.kill()
        wait_until(lambda: not listens(self.hub.http), 10, "the end of the hub's children")
        self.hub.start()

    def _kill_child(self, web: bool) -> None:
        """The bridge, or the one that listens; the hub starts it again itself."""
        for child in psutil.Process(self.hub.pid).children():
            with suppress(psutil.NoSuchProcess):  # the one before it may be dying still
                if _listens(child, self.hub.http) == web:
                    child.kill()

    def _kill_broker(self) -> None:
        self.broker.kill()
        self.broker.start()

    def _kill_dispenser(self, device: str) -> None:
        (dispenser,) = [each for each in self.dispensers if each.device == device]
        dispenser.kill()
        dispenser.start()

    def until_everybody_was_called(self, seconds: float = 120) -> None:
        """Until all slips are out, nobody waits, and every phone knows how its visit ended."""
        wait_until(lambda: all(dispenser.finished for dispenser in self.dispensers), seconds, "the last slip")
        wait_until(lambda: len(self.reception.given) == RECEPTION, seconds, "reception's last ticket")
        wait_until(self._all_called, seconds, "the last call")
        for clerk in self.clerks:
            clerk.stop()
        self._finish()
        wait_until(lambda: set(self.phones.states().values()) <= ENDED, 30, "the phones' last word")

    def _all_called(self) -> bool:
        """By the log: the public line may be a moment behind it."""
        outcomes = Books(self.database).outcomes()
        return all(outcomes.get(token, "waiting") != "waiting" for _, token in self.papers)

    def _finish(self) -> None:
        """Whoever is at a desk is done; a desk that is free refuses."""
        header = {"Authorization": f"Bearer {self.hub.token('clerk')}"}
        for clerk in self.clerks:
            address = self.hub.url(f"/api/v1/offices/{clerk.office}/desks/{clerk.desk}/done")
            requests.post(address, headers=header, timeout=10)

    # --- what must hold -----------------------------------------------------------------------

    def faults(self) -> list[str]:
        """Everything that must not be, a line each; empty after a good morning."""
        books = Books(self.database)
        return [
            *books.faults(),
            *self._papers_amiss(books),
            *self._phones_amiss(books),
            *self._calls_amiss(books),
            *self.reception.wrong,
            *(wrong for clerk in self.clerks for wrong in clerk.wrong),
            *(f"the hub: {line}" for line in self.hub.lines if "Traceback" in line),
            *self.recorder.faults(self.made_up),
        ]

    def _papers_amiss(self, books: Books) -> list[str]:
        """Every slip is in the log once, with its number, as given by its dispenser."""
        faults = []
        for dispenser in self.dispensers:
            logged = [(event["label"], event["token"]) for event in books.issued(dispenser.device)]
            faults += [
                f"{dispenser.device}: slip {slip} is not in the log" for slip in set(dispenser.papers) - set(logged)
            ]
            faults += _twice(f"{dispenser.device}: slip", [label for label, _ in dispenser.papers])
            faults += _twice(f"{dispenser.device}: in the log", [label for label, _ in logged])
            journaled = dispenser.journaled()
            faults += [f"{dispenser.device}: log and journal differ"] if sorted(journaled) != sorted(logged) else []
        by_hand = [event["token"] for event in books.issued() if event["by"] not in DISPENSERS]
        answered = [token for _, token in self.reception.given]
        return faults + (
            [] if sorted(by_hand) == sorted(answered) else [f"reception: {by_hand} by the log, {answered}"]
        )

    def _phones_amiss(self, books: Books) -> list[str]:
        """Each phone shows what the log says, and none ever came back from an end that is final."""
        outcomes, faults = books.outcomes(), []
        for token, phone in self.phones.phones.items():
            states = [told["state"] for told in phone.told]
            if phone.state != outcomes.get(token):
                faults.append(f"phone {token}: {phone.state}, {outcomes.get(token)} by the log")
            if "done" in states and set(states[states.index("done") :]) != {"done"}:
                faults.append(f"phone {token}: {states}")
        return faults

    def _calls_amiss(self, books: Books) -> list[str]:
        """Nobody was called to two desks, and no answer names somebody whom another one named."""
        faults = _twice("called", [event["ticket"] for event in books.calls()])
        for office in OFFICES:
            answered = [label for clerk in self.clerks if clerk.office == office for label in clerk.called]
            faults += _twice(f"{office}: answered", answered)
        return faults


def _listens(process: psutil.Process, port: int) -> bool:
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp"))


def _twice(what: str, names: list[str]) -> list[str]:
    return [f"{what} twice: {name}" for name in sorted(set(names)) if names.count(name) > 1]


def offices_file(folder: Path) -> Path:
    """The offices that are open round the clock, with a second dispenser at the first."""
    text = ROUND_THE_CLOCK.read_text(encoding="utf-8")
    first, mark, second = text.rpartition("\n[[office]]")
    file = folder / "offices.toml"
    file.write_text(first + SECOND_DISPENSER + mark + second, encoding="utf-8")
    return file
