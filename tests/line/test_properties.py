"""What must always hold, whatever people and machines do: mornings made up by hypothesis."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hub.line import commands as c
from hub.line.errors import LineError
from hub.line.events import DayOpened, Event, TicketCalled, pack, unpack
from hub.line.evolve import evolve, fold, shown
from hub.line.model import Stage, State
from hub.line.order import ahead, held, next_up, order, standing
from hub.line.plan import MINUTE, Appointment, DeskPlan, Plan, Rules
from tests.line.office import EVERY, PLAN, TUESDAY, Office, what_is

DESKS = st.sampled_from(["1", "1", "2", "2", "4", "9"])  # 9 comes and goes with the plan
SERVICES = st.lists(st.sampled_from(["padro", "registre", "informacio"]), min_size=1, max_size=3, unique=True)
AT_DESK = (*(c.Next,) * 6, c.Open, c.Close, c.PauseDesk, c.Recall, c.MarkAbsent, c.MarkAbsent, c.Start, c.Done)
BY_CITIZEN = (c.Rejoin, c.Rejoin, c.LetPass, c.LetPass, c.Leave)
HAPPENS = (
    *("time_passes",) * 4,
    *("somebody_takes_a_ticket",) * 6,
    *("somebody_checks_in",) * 2,
    *("a_clerk_acts",) * 9,
    *("a_clerk_undoes",) * 2,
    *("a_clerk_brings_somebody_back",) * 2,
    *("a_citizen_acts",) * 3,
    "a_clerk_transfers",
    "a_clerk_parks",
    "a_citizen_chooses_again",
    "a_paper_fails",
    "the_alarm_rings",
    *("the_alarm_is_over",) * 2,
    "the_offices_file_changes",
    "the_hub_looks_at_the_clock",
    "a_day_passes",
)
Draw = Callable[[st.SearchStrategy], Any]


def plan_with(bound: int | None, let_pass: int, ninth: bool) -> Plan:
    """A plan in which desk 1 serves everything, desk 4 two services, and desk 9 may be there or not."""
    rules = Rules(walk_in_max_wait_minutes=bound, let_pass=let_pass, early_minutes=10, late_minutes=5)
    extra = (DeskPlan("9", ("padro", "informacio")),) if ninth else ()
    return replace(PLAN, desks=PLAN.desks + extra, rules=rules)


PLANS = st.builds(plan_with, st.sampled_from([None, 0, 5, 30]), st.integers(1, 3), st.booleans())


class Morning(RuleBasedStateMachine):
    """One office, and everybody who asks something of it, lawful or not."""

    @initialize(plan=PLANS)
    def begins(self, plan: Plan) -> None:
        self.office = Office(plan, day=TUESDAY)
        self.given = 0
        self.versions: dict[str, int] = {}
        self.calls: list[TicketCalled] = []  # those of today that stand

    def asks(self, command: c.Command) -> list[Event]:
        """A refusal changes nothing; each event is watched as it comes."""
        before = self.office.state
        try:
            events = self.office.does(command)
        except LineError:
            assert self.office.state is before
            return []
        for event in events:
            after = evolve(before, event)
            self.watches(before, event, after)
            before = after
        return events

    def watches(self, before: State, event: Event, after: State) -> None:
        """Calls are lawful, and a version grows exactly where what a desk shows changes."""
        if isinstance(event, TicketCalled):
            assert before.tickets[event.ticket].stage in (Stage.WAITING, Stage.PARKED)
            assert before.desks[event.desk].ticket is None
            assert [call.reason for call in (*self.calls[-1:], event)] != ["waited_too_long"] * 2
            self.calls.append(event)
        if isinstance(event, DayOpened):
            self.calls = []
        for id in before.desks.keys() & after.desks.keys():
            changed = shown(before, before.desks[id]) != shown(after, after.desks[id])
            assert after.desks[id].version == before.desks[id].version + changed

    # --- what people and machines do --------------------------------------------------------

    @rule(what=st.sampled_from(HAPPENS), draw=st.data())
    def something_happens(self, what: str, draw: st.DataObject) -> None:
        """One rule for all: were they many, hypothesis would leave most of them out of most mornings."""
        getattr(self, what)(draw.draw)

    def time_passes(self, draw: Draw) -> None:
        self.office.later(draw(st.sampled_from([0.001, 1, 4, 11, 40])))

    def somebody_takes_a_ticket(self, draw: Draw) -> None:
        back_by = draw(st.sampled_from([None, self.office.now + 20 * MINUTE]))
        self.issues(draw(SERVICES), draw(st.sampled_from([0, 0, 3])), priority=draw(st.booleans()), back_by=back_by)

    def somebody_checks_in(self, draw: Draw) -> None:
        start = self.office.now + draw(st.integers(-30, 30)) * MINUTE
        self.issues(draw(SERVICES), 0, appointment=Appointment(f"a{self.given}", start))

    def issues(self, services: list[str], ago: int, **more: object) -> None:
        self.given += 1
        id = f"t{self.given}"
        at = self.office.now - ago * MINUTE
        self.asks(c.Issue("d", id, f"token-{id}", f"P{self.given:03d}", tuple(services), at=at, **more))

    def a_clerk_acts(self, draw: Draw) -> None:
        self.acts(draw(st.sampled_from(AT_DESK))("anna", draw(DESKS)))

    def a_clerk_transfers(self, draw: Draw) -> None:
        self.acts(c.Transfer("anna", draw(DESKS), service=draw(st.sampled_from(EVERY))))

    def a_clerk_parks(self, draw: Draw) -> None:
        self.acts(c.Park("anna", draw(DESKS), room="sala 2"))

    def a_clerk_brings_somebody_back(self, draw: Draw) -> None:
        parked = self.those(Stage.PARKED) or list(self.office.state.tickets)
        if parked:
            ticket = draw(st.sampled_from(parked))
            self.acts(c.Resume("anna", draw(DESKS), ticket=ticket, to_line=draw(st.booleans())))

    def acts(self, command: c.DeskCommand) -> None:
        """Whatever a desk does, an undo at once brings everything back, times and all."""
        self.asks(c.Tick("hub"))
        before = what_is(self.office.state)
        if self.asks(command):
            office = _copy(self.office)
            office.does(c.Undo("anna", command.desk))
            assert what_is(office.state) == before

    def a_clerk_undoes(self, draw: Draw) -> None:
        desk = draw(DESKS)
        step = self.office.state.steps.get(desk)
        if self.asks(c.Undo("anna", desk)):
            self.calls = [call for call in self.calls if call.desk != desk or call.step != step.number]

    def a_citizen_acts(self, draw: Draw) -> None:
        verb = draw(st.sampled_from(BY_CITIZEN))
        fitting = self.those(Stage.ABSENT) if verb is c.Rejoin else self.those(Stage.WAITING, Stage.CALLED)
        if fitting:
            self.asks(verb("citizen", draw(st.sampled_from(fitting))))

    def a_citizen_chooses_again(self, draw: Draw) -> None:
        self.asks(c.Reassign("citizen", f"t{draw(st.integers(1, self.given + 1))}", draw(st.sampled_from(EVERY))))

    def a_paper_fails(self, draw: Draw) -> None:
        self.asks(c.Void("d", f"t{draw(st.integers(1, self.given + 1))}", "printer"))

    def the_alarm_rings(self, draw: Draw) -> None:
        self.asks(c.PauseOffice("anna", "Simulacre"))

    def the_alarm_is_over(self, draw: Draw) -> None:
        self.asks(c.ResumeOffice("anna"))

    def the_offices_file_changes(self, draw: Draw) -> None:
        self.asks(c.Adopt("hub", draw(PLANS)))

    def the_hub_looks_at_the_clock(self, draw: Draw) -> None:
        self.asks(c.Tick("hub"))

    def a_day_passes(self, draw: Draw) -> None:
        if draw(st.integers(0, 9)) == 7:
            self.office.later(24 * 60)

    def those(self, *stages: Stage) -> list[str]:
        return [id for id, ticket in self.office.state.tickets.items() if ticket.stage in stages]

    # --- what holds all the time ------------------------------------------------------------

    @invariant()
    def a_ticket_is_at_one_desk_at_most(self) -> None:
        desks = self.office.state.desks.values()
        at_desks = {desk.ticket: desk.id for desk in desks if desk.ticket}
        held_there = self.those(Stage.CALLED, Stage.SERVING)

        assert sorted(at_desks) == sorted(held_there)
        assert len(at_desks) == sum(desk.ticket is not None for desk in desks)
        assert all(self.office.ticket(id).desk == desk for id, desk in at_desks.items())

    @invariant()
    def a_desk_with_somebody_is_calling_or_serving(self) -> None:
        for desk in self.office.state.desks.values():
            assert (desk.ticket is not None) == (desk.stage.value in ("calling", "serving"))

    @invariant()
    def versions_never_shrink(self) -> None:
        for id, desk in self.office.state.desks.items():
            assert desk.version >= self.versions.get(id, 0)
            self.versions[id] = desk.version

    @invariant()
    def the_line_has_everybody_who_waits_once(self) -> None:
        assert sorted(self.office.line()) == sorted(self.office.ticket(id).label for id in self.those(Stage.WAITING))

    @invariant()
    def no_two_stand_at_the_same_place(self) -> None:
        rules = self.office.state.plan.rules
        waiting = [self.office.ticket(id) for id in self.those(Stage.WAITING)]
        for bound in (False, True):
            ranks = [held(standing(ticket, rules), self.office.now, bound).rank for ticket in waiting]
            assert len(set(ranks)) == len(ranks)

    @invariant()
    def who_is_next_is_the_first_of_the_order_for_every_choice_of_services(self) -> None:
        for services in (EVERY, ("registre", "informacio"), ("padro",), ()):
            shown_first = next(iter(order(self.office.state, self.office.now, services)), None)
            found = next_up(self.office.state, services, self.office.now)
            assert (found[0] if found else None) == shown_first

    @invariant()
    def without_a_bound_a_desk_calls_in_the_one_order_and_leaves_out_what_it_does_not_serve(self) -> None:
        state, now = self.office.state, self.office.now
        if state.plan.rules.walk_in_max_wait_minutes is None:
            some = [ticket for ticket in order(state, now) if ticket.service in ("registre", "informacio")]
            if not any(rank[0] == 0 for ticket in some for rank in ticket.place):
                assert order(state, now, ("registre", "informacio")) == some

    @invariant()
    def ahead_counts_those_who_stand_before_and_share_a_desk(self) -> None:
        state, line = self.office.state, order(self.office.state, self.office.now)
        counted = {
            ticket.id: sum(state.plan.shares_desk(other.service, ticket.service) for other in line[:position])
            for position, ticket in enumerate(line)
        }
        assert ahead(state, self.office.now) == counted

    # --- what holds in the end --------------------------------------------------------------

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.the_log_read_again_gives_the_same_office()
            self.the_order_shown_is_the_order_called()
            self.once_arrivals_stop_everybody_is_called()

    def the_log_read_again_gives_the_same_office(self) -> None:
        read = [unpack(pack(event)) for event in self.office.log]

        assert read == self.office.log
        assert fold(State(self.office.state.office), read) == self.office.state

    def the_order_shown_is_the_order_called(self) -> None:
        office = _awake(self.office)
        office.does(c.Close("anna", "1"))
        shown_now, called = office.line(), []
        while id := office.calls("1"):
            called.append(office.ticket(id).label)
            office.misses("1")

        assert called == shown_now

    def once_arrivals_stop_everybody_is_called(self) -> None:
        office = _awake(self.office)
        desks = list(office.state.desks)
        for _ in range(4 * len(office.state.tickets) + 1):  # three services each at most, and the desks' first
            for desk in desks:
                office.calls(desk)

        assert {ticket.stage for ticket in office.state.tickets.values()} <= {
            *(Stage.PARKED, Stage.ABSENT, Stage.DONE, Stage.LEFT, Stage.VOIDED)
        }


def _copy(office: Office) -> Office:
    """The same office, to try something out on."""
    copy = object.__new__(Office)
    vars(copy).update(vars(office), log=[])
    return copy


def _awake(office: Office) -> Office:
    """A copy of the office in which nothing stands still."""
    copy = _copy(office)
    copy.does(c.ResumeOffice("anna"))
    return copy


def test_whatever_happens_what_must_always_hold_holds() -> None:
    run_state_machine_as_test(Morning, settings=settings(max_examples=70, stateful_step_count=100))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("steps", [50, 200])
def test_whatever_happens_in_a_long_morning_what_must_always_hold_holds(steps: int) -> None:
    run_state_machine_as_test(Morning, settings=settings(max_examples=1000, stateful_step_count=steps))
