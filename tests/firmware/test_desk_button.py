"""The desk's button and sign, the board's own files under both interpreters, over TLS to a real broker."""

import socket
import threading
from collections.abc import Iterator

import paho.mqtt.publish as once
import pytest

from firmware import wire
from tests.devices.voice import HubVoice, now
from tests.firmware.board import BUTTON, Board, broker_settings, der
from tests.firmware.conftest import BoardMaker
from tests.parts import Authority, Mosquitto, wait_until


@pytest.fixture
def board(python: str, a_board: BoardMaker, hub: HubVoice) -> Board:
    """Desk 1 with one button, ready: free, five people waiting."""
    running = a_board(python)
    running.wait_for("Lliure | 5 en espera")
    return running


def test_a_press_asks_for_the_next_with_the_version_and_the_hubs_time(board: Board, hub: HubVoice) -> None:
    board.press()

    (asked,) = hub.wait_for("press")
    assert (asked["press"], asked["version"]) == ("next", 7)
    assert abs(wire.instant(asked["now"]) - now()) < 5000


def test_what_the_hub_answers_stands_on_the_sign(board: Board, hub: HubVoice) -> None:
    board.press()
    hub.wait_for("press")
    hub.desk(state="calling", label="P012", waiting=4)

    board.wait_for("P012 | 4 en espera")


def test_long_and_double_presses_mean_what_they_mean_on_a_raspberry_pi(board: Board, hub: HubVoice) -> None:
    board.do(f"down {BUTTON}")
    (asked,) = hub.wait_for("press")
    assert asked["press"] == "recall"

    board.do(f"up {BUTTON}")
    threading.Event().wait(0.1)
    board.press()
    threading.Event().wait(0.1)
    board.press()

    assert hub.wait_for("press", 2)[1]["press"] == "absent"


def test_four_buttons_do_what_they_are_named_for(python: str, a_board: BoardMaker, hub: HubVoice) -> None:
    board = a_board(python, pins={"next": 10, "recall": 11, "absent": 12, "done": 13})
    board.wait_for("Lliure")

    for count, pin in enumerate((10, 11, 12, 13), 1):
        board.press(pin)
        hub.wait_for("press", count)

    assert [each["press"] for each in hub.of("press")] == ["next", "recall", "absent", "done"]


def test_a_refusal_stands_on_the_sign_for_a_while_and_the_light_says_no(board: Board, hub: HubVoice) -> None:
    hub.answers = {"ok": False, "why": "nobody_waiting"}

    board.press()

    board.wait_for("No hi ha ningú esperant")
    board.wait(lambda: board.light()[-4:] in ([1, 0, 1, 0], [0, 1, 0, 1]), 5, "a blinking light")
    board.wait_for("5 en espera")
    board.wait(lambda: board.light()[-1] == 1, 5, "the light on again")


def test_without_an_answer_within_a_second_the_light_says_no(board: Board, hub: HubVoice) -> None:
    hub.answers = None

    board.press()

    board.wait_for("Sense resposta", 5)


def test_a_press_without_a_hub_is_refused_and_never_sent(board: Board, hub: HubVoice) -> None:
    hub.silent()
    board.wait_for("Sense connexió | hub?", 15)

    board.press()
    board.wait(lambda: board.light()[-1] == 1, 5, "the light's first blink")
    hub.awake()
    board.wait_for("Lliure")
    board.press()

    (asked,) = hub.wait_for("press")
    assert asked["id"].endswith("-1")


def test_a_broker_that_restarts_gets_subscriptions_and_state_anew(
    board: Board, hub: HubVoice, broker: Mosquitto
) -> None:
    before = hub.wait_for("state")[-1]

    broker.stop()
    board.wait_for("Sense connexió")
    broker.start()
    board.wait_for("Lliure", 40)
    hub.desk(state="calling", label="P013")

    board.wait_for("P013")
    voice = HubVoice(broker.port)
    after = voice.wait_for("state")[-1]
    voice.stop()
    assert after["conn"] > before["conn"]
    assert (after["state"], after["boot"], after["kind"]) == ("ready", before["boot"], "desk")


def test_a_wifi_that_comes_and_goes_is_joined_again(board: Board, hub: HubVoice) -> None:
    for _ in range(3):
        board.do("wifi off")
        board.wait_for("Sense connexió | Wi-Fi")
        board.do("wifi on")
        board.wait_for("Lliure", 40)

    board.press()
    assert hub.wait_for("press")[0]["press"] == "next"


def test_a_state_that_is_lost_is_told_by_the_last_will(board: Board, hub: HubVoice) -> None:
    ready = hub.wait_for("state")[-1]

    board.stop()

    lost = wait_until(lambda: next((s for s in hub.of("state") if s["state"] == "lost"), None), 30, "the will")
    assert (lost["boot"], lost["conn"]) == (ready["boot"], ready["conn"])


# --- a broker that is not what it should be ------------------------------------------------------


def test_a_broker_by_another_name_is_not_spoken_to(
    python: str, a_board: BoardMaker, hub: HubVoice, broker: Mosquitto, authority: Authority
) -> None:
    ca = str(authority.der if python == "micropython" else authority.ca)
    elsewhere = {"host": "127.0.0.1", "port": broker.tls_port, "name": "other.torn.test", "ca": ca}

    board = a_board(python, broker=elsewhere)

    board.wait_for("Sense connexió | certificate?")
    assert not hub.of("state")


def test_a_broker_of_another_authority_is_not_spoken_to(
    python: str, a_board: BoardMaker, hub: HubVoice, broker: Mosquitto, tmp_path
) -> None:
    other = Authority(tmp_path / "other")
    ca = str(other.der if python == "micropython" else other.ca)

    board = a_board(python, broker={"host": "127.0.0.1", "port": broker.tls_port, "name": broker.name, "ca": ca})

    board.wait_for("Sense connexió | certificate?")
    assert not hub.of("state")


def test_a_board_that_shows_its_own_certificate_is_let_in(
    python: str, a_board: BoardMaker, tmp_path, authority: Authority
) -> None:
    strict = Mosquitto(tmp_path / "strict", authority=authority, mutual=True).start()
    pems = authority.issue("desk-1")
    certificate, key = map(der, pems) if python == "micropython" else pems
    secure = broker_settings(strict, authority, python)
    voice = HubVoice(strict.port)
    voice.config("desk-1", "desk", desk="1")
    voice.desk(version=1)
    try:
        board = a_board(python, broker={**secure, "certificate": str(certificate), "key": str(key)})

        board.wait_for("Lliure")
    finally:
        voice.stop()
        strict.stop()


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of somebody who accepts connections and never says a word."""
    door, kept = socket.create_server(("127.0.0.1", 0)), []

    def accept() -> None:
        try:
            while True:
                kept.append(door.accept()[0])
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    yield door.getsockname()[1]
    door.shutdown(socket.SHUT_RDWR)
    door.close()
    for each in kept:
        each.close()


def test_a_broker_that_accepts_and_never_answers_is_named_and_tried_again(a_board: BoardMaker, mute: int) -> None:
    board = a_board(speed=10, broker={"host": "127.0.0.1", "port": mute})

    board.wait_for("Sense connexió | broker: silent", 10)
    board.press()
    board.wait(lambda: board.light()[-1:] == [1], 5, "the light's no")

    assert board.alive() and board.resets == 0


# --- what is malformed, stuck or out of date ------------------------------------------------------


def retain(broker: Mosquitto, topic: str, payload: bytes) -> None:
    """Publishes anything at all."""
    once.single(topic, payload, qos=1, retain=True, hostname="127.0.0.1", port=broker.port)


def wait_for_log(voice: HubVoice, words: str) -> None:
    """Until the board has told the hub."""
    wait_until(lambda: any(words in each for s in voice.of("state") for each in s.get("log", ())), 10, words)


def test_a_malformed_document_is_told_to_the_hub_and_the_sign_waits_for_a_good_one(
    python: str, a_board: BoardMaker, broker: Mosquitto
) -> None:
    voice = HubVoice(broker.port)
    try:
        config = wire.device_topic("desk-1", "config")
        retain(broker, config, b"x" * 5000)
        board = a_board(python)
        board.wait_for("Sense configurar | desk-1")
        retain(broker, config, b'{"seq":"x"}')
        wait_for_log(voice, "dev/desk-1/config is ignored")
        voice.config("desk-1", "desk", desk="1")
        for payload in (b"[]", b"\xff\xfe", b"[" * 900, b"x" * 5000, b"{"):
            retain(broker, wire.desk_topic("mont-roig", "1"), payload)
        wait_for_log(voice, "office/mont-roig/desk/1 is ignored: must be JSON")

        voice.desk(version=3)

        board.wait_for("Lliure | 5 en espera")
        assert board.alive() and board.resets == 0
    finally:
        voice.stop()


def test_a_button_that_is_stuck_is_named_and_has_asked_once(a_board: BoardMaker, hub: HubVoice) -> None:
    board = a_board(speed=20)
    board.wait_for("Lliure")

    board.do(f"down {BUTTON}")

    board.wait_for("Botó encallat")
    wait_until(lambda: hub.of("state")[-1]["state"] == "degraded", 10, "a state that says so")
    assert "button next is stuck" in hub.of("state")[-1]["log"][-1]
    assert [each["press"] for each in hub.of("press")] == ["recall"]
    board.do(f"up {BUTTON}")
    board.wait_for("5 en espera")
    wait_until(lambda: hub.of("state")[-1]["state"] == "ready", 10, "a state that says so")


def test_a_watchdog_that_has_bitten_is_told_to_the_hub(a_board: BoardMaker, hub: HubVoice) -> None:
    board = a_board()
    board.wait_for("Lliure")
    assert "log" not in hub.of("state")[-1]
    board.stop()

    board.start("3")

    wait_for_log(hub, "started again by the watchdog, or reset")


def test_a_hub_whose_clock_is_years_off_is_answered_in_its_own_time(
    python: str, a_board: BoardMaker, hub: HubVoice
) -> None:
    hub.awry = -7 * 365 * 86_400_000
    board = a_board(python)
    board.wait_for("Lliure")

    board.press()

    (asked,) = hub.wait_for("press")
    assert abs(wire.instant(asked["now"]) - now() - hub.awry) < 5000


def test_a_beat_that_was_kept_sets_no_clock(python: str, a_board: BoardMaker, broker: Mosquitto) -> None:
    stale = wire.encode("hub", {"state": "ready", "now": "2036-01-01T00:00:00.000Z", "beat": 1})
    retain(broker, wire.HUB_TOPIC, stale)

    board = a_board(python)

    board.wait_for("Sense connexió | hub?")


# --- settings ---------------------------------------------------------------------------------

WRONG = {
    "": "is empty",
    "{": "is no JSON",
    "[]": "must be an object",
    '{"device": "desk-1"}': "kind: is missing",
    '{"device": "Desk 1", "kind": "desk", "wifi": {"ssid": "a", "password": "b"}, "broker": {"host": "b"}}': "device: ",
    '{"device": "d", "kind": "desk", "wifi": {"ssid": "a"}, "broker": {"host": "b"}}': "wifi.password: is missing",
    '{"device": "d", "kind": "desk", "wifi": {"ssid": "a", "password": "b"}, "broker": {"host": "b", "prot": 1}}': (
        "broker.prot: there is no such setting"
    ),
    '{"device": "d", "kind": "desk", "wifi": {"ssid": "a", "password": "b"}, "broker": {"host": "b", "ca": "no"}}': (
        "broker.ca"
    ),
}


def test_a_settings_file_that_is_half_written_is_named_on_the_sign(tmp_path, python: str) -> None:
    (tmp_path / "config.json").write_bytes(b'{"device": "desk-1", \xff\xff\xff\xff')
    board = Board(tmp_path, None, python).start()
    try:
        board.wait_for("config.json: is no")

        assert board.alive() and board.resets == 0
    finally:
        board.stop()


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_settings_file_is_named_on_the_sign_and_nothing_restarts(tmp_path, python: str, text: str) -> None:
    board = Board(tmp_path, text, python).start()
    try:
        board.wait_for(WRONG[text])

        assert board.signs[-1]["sign"][0] == "config.json"
        assert board.alive() and board.resets == 0
    finally:
        board.stop()


def test_a_missing_settings_file_is_named_on_the_sign(tmp_path, python: str) -> None:
    board = Board(tmp_path, None, python).start()
    try:
        board.wait_for("config.json: is missing")
    finally:
        board.stop()
