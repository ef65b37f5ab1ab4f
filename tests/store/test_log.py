"""The log: one order of events, whoever writes; nothing lost, nothing twice."""

import threading
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.line import commands as c
from hub.line import errors
from hub.line.events import DayOpened, unpack
from hub.line.model import Stage
from hub.line.plan import HOUR
from hub.store import Store, schema
from hub.store.store import StoreAway, Work
from hub.store.upgrade import upgrade
from tests.line.office import DESKS_OF_EIGHT
from tests.parts import Process, free_port, wait_until
from tests.store.mornings import NINE, OFFICE, does, log_of, opens, takes, ticket


def together(*acts) -> list[object]:
    """Runs all acts at once, each in a thread of its own; their answers, or their errors."""
    gate, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int) -> None:
        gate.wait()
        try:
            answers[place] = acts[place]()
        except Exception as error:
            answers[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


# --- one process ----------------------------------------------------------------------------


def test_what_one_store_writes_another_reads(store: Store, other: Store) -> None:
    opens(store)
    takes(store, 3)

    assert other.state(OFFICE) == store.state(OFFICE)
    assert len(other.state(OFFICE).tickets) == 3


def test_a_store_carries_on_what_others_wrote_meanwhile(store: Store, other: Store) -> None:
    opens(store)
    takes(store, 2, "a")
    takes(other, 2, "b")
    takes(store, 1, "c")

    assert [row["seq"] for row in log_of(store)] == list(range(1, 7))
    assert other.state(OFFICE) == store.state(OFFICE)


def test_the_state_folds_from_the_last_day_that_began(store: Store, other: Store) -> None:
    opens(store)
    takes(store, 3)
    does(store, c.Tick("hub"), NINE + 24 * HOUR)
    takes(store, 2, "b", NINE + 24 * HOUR)

    state = other.state(OFFICE)

    assert state.day == "2026-11-25"
    assert list(state.tickets) == ["b-1", "b-2"]
    assert state == store.state(OFFICE)


def test_an_office_nobody_has_told_of_is_empty(store: Store) -> None:
    assert store.state("nowhere").seq == 0


def test_the_events_after_a_number_come_in_order(store: Store) -> None:
    opens(store)
    takes(store, 3)

    events = store.events(OFFICE, 2)

    assert [event.ticket for event in events] == ["t-2", "t-3"]
    assert isinstance(store.events(OFFICE, 0)[0], DayOpened)


def test_a_command_that_is_refused_writes_nothing(store: Store) -> None:
    opens(store)
    before = log_of(store)

    with pytest.raises(errors.Unknown):
        does(store, c.Next("anna", "99"))

    assert log_of(store) == before


def test_an_act_that_fails_half_way_writes_nothing_of_it(store: Store, other: Store) -> None:
    opens(store)
    before = store.state(OFFICE)

    def half(work: Work) -> None:
        work.do(OFFICE, ticket("a"), NINE)
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        store.transact(half)

    assert store.state(OFFICE) == other.state(OFFICE) == before


def test_several_commands_of_one_act_see_each_other(store: Store) -> None:
    opens(store)

    def both(work: Work) -> None:
        work.do(OFFICE, ticket("a"), NINE)
        work.do(OFFICE, c.Next("anna", "1"), NINE)

    store.transact(both)

    assert store.state(OFFICE).desks["1"].ticket == "a"


def test_the_log_has_one_event_at_each_place(store: Store) -> None:
    opens(store)
    again = log_of(store)[0]

    with pytest.raises(sa.exc.IntegrityError), store.begin(write=True) as connection:
        connection.execute(schema.log.insert(), again)


def test_the_log_says_when_and_what_beside_each_event(store: Store) -> None:
    opens(store)
    takes(store, 1)

    row = log_of(store)[-1]

    assert (row["at"], row["kind"]) == (NINE, "ticket.issued")
    assert unpack(row["event"]).ticket == "t-1"


# --- several at once ------------------------------------------------------------------------


def test_two_processes_that_write_at_once_lose_and_double_nothing(store: Store, database: str) -> None:
    opens(store)
    writers = [Process("-m", "tests.store.mornings", database, name, 60).start() for name in ("a", "b")]

    for writer in writers:
        wait_until(lambda writer=writer: "done" in writer.lines, 60, "the writer's end")
        writer.stop()

    events = [unpack(row["event"]) for row in log_of(store)]
    issued = [event.ticket for event in events[1:]]
    assert sorted(issued) == sorted(f"{name}-{number}" for name in ("a", "b") for number in range(1, 61))
    assert [row["seq"] for row in log_of(store)] == list(range(1, 122))
    assert all("done" in writer.lines for writer in writers)


def test_clerks_who_call_at_once_get_different_people(store: Store, database: str) -> None:
    does(store, c.Adopt("hub", DESKS_OF_EIGHT))
    takes(store, 6)
    stores = [Store(database) for _ in range(8)]

    answers = together(
        *(lambda s=s, desk=desk: does(s, c.Next("anna", str(desk + 1))) for desk, s in enumerate(stores))
    )

    state = store.state(OFFICE)
    called = [desk.ticket for desk in state.desks.values() if desk.ticket]
    assert all(isinstance(answer, list) for answer in answers)
    assert sorted(called) == sorted(state.tickets)
    assert all(ticket.stage is Stage.CALLED for ticket in state.tickets.values())
    for each in stores:
        each.dispose()


def test_one_store_serves_many_threads_at_once(store: Store, other: Store) -> None:
    opens(store)

    together(*(lambda name=name: takes(store, 5, name) for name in "abcdef"))

    assert len(store.state(OFFICE).tickets) == 30
    assert other.state(OFFICE) == store.state(OFFICE)


def test_writers_of_one_office_take_turns_and_none_has_to_decide_again(store: Store, other: Store) -> None:
    opens(store)
    decided: list[str] = []

    def gives(at: Store, name: str) -> None:
        for number in range(10):

            def act(work: Work, id: str = f"{name}{number}") -> None:
                decided.append(id)
                work.do(OFFICE, ticket(id), NINE)

            at.transact(act, office=OFFICE)

    assert (
        together(*(partial(gives, at, name) for at, name in ((store, "a"), (store, "b"), (other, "c")))) == [None] * 3
    )
    assert len(decided) == len(set(decided)) == 30
    assert len(other.state(OFFICE).tickets) == 30


def test_a_writer_that_stands_still_in_its_turn_does_not_stop_the_others(postgres_url: str) -> None:
    store, other = Store(postgres_url), Store(postgres_url)
    upgrade(store)
    opens(store)
    inside, go_on = threading.Event(), threading.Event()

    def stands_still(work: Work) -> None:
        work.state(OFFICE)
        inside.set()
        go_on.wait(30)
        work.do(OFFICE, ticket("late"), NINE)

    sleeper = threading.Thread(target=lambda: store.transact(stands_still, office=OFFICE))
    sleeper.start()
    assert inside.wait(10)
    other.transact(lambda work: work.do(OFFICE, ticket("early"), NINE), office=OFFICE)
    go_on.set()
    sleeper.join(30)

    assert [row["seq"] for row in log_of(store)] == [1, 2, 3]  # and who stood still decided anew
    assert {"early", "late"} == set(other.state(OFFICE).tickets)
    for each in (store, other):
        each.dispose()


def test_a_turn_ends_with_the_connection_whatever_goes_wrong_in_it(store: Store, other: Store) -> None:
    opens(store)

    def fails(work: Work) -> None:
        raise errors.Unknown("nobody")

    for _ in range(20):  # more than there are connections
        with pytest.raises(errors.Unknown):
            store.transact(fails, office=OFFICE)
    decided = []
    other.transact(lambda work: (decided.append(1), work.do(OFFICE, ticket("next"), NINE)), office=OFFICE)

    assert decided == [1]
    if store.engine.dialect.name == "postgresql":
        with other.begin() as connection:
            assert (
                connection.execute(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar() == 0
            )


def test_two_presses_for_one_version_call_one_person(store: Store, other: Store) -> None:
    opens(store)
    takes(store, 3)
    version = store.state(OFFICE).desks["1"].version

    answers = together(*(lambda s=s: does(s, c.Next("anna", "1", version)) for s in (store, other)))

    assert sorted(type(answer) for answer in answers if not isinstance(answer, list)) == [errors.OutOfDate]
    assert sum(ticket.called is not None for ticket in store.state(OFFICE).tickets.values()) == 1


# --- power cuts, full disks, databases that are away ----------------------------------------


def test_a_writer_that_is_killed_leaves_a_log_with_all_that_it_said_was_safe(store: Store, database: str) -> None:
    opens(store)
    writer = Process("-m", "tests.store.mornings", database, "a", 100_000).start()
    wait_until(lambda: len(writer.lines) > 40, 30, "forty tickets")

    writer.kill()

    said = [line for line in writer.lines if line.startswith("a-")]
    kept = list(store.state(OFFICE).tickets)
    assert kept[: len(said)] == said
    assert len(kept) - len(said) <= 1  # the one that was safe but not yet said
    assert [row["seq"] for row in log_of(store)] == list(range(1, len(kept) + 2))
    takes(store, 1, "after")


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'torn.sqlite'}")

    with store.begin(write=True) as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()

    assert (mode, synchronous) == ("wal", 2)  # 2 is FULL


def test_a_full_disk_is_said_clearly_and_nothing_that_was_safe_is_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'torn.sqlite'}"
    store = Store(url)
    upgrade(store)
    opens(store)
    store.dispose()
    sa.event.listen(store.engine, "connect", _may_grow_by_ten_pages)
    safe = []

    with pytest.raises(StoreAway, match="the database does not take this now: .*full"):
        while True:
            id = f"t-{len(safe) + 1}"
            does(store, ticket(id))
            safe.append(id)

    store.dispose()
    afterwards = Store(url)
    assert list(afterwards.state(OFFICE).tickets) == safe
    assert takes(afterwards, 1, "after") == ["after-1"]
    afterwards.dispose()


def _may_grow_by_ten_pages(connection: object, record: object) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 10}")


@pytest.mark.parametrize("address", ["sqlite:////nowhere/at/all/torn.sqlite", "postgresql://nobody@127.0.0.1:{port}/x"])
def test_a_database_that_is_away_is_said_to_be_away(address: str) -> None:
    store = Store(address.format(port=free_port()))

    with pytest.raises(StoreAway, match="the database does not take this now"):
        store.answers()


@pytest.mark.parametrize("office", ["", OFFICE])
def test_a_store_recovers_by_itself_when_the_server_has_thrown_it_out(postgres_url: str, office: str) -> None:
    store, outside = Store(postgres_url), Store(postgres_url)
    upgrade(store)
    opens(store)
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with outside.begin() as connection:
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) {others}"))

    def nobody_is_left() -> bool:
        with outside.begin() as connection:
            return connection.execute(sa.text(f"SELECT count(*) {others}")).scalar() == 0

    wait_until(nobody_is_left, 10, "the end of the connections")
    store.transact(lambda work: work.do(OFFICE, ticket("next"), NINE), office=office)
    assert list(store.state(OFFICE).tickets) == ["next"]
    store.dispose()
    outside.dispose()


def test_a_writer_waits_for_the_others_and_says_when_that_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'torn.sqlite'}"
    store, busy = Store(url), Store(url)
    upgrade(store)
    monkeypatch.setattr("hub.store.store.LOCKED_FOR", 0.05)

    with busy.begin(write=True), pytest.raises(StoreAway, match="locked"):
        opens(store)

    opens(store)
    store.dispose()
    busy.dispose()
