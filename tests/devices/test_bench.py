"""The bench: all the agents in one process, its doors over HTTP, and its page in a real browser."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from firmware import wire
from tests.devices.voice import OFFICE, SERVICES, HubVoice, now, today
from tests.parts import OFFICES, ROOT, Bench, Mosquitto, barriers, wait_until

DISPENSER, DESK, BOARD = "montroig-dispenser-1", "montroig-desk-1", "montroig-board-1"
TRACK = "https://torn.example.cat/t/"


@pytest.fixture
def hub(mosquitto: Mosquitto) -> Iterator[HubVoice]:
    """A hub that has told the machines of one office who they are."""
    voice = HubVoice(mosquitto.port)
    more = {"services": SERVICES, "track": TRACK, "first_number": 1, "numbers": {}, "priority": True}
    voice.config(DISPENSER, "dispenser", **more)
    voice.config(DESK, "desk", desk="1")
    voice.config(BOARD, "board")
    voice.desk(version=7)
    voice.line()
    yield voice
    voice.stop()


@pytest.fixture
def bench(mosquitto: Mosquitto, hub: HubVoice, tmp_path: Path) -> Iterator[Bench]:
    """The bench of the sample offices, its machines of the first one ready."""
    running = Bench(mosquitto.port, OFFICES, "--data", tmp_path / "journals").start()
    wait_until(lambda: all(seen(running, each)["connected"] for each in (DISPENSER, DESK, BOARD)), what="the hub")
    wait_until(lambda: seen(running, DISPENSER)["light"] and seen(running, DESK)["light"], what="the lights")
    yield running
    running.stop()


def seen(bench: Bench, machine: str) -> dict:
    """What the camera sees of a machine."""
    views = requests.get(bench.url("/machines"), timeout=5).json()["machines"]
    return next(view for view in views if view["id"] == machine)


def act(bench: Bench, *path: str) -> int:
    """The hand does something; the status of the answer."""
    return requests.post(bench.url("/" + "/".join(path)), timeout=10).status_code


def issued(hub: HubVoice) -> list[dict]:
    """The tickets that the dispensers have told of, each once however often it was sent."""
    facts = {(fact["journal"], fact["seq"]): fact for fact in hub.of("fact")}
    return [fact for fact in facts.values() if fact["fact"] == "ticket.issued"]


def checked_in(hub: HubVoice) -> list[dict]:
    """The check-ins that the dispensers have told of, each once."""
    facts = {(fact["journal"], fact["seq"]): fact for fact in hub.of("fact")}
    return [fact for fact in facts.values() if fact["fact"] == "appointment.checked_in"]


def booked(id: str, document: str | None, locator: str = "987654321") -> dict:
    """An appointment of the agenda that is due now."""
    one = {"id": id, "office": OFFICE, "service": "padro", "start": wire.stamp(now())}
    return one | {"locator": wire.digest("key", locator), "document": document and wire.digest("key", document)}


def agenda(hub: HubVoice, *appointments: dict) -> None:
    """The day's agenda reaches the dispenser."""
    message = {"day": today(), "key": "key", "appointments": list(appointments)}
    hub.say(wire.device_topic(DISPENSER, "agenda"), "agenda", message, retain=True)


def test_every_device_of_the_offices_is_on_the_bench(bench):
    machines = requests.get(bench.url("/machines"), timeout=5).json()["machines"]

    kinds = [machine["kind"] for machine in machines if machine["on"]]
    assert [kinds.count(kind) for kind in ("dispenser", "desk", "board")] == [2, 7, 2]


def test_a_press_gives_paper_whose_code_leads_to_the_tickets_page(bench, hub):
    status = act(bench, "press", DISPENSER, "padro")

    (paper,) = wait_until(lambda: seen(bench, DISPENSER)["papers"], what="the paper")
    (fact,) = wait_until(lambda: issued(hub), what="the fact")
    assert status == 204
    assert fact["label"] == "P001"
    assert paper["links"] == [TRACK + fact["token"]]
    picture = requests.get(bench.url(f"/paper/{DISPENSER}/{paper['n']}.png"), timeout=5)
    assert picture.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(("gesture", "press"), [("short", "next"), ("long", "recall"), ("double", "absent")])
def test_a_gesture_at_a_desk_is_what_the_hub_hears(bench, hub, gesture, press):
    act(bench, "press", DESK, "next", gesture)

    (asked,) = hub.wait_for("press")
    assert (asked["press"], asked["version"]) == (press, 7)


def test_a_power_cut_leaves_the_journal_and_the_numbers_go_on(bench, hub):
    act(bench, "press", DISPENSER, "padro")
    wait_until(lambda: issued(hub), what="the first ticket")

    act(bench, "break", DISPENSER, "power")
    off = seen(bench, DISPENSER)
    status = act(bench, "press", DISPENSER, "padro")
    act(bench, "mend", DISPENSER, "power")
    wait_until(lambda: seen(bench, DISPENSER)["light"], what="the dispenser's light")
    act(bench, "press", DISPENSER, "padro")

    wait_until(lambda: len(issued(hub)) == 2, what="the second ticket")
    assert (off["on"], off["pictures"]["screen"], status) == (False, 0, 409)
    assert [fact["label"] for fact in issued(hub)] == ["P001", "P002"]


def test_a_power_cut_is_silent_and_the_broker_tells_of_it(bench, hub):
    act(bench, "break", DESK, "power")

    lost = wait_until(
        lambda: [m for t, m in hub.heard if t == wire.device_topic(DESK, "state") and m["state"] == "lost"],
        30,
        "the last will",
    )
    assert "kind" not in lost[0]  # the will, not the device's own word


def test_a_pulled_cable_does_not_stop_the_paper_and_nothing_is_lost(bench, hub):
    act(bench, "break", DISPENSER, "network")
    act(bench, "press", DISPENSER, "padro")
    act(bench, "press", DISPENSER, "registre")
    wait_until(lambda: len(seen(bench, DISPENSER)["papers"]) == 2, what="both papers")
    before = issued(hub)

    act(bench, "mend", DISPENSER, "network")

    wait_until(lambda: len(issued(hub)) == 2, 15, "both tickets at the hub")
    assert before == []


def test_without_paper_there_is_no_ticket_and_the_hub_knows_why(bench, hub):
    act(bench, "break", DISPENSER, "paper-out")
    act(bench, "press", DISPENSER, "padro")

    wait_until(lambda: [f for f in hub.of("fact") if f.get("paper") == "out"], what="the fact")
    assert seen(bench, DISPENSER)["papers"] == []
    assert issued(hub) == []


def test_a_card_on_the_reader_or_its_number_on_the_keypad_checks_in(bench, hub):
    agenda(hub, booked("7c1e", "12345678Z"), booked("7c1f", "X1234567L"))
    wait_until(lambda: act(bench, "lay", DISPENSER, "dni") and checked_in(hub), what="the first check-in")

    act(bench, "press", DISPENSER, "appointment")
    for key in (*"X1234567", "enter"):
        act(bench, "type", DISPENSER, key)

    wait_until(lambda: len(checked_in(hub)) == 2, what="the second check-in")
    assert [(fact["appointment"], fact["label"]) for fact in checked_in(hub)] == [("7c1e", "C001"), ("7c1f", "C002")]


def test_the_confirmations_code_before_the_reader_checks_in_by_the_page(bench, hub, page):
    agenda(hub, booked("7c1e", None, "123456789"))
    page.goto(bench.url("/?lang=en"))
    page.wait_for_selector(f"#{DISPENSER}.lit")

    page.locator(f"#{DISPENSER} .pocket input").fill("torn:123456789:kX3v9Zt0Qm4c7Yb1Rw8uJA")
    page.keyboard.press("Enter")

    page.wait_for_selector(f"#{DISPENSER} .slip")
    assert wait_until(lambda: checked_in(hub), what="the fact")[0]["label"] == "C001"


def test_what_is_not_there_cannot_be_pressed_or_broken(bench):
    statuses = {
        act(bench, "type", DISPENSER, "Q"),
        act(bench, "lay", DISPENSER, "library-card"),
        act(bench, "lay", DESK, "dni"),
        act(bench, "press", "nobody", "next"),
        act(bench, "press", DESK, "coffee"),
        act(bench, "press", DESK, "next", "kiss"),
        act(bench, "break", DESK, "paper-out"),
    }

    assert statuses == {404}


def test_another_sites_page_cannot_press_our_buttons(bench):
    answer = requests.post(bench.url(f"/press/{DESK}/next"), headers={"Origin": "https://elsewhere.example"}, timeout=5)

    assert answer.status_code == 403


def test_nothing_on_the_page_comes_from_elsewhere_or_stands_in_it_as_script(bench):
    answer = requests.get(bench.url(), timeout=5)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text


def test_the_page_is_pressed_like_the_thing_it_stands_for(bench, hub, page):
    faults = []
    page.on("console", lambda message: faults.append(message.text))
    page.goto(bench.url())
    page.wait_for_selector(f"#{DISPENSER}.lit")

    page.locator(f"#{DISPENSER} [data-button=registre]").click(delay=80)
    slip = page.wait_for_selector(f"#{DISPENSER} .slip")
    page.locator(f"#{DESK} .round").click(delay=1000)

    assert slip.get_attribute("href").startswith(TRACK)
    assert hub.wait_for("press")[0]["press"] == "recall"
    assert faults == []


def test_the_page_shows_what_is_broken(bench, page):
    page.goto(bench.url("/?lang=en"))
    page.wait_for_selector(f"#{DESK}.lit")

    page.locator(f"#{DESK}").get_by_text("No power").click()

    page.wait_for_selector(f"#{DESK}.off:not(.lit)")
    assert page.locator(f"#{DESK} [data-fault=power]").get_attribute("aria-pressed") == "true"


def test_the_page_can_be_worked_by_keyboard(bench, hub, page):
    page.goto(bench.url())
    page.wait_for_selector(f"#{DESK}.lit")

    page.locator(f"#{DESK} [data-gesture=short]").focus()
    page.keyboard.press("Enter")

    assert hub.wait_for("press")[0]["press"] == "next"


def test_the_page_has_no_barriers(bench, page):
    page.goto(bench.url())
    page.wait_for_selector(f"#{DISPENSER}[data-seen]")

    assert barriers(page) == []


def test_at_the_end_every_machine_says_goodbye(bench, hub):
    status = bench.stop()

    assert status == 0
    goodbyes = {topic for topic, message in hub.heard if topic.endswith("/state") and message["state"] == "lost"}
    assert len(goodbyes) == 11


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[office]]\nid = "a"', "office a: 'service' is missing"),
        ("[[office]", "Expected ']]'"),
        ('[[office]]\nid="a"\nname="A"\nservice=[]\n[[office.device]]\nid="x"\nkind="robot"', "device x: kind must be"),
    ],
)
def test_a_wrong_offices_file_is_named_with_its_place(tmp_path, text, reason):
    file = tmp_path / "offices.toml"
    file.write_text(text)

    command = [sys.executable, "-m", "devices", "bench", "--http", "127.0.0.1:0", "--offices", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)

    assert done.returncode == 2
    assert str(file) in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_the_office_of_these_tests_is_in_the_sample_file():
    assert f'id = "{OFFICE}"' in OFFICES.read_text()
