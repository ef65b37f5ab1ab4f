"""An office to try rules on: it says what happens in a line of words each, and keeps its log.

office = Office()                       # a Tuesday, 09:00, four desks, nobody here
office.takes("P001", "padro")           # a ticket from the dispenser
office.calls("1") == "P001"             # desk 1 presses `next`
office.at("09:20")                      # time passes
"""

from dataclasses import replace
from datetime import date
from typing import Any

from hub.line import commands as c
from hub.line.decide import decide
from hub.line.events import Event
from hub.line.evolve import fold
from hub.line.model import Desk, Stage, State, Ticket
from hub.line.order import ahead, order
from hub.line.plan import MINUTE, Appointment, DeskPlan, Plan, Rules, Service, moment
from hub.line.views import calls

TUESDAY = date(2026, 11, 24)
SERVICES = (
    Service("padro", "P", {"ca": "Padró d'habitants"}),
    Service("registre", "R", {"ca": "Registre d'entrada"}),
    Service("idcat", "I", {"ca": "idCAT"}),
    Service("tributs", "T", {"ca": "Tributs i rebuts"}, by_appointment_reason="Ordenança 12"),
    Service("informacio", "A", {"ca": "Informació"}),
)
EVERY = tuple(service.id for service in SERVICES)
MORNINGS = (((540, 840),),) * 5 + ((),) * 2  # Monday to Friday, 09:00-14:00
ROUND_THE_CLOCK = (((0, 1440),),) * 7
PLAN = Plan(
    office="mont-roig",
    name="OMAC Mont-roig del Camp",
    timezone="Europe/Madrid",
    services=SERVICES,
    desks=(DeskPlan("1", EVERY), DeskPlan("2", EVERY), DeskPlan("3", EVERY), DeskPlan("4", ("registre", "informacio"))),
    hours=MORNINGS,
)

# The same with two desks that share no service.
APART = replace(PLAN, desks=(DeskPlan("1", ("padro",)), DeskPlan("2", ("registre",))))

DESKS_OF_EIGHT = replace(PLAN, desks=tuple(DeskPlan(str(number), EVERY) for number in range(1, 9)))


def with_rules(**rules: Any) -> Plan:
    """The plan with some rules changed."""
    return replace(PLAN, rules=Rules(**rules))


def what_is(state: State) -> tuple[object, ...]:
    """All of a state that an undo brings back: all but the counters, which go on."""
    tickets = {id: replace(ticket, touched=0) for id, ticket in state.tickets.items()}
    desks = {id: replace(desk, version=0) for id, desk in state.desks.items()}
    return state.day, tickets, desks, state.paused, state.pauses, state.bounded, calls(state, str)


class Office:
    """One office as it goes through a day; `log` is all that happened."""

    def __init__(self, plan: Plan = PLAN, day: date = TUESDAY, at: str = "09:00") -> None:
        self.day = day
        self.state = State(plan.office)
        self.log: list[Event] = []
        self.now = 0
        self.plan = plan
        self.at(at)
        self.does(c.Adopt("hub", plan))

    # --- time -------------------------------------------------------------------------------

    def clock(self, hour: str) -> int:
        """That hour of the office's day, as a moment."""
        hours, minutes = hour.split(":")
        return moment(self.plan, self.day, int(hours) * 60 + int(minutes))

    def at(self, hour: str) -> None:
        """It is that hour now."""
        self.now = self.clock(hour)

    def later(self, minutes: float) -> None:
        """So many minutes pass."""
        self.now += round(minutes * MINUTE)

    # --- what is done -----------------------------------------------------------------------

    def does(self, command: c.Command) -> list[Event]:
        """Decides and applies a command; a LineError leaves everything as it was."""
        events = decide(self.state, command, self.now)
        self.state = fold(self.state, events)
        self.log += events
        return events

    def takes(self, label: str, *services: str, **more: Any) -> str:
        """Somebody takes this ticket at the dispenser; the label is also the ticket's id."""
        names = services or ("padro",)
        self.does(c.Issue("dispenser-1", label, f"token-of-{label}", label, names, at=self.now, **more))
        return label

    def checks_in(self, label: str, hour: str, *services: str, grace: int = 0) -> str:
        """Somebody with an appointment at this hour checks in."""
        return self.takes(label, *services, appointment=Appointment(f"of-{label}", self.clock(hour), grace))

    def calls(self, desk: str) -> str | None:
        """The desk presses `next`; who is called."""
        self.does(c.Next("anna", desk))
        return self.desk(desk).ticket

    def misses(self, desk: str) -> None:
        """Nobody came to the desk."""
        self.does(c.MarkAbsent("anna", desk))

    # --- what is seen -----------------------------------------------------------------------

    def ticket(self, label: str) -> Ticket:
        """The ticket as it is now."""
        return self.state.tickets[label]

    def stage(self, label: str) -> Stage:
        """Where the ticket is."""
        return self.ticket(label).stage

    def desk(self, id: str) -> Desk:
        """The desk as it is now."""
        return self.state.desks[id]

    def line(self) -> list[str]:
        """Those who wait, in order."""
        return [ticket.label for ticket in order(self.state, self.now)]

    def ahead(self, label: str) -> int:
        """How many stand before the ticket."""
        return ahead(self.state, self.now)[label]

    def reason(self, label: str) -> str | None:
        """Why it was called."""
        return self.ticket(label).reason
