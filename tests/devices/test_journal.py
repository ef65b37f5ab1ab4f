"""The dispenser's memory: no number twice, nothing lost, whatever fails."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.journal import Journal, JournalError, NoNumberLeft
from firmware import wire
from tests.parts import ROOT

DAY, NOW = "2026-11-24", wire.instant("2026-11-24T10:00:00Z")
DAYS = 24 * 3600 * 1000


def fact(kind: str = "ticket.issued", day: str = DAY, at: int = NOW, **more: object) -> dict:
    whole = {"fact": kind, "at": wire.stamp(at), "day": day, "ticket": str(uuid.uuid4())}
    if kind == "ticket.issued":
        whole |= {"token": "x" * 22, "service": "padro"}
    return whole | more


def issue(journal: Journal, letter: str = "P", first: int = 1, last: int | None = None, **more: object) -> str:
    return journal.issue(letter, first, last, fact(**more))["label"]


@pytest.fixture
def journal(tmp_path):
    one = Journal(tmp_path / "dispenser.journal")
    one.begin_day(DAY, NOW)
    yield one
    one.close()


# --- numbers ---


def test_each_letter_has_its_own_series_within_the_dispensers_range(journal):
    labels = [issue(journal), issue(journal, "R", 500), issue(journal), issue(journal, "R", 500)]

    assert labels == ["P001", "R500", "P002", "R501"]


def test_a_range_ends_where_the_next_begins_and_the_last_goes_on_with_four_digits(journal):
    journal.lift(DAY, {"P": 499, "R": 999}, 1, None)

    with pytest.raises(NoNumberLeft, match="no number is left for P: 1 to 499 are given"):
        issue(journal, "P", 1, 499)

    assert issue(journal, "R", 1, None) == "R1000"


def test_numbers_that_the_hub_knows_of_are_skipped_but_only_those_of_ones_own_range(journal):
    journal.lift(DAY, {"P": 41, "R": 620}, 1, 499)

    assert [issue(journal, "P", 1, 499), issue(journal, "R", 1, 499)] == ["P042", "R001"]


def test_an_old_word_of_the_hub_never_takes_numbers_back(journal):
    for _ in range(3):
        issue(journal)

    journal.lift(DAY, {"P": 2}, 1, None)

    assert issue(journal) == "P004"


def test_a_new_day_begins_again_and_a_day_never_goes_back(journal):
    issue(journal)

    journal.begin_day("2026-11-25", NOW + DAYS)
    first = issue(journal, day="2026-11-25")
    journal.begin_day(DAY, NOW)

    assert (first, journal.day) == ("P001", "2026-11-25")


def test_a_number_of_which_nothing_was_printed_is_offered_again(journal):
    issue(journal)
    taken = journal.issue("P", 1, None, fact())

    journal.void(taken, fact("ticket.voided", ticket=taken["ticket"], why="printer"))

    assert (taken["label"], issue(journal)) == ("P002", "P002")
    assert [each["fact"] for each in journal.facts(0, 9)] == [
        "ticket.issued",
        "ticket.issued",
        "ticket.voided",
        "ticket.issued",
    ]


def test_a_voided_number_is_not_offered_again_once_a_later_one_was_given(journal):
    taken = journal.issue("P", 1, None, fact())
    issue(journal)

    journal.void(taken, fact("ticket.voided", ticket=taken["ticket"], why="printer"))

    assert issue(journal) == "P003"


def test_the_last_ticket_is_known_until_it_is_on_paper_through_restarts_too(tmp_path):
    before = Journal(tmp_path / "j")
    taken = before.issue("P", 1, None, fact())
    before.close()

    after = Journal(tmp_path / "j")

    assert after.unprinted() == taken
    after.printed()
    assert after.unprinted() is None
    after.close()


def test_a_number_alone_finds_every_label_of_the_day_that_carries_it(journal):
    labels = [issue(journal, letter) for letter in ("P", "R", "AB", "P")]
    issue(journal, "T", day="2026-11-23")

    assert labels == ["P001", "R001", "AB001", "P002"]
    assert sorted(journal.labels(DAY, 1)) == ["AB001", "P001", "R001"]
    assert journal.ticket(DAY, "P002")["label"] == "P002" and journal.ticket(DAY, "P009") is None


# --- facts and the hub's word ---


def test_facts_are_numbered_without_gaps_under_the_journals_name(journal):
    for _ in range(3):
        issue(journal)

    assert [(each["journal"], each["seq"]) for each in journal.facts(0, 9)] == [(journal.name, n) for n in (1, 2, 3)]
    assert [each["seq"] for each in journal.facts(1, 1)] == [2]


def test_a_fact_that_is_none_is_not_written_and_takes_no_number(journal):
    with pytest.raises(ValueError, match="token"):
        journal.issue("P", 1, None, fact(token="short"))

    assert (journal.last, issue(journal)) == (0, "P001")


def test_what_the_hub_has_stored_is_sent_again_if_it_goes_back(journal):
    for _ in range(5):
        issue(journal)

    journal.acknowledge(journal.name, 5)
    unsent = journal.unsent
    journal.acknowledge(journal.name, 2)

    assert (unsent, journal.unsent, journal.facts(journal.stored, 9)[0]["seq"]) == (0, 3, 3)


def test_a_journal_knows_since_when_its_oldest_fact_waits_to_be_stored(journal):
    issue(journal, at=NOW)
    issue(journal, at=NOW + 5000)

    first = journal.unsent_since
    journal.acknowledge(journal.name, 1)
    second = journal.unsent_since
    journal.acknowledge(journal.name, 2)

    assert (first, second, journal.unsent_since) == (NOW, NOW + 5000, None)


def test_a_hub_that_names_another_journal_has_nothing_of_this_one(journal):
    issue(journal)
    journal.acknowledge(journal.name, 1)

    journal.acknowledge("9f2c", 41)

    assert journal.unsent == 1


def test_facts_are_kept_for_fourteen_days_after_they_are_stored(journal):
    issue(journal)
    issue(journal, at=NOW + DAYS)
    journal.acknowledge(journal.name, 2)

    journal.begin_day("2026-12-08", NOW + 14 * DAYS)
    kept = [each["seq"] for each in journal.facts(0, 9)]
    journal.begin_day("2026-12-09", NOW + 14 * DAYS + 1)

    assert kept == [1, 2]
    assert [each["seq"] for each in journal.facts(0, 9)] == [2]


def test_what_is_not_stored_is_kept_for_ever(journal):
    issue(journal)

    journal.begin_day("2027-11-24", NOW + 365 * DAYS)

    assert len(journal.facts(0, 9)) == 1


def test_a_hub_that_asks_for_what_is_gone_gets_a_new_journal_with_what_is_left(journal):
    for n in range(4):
        issue(journal, at=NOW + n)
    journal.acknowledge(journal.name, 4)
    journal.begin_day("2026-12-09", NOW + 14 * DAYS + 2)
    name = journal.name

    journal.acknowledge(name, 1)

    assert journal.name != name
    assert [(each["seq"], each["label"]) for each in journal.facts(0, 9)] == [(1, "P003"), (2, "P004")]


def test_a_hub_that_has_more_than_this_card_gets_a_new_journal(journal):
    issue(journal)
    name = journal.name

    journal.acknowledge(name, 7)

    assert (journal.name != name, journal.unsent) == (True, 1)


def test_a_file_that_is_no_journal_is_put_aside_and_a_new_one_begins(tmp_path):
    file = tmp_path / "dispenser.journal"
    file.write_bytes(b"this was a journal once" * 200)

    journal = Journal(file)

    assert (journal.day, journal.last) == (None, 0)
    assert [each.read_bytes()[:4] for each in tmp_path.glob("*.broken-*")] == [b"this"]
    journal.close()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "dispenser.journal")


# --- whatever fails ---

CHILD = """
import os, resource, signal, sys, uuid
sys.path.insert(0, {root!r})
from pathlib import Path
from devices.journal import Journal, JournalError

mode, limit, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
journal = Journal(file)
journal.begin_day("2026-11-24", 0)
statements = 0

def count(statement):
    global statements
    statements += 1
    if statements == limit:
        os.kill(os.getpid(), signal.SIGKILL)

if mode == "cut":
    journal._db.set_trace_callback(count)
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
fact = {{"fact": "ticket.issued", "at": "2026-11-24T10:00:00.000Z", "day": "2026-11-24"}}
fact |= {{"token": "x" * 22, "service": "padro"}}
try:
    for n in range(400):
        taken = journal.issue("P", 1, None, {{**fact, "ticket": str(uuid.uuid4())}})
        print(taken["ticket"], taken["label"], flush=True)   # the paper
        journal.printed()
        if n % 3 == 2:
            journal.acknowledge(journal.name, taken["seq"])
except JournalError as error:
    print("refused:", error, flush=True)
"""


def printed_by(mode: str, limit: int, file: Path) -> list[list[str]]:
    code = CHILD.format(root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code, mode, str(limit), str(file)], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    return [line.split(" ", 1) for line in done.stdout.splitlines()]


@settings(max_examples=12)
@given(cuts=st.lists(st.integers(1, 90), min_size=1, max_size=3))
def test_a_power_cut_at_any_step_loses_no_ticket_and_gives_no_number_twice(cuts, tmp_path_factory):
    file = tmp_path_factory.mktemp("cut") / "dispenser.journal"

    printed = [ticket for cut in cuts for ticket in printed_by("cut", cut, file)]

    journal = Journal(file)
    facts = journal.facts(0, 10_000)
    journal.close()
    assert [each["seq"] for each in facts] == list(range(1, len(facts) + 1))
    assert len({each["label"] for each in facts}) == len(facts)
    assert {(ticket, label) for ticket, label in printed} <= {(each["ticket"], each["label"]) for each in facts}
    assert len({label for _, label in printed}) == len(printed)


def test_a_full_disk_refuses_with_a_clear_message_and_loses_nothing_it_acknowledged(tmp_path):
    file = tmp_path / "dispenser.journal"

    *printed, refusal = printed_by("full", 1_000_000, file)

    assert refusal[0] == "refused:" and refusal[1].startswith(f"the journal {file} cannot be written: ")
    journal = Journal(file)
    facts = {each["ticket"]: each["label"] for each in journal.facts(0, 10_000)}
    assert len(printed) > 5 and all(facts[ticket] == label for ticket, label in printed)
    assert issue(journal) not in {label for _, label in printed}
    journal.close()


def test_the_configuration_is_remembered_for_a_start_without_the_hub(tmp_path):
    before = Journal(tmp_path / "j")
    before.keep_config({"office": "mont-roig", "name": "Mont-roig del Camp · l'oficina"})
    before.close()

    after = Journal(tmp_path / "j")

    assert json.dumps(after.config, ensure_ascii=False).endswith("Mont-roig del Camp · l'oficina\"}")
    after.close()


def test_what_changes_with_every_ticket_is_not_written_each_time(journal):
    journal.keep_config({"seq": 1, "office": "mont-roig", "numbers": {}})
    journal.lift(DAY, {"P": 3}, 1, None)
    before = journal._db.total_changes

    journal.keep_config({"seq": 2, "office": "mont-roig", "numbers": {"P": 3}})
    journal.lift(DAY, {"P": 3}, 1, None)

    assert journal._db.total_changes == before
