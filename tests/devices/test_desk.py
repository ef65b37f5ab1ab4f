"""The desk's buttons and sign, over a real broker, on gpiozero's and luma's fakes."""

from collections.abc import Iterator

import pytest

from devices.desk import Desk, wired
from devices.settings import Broker, DeskPins, DeskSettings
from firmware import wire
from tests.devices.voice import HubVoice
from tests.parts import Mosquitto, wait_until

NEXT, RECALL, ABSENT, DONE, LIGHT = 5, 6, 13, 19, 26


@pytest.fixture
def hub(mosquitto: Mosquitto) -> Iterator[HubVoice]:
    voice = HubVoice(mosquitto.port)
    yield voice
    voice.stop()


@pytest.fixture
def desk(mosquitto: Mosquitto, hub: HubVoice) -> Iterator[Desk]:
    """Desk 1 with one button, ready: free, five people waiting."""
    running = a_desk(mosquitto, DeskPins(next=NEXT, light=LIGHT))
    hub.config("desk-1", "desk", desk="1")
    hub.desk(version=7)
    running.start()
    wait_until(lambda: running.shown.version == 7, what="the desk's document on the sign")
    yield running
    running.stop()


def a_desk(mosquitto: Mosquitto, pins: DeskPins) -> Desk:
    broker = Broker(port=mosquitto.port)
    return wired(DeskSettings(device="desk-1", fakes=True, screen="fake", buttons=pins, broker=broker))


def press(desk: Desk, pin: int = NEXT) -> None:
    """A finger taps."""
    desk.pins.push(pin)
    desk.pins.let_go(pin)


def tap(desk: Desk, name: str = "next") -> None:
    """A finger taps for as long as a contact needs to settle."""
    desk.edge(name, True)
    wait_until(lambda: desk.buttons[name].finger.down, what="the contact to settle")
    desk.edge(name, False)


def test_a_short_press_asks_for_the_next_with_the_version_and_the_hubs_time(desk, hub):
    tap(desk)

    (asked,) = hub.wait_for("press")
    assert (asked["press"], asked["version"]) == ("next", 7)
    assert abs(wire.instant(asked["now"]) - desk.link.hub_now()) < 5000


def test_a_long_press_calls_again_and_is_asked_while_the_finger_is_down(desk, hub):
    desk.pins.push(NEXT)

    (asked,) = hub.wait_for("press")
    assert asked["press"] == "recall"


def test_a_double_press_marks_absent(desk, hub):
    tap(desk)
    wait_until(lambda: not desk.buttons["next"].finger.down, what="the contact to settle")
    tap(desk)

    (asked,) = hub.wait_for("press")
    assert asked["press"] == "absent"


def test_a_bounce_is_no_press(desk, hub):
    press(desk)
    tap(desk)

    assert [each["press"] for each in hub.wait_for("press")] == ["next"]


@pytest.mark.parametrize(("name", "pin"), [("next", NEXT), ("recall", RECALL), ("absent", ABSENT), ("done", DONE)])
def test_of_four_buttons_each_asks_what_it_is_named_for(mosquitto, hub, name, pin):
    desk = a_desk(mosquitto, DeskPins(NEXT, RECALL, ABSENT, DONE))
    hub.config("desk-1", "desk", desk="1")
    hub.desk()
    desk.start()
    wait_until(lambda: desk.shown.version is not None, what="the desk's document on the sign")

    desk.pins.push(pin)

    (asked,) = hub.wait_for("press")
    desk.stop()
    assert asked["press"] == name


def test_what_the_sign_showed_when_the_finger_came_down_is_what_is_asked(desk, hub):
    desk.edge("next", True)
    hub.desk(state="calling", label="P012", version=8)
    wait_until(lambda: desk.shown.version == 8, what="the new document on the sign")
    wait_until(lambda: desk.buttons["next"].finger.down, what="the contact to settle")
    desk.edge("next", False)

    (asked,) = hub.wait_for("press")
    assert asked["version"] == 7


def test_every_press_has_an_id_of_its_own(desk, hub):
    for count in (1, 2, 3):
        tap(desk)
        hub.wait_for("press", count)

    assert len({each["id"] for each in hub.of("press")}) == 3


def test_the_sign_shows_who_is_called_and_how_many_wait(desk, hub):
    hub.desk(state="calling", label="P012", waiting=4)

    wait_until(lambda: desk.shown.lines == ("P012", "4 en espera"), what="the call on the sign")
    assert desk.shown.digits == "P012   4"
    assert desk.screen.image.getbbox() is not None


def test_a_refusal_is_said_in_words_and_goes_away(desk, hub):
    hub.answers = {"ok": False, "why": "nobody_waiting"}

    tap(desk)

    wait_until(lambda: desk.shown.lines == ("Lliure", "No hi ha ningú esperant"), what="the reason")
    wait_until(lambda: desk.shown.lines == ("Lliure", "5 en espera"), what="the desk on the sign again")


def test_no_answer_within_a_second_is_a_no(desk, hub):
    hub.answers = None

    tap(desk)

    wait_until(lambda: desk.shown.lines == ("Lliure", "Sense resposta"), 3, what="the sign to say so")
    wait_until(lambda: not desk.light.is_lit, 1, what="the light to blink")


def test_six_seconds_without_a_beat_are_no_connection_and_nothing_is_asked(desk, hub):
    hub.silent()
    wait_until(lambda: desk.shown.lines == ("Sense connexió",), 8, what="no connection on the sign")

    tap(desk)

    wait_until(lambda: desk.buttons["next"].finger.resting, what="the press to be over")
    assert desk.shown.version is None
    assert hub.of("press") == []


def test_a_press_while_the_cable_is_pulled_is_never_sent_afterwards(desk, hub):
    desk.link.cut()
    wait_until(lambda: desk.shown.version is None, what="no connection on the sign")
    tap(desk)
    wait_until(lambda: desk.buttons["next"].finger.resting, what="the press to be over")

    desk.link.mend()
    wait_until(lambda: desk.shown.version == 7, what="the desk on the sign again")
    tap(desk)

    assert len(hub.wait_for("press")) == 1


def test_a_retained_beat_proves_nothing(mosquitto, hub):
    hub.config("desk-1", "desk", desk="1")
    hub.desk()
    hub.silent()
    desk = a_desk(mosquitto, DeskPins(next=NEXT))

    desk.start()

    wait_until(lambda: desk._desk is not None, what="the desk's document")
    desk.stop()
    assert desk.shown.lines == ("Sense connexió",)


def test_an_older_document_never_replaces_a_newer_one(desk, hub):
    hub.desk(state="calling", label="P012", seq=50, version=50)
    hub.desk(state="calling", label="P011", seq=49, version=49)
    hub.desk(state="serving", label="P012", seq=51, version=51)

    wait_until(lambda: desk.shown.version == 51, what="the newest document")
    assert desk.shown.lines[0] == "P012"


def test_a_hub_that_comes_back_from_an_older_copy_is_believed(desk, hub):
    hub.desk(state="calling", label="P012", seq=50, version=50)
    wait_until(lambda: desk.shown.version == 50, what="the newer document")
    hub.silent()
    wait_until(lambda: desk.shown.version is None, 8, what="no connection")

    hub.awake()
    wait_until(lambda: desk.shown.version == 50, what="the hub")
    hub.desk(state="calling", label="P003", seq=20, version=20)

    wait_until(lambda: desk.shown.lines[0] == "P003", what="the older copy's truth")


def test_a_refusal_never_hides_what_the_next_press_is_about(desk, hub):
    hub.answers = {"ok": False, "why": "out_of_date"}

    tap(desk)
    hub.desk(state="calling", label="P013", version=8)

    both = ("P013", "Ha canviat: torneu a prémer")
    wait_until(lambda: desk.shown.lines == both, what="number and reason")
    assert desk.shown.version == 8


def test_a_desk_that_is_given_another_number_follows_that_one(desk, hub):
    hub.desk("2", state="calling", label="R003", version=40)

    hub.config("desk-1", "desk", desk="2")

    wait_until(lambda: desk.shown.lines[0] == "R003", what="the other desk's call")


def test_a_malformed_document_changes_nothing(desk, hub):
    hub._client.publish(wire.desk_topic("mont-roig", "1"), b'{"label":', qos=1).wait_for_publish(5)
    hub._client.publish(wire.desk_topic("mont-roig", "1"), b"\xff" * 3000, qos=1).wait_for_publish(5)
    hub.desk(version=9)

    wait_until(lambda: desk.shown.version == 9, what="the next good document")
