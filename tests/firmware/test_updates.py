"""Updates over the air, from the offer on the broker to the restart, the board's own files under both interpreters."""

from pathlib import Path

import paho.mqtt.publish as once
import pytest

from firmware import signing, slots, wire
from tests.devices.voice import HubVoice
from tests.firmware.board import KEY, Board
from tests.firmware.conftest import BoardMaker
from tests.parts import ROOT, Mosquitto, wait_until

VERSION = '"""Which software this is."""\n\nVERSION = "{}"\nCOUNTER = {}\nBUILT = "2026-11-24T00:00:00.000Z"\n'


def software(version: str, counter: int, **changed: str) -> list[tuple[str, bytes]]:
    """The board's files as of another version, some with other contents."""
    texts = {path.name: path.read_text() for path in sorted((ROOT / "firmware").glob("*.py"))}
    texts |= {"version.py": VERSION.format(version, counter)}
    texts |= {f"{name}.py": text for name, text in changed.items()}
    # screens.py stays the flashed one's: the stand-in that tells what it shows is wrapped around that.
    leave = {*signing.FIXED, "screens.py"}
    return [(name, text.encode()) for name, text in texts.items() if name not in leave]


def lay_out(broker: Mosquitto, files: list[tuple[str, bytes]], version: str, counter: int, spoil: int = -1) -> None:
    """Publishes a bundle for desk-1, its pieces first; piece `spoil` is altered."""
    first = signing.manifest(version, "pico-w", counter, files)
    whole = first + b"".join(content for _, content in files)
    if spoil >= 0:
        place = spoil * signing.PIECE + 5
        whole = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    messages = [
        (wire.piece_topic("desk-1", piece["n"]), wire.encode("piece", piece), 1, True)
        for piece in signing.pieces(whole)
    ]
    offer = signing.offer(bytes.fromhex(KEY), version, first, len(whole))
    messages.append((wire.device_topic("desk-1", "update"), wire.encode("update", offer), 1, True))
    once.multiple(messages, hostname="127.0.0.1", port=broker.port)


def state(board: Board) -> dict:
    return slots.read(f"{board.folder}/")


def wait_for_software(hub: HubVoice, software_of: str) -> dict:
    """The state document of a board that runs this."""
    return wait_until(
        lambda: next((s for s in reversed(hub.of("state")) if s.get("software") == software_of), None), 60, software_of
    )


@pytest.fixture
def board(python: str, a_board: BoardMaker, hub: HubVoice) -> Board:
    """A board that is at work, as flashed."""
    running = a_board(python)
    running.wait_for("Lliure")
    return running


def test_an_update_is_fetched_tried_and_kept(board: Board, hub: HubVoice, broker: Mosquitto) -> None:
    lay_out(broker, software("0.2.0", 1), "0.2.0", 1)

    wait_for_software(hub, "0.2.0 a")
    board.wait(lambda: state(board)["good"], 30, "the update's trial")
    assert board.resets == 1
    board.wait_for("Lliure")
    board.press()
    assert hub.wait_for("press")[0]["press"] == "next"

    lay_out(broker, software("0.3.0", 2), "0.3.0", 2)
    wait_for_software(hub, "0.3.0 b")


def test_an_update_that_cannot_start_gives_way_at_once(board: Board, hub: HubVoice, broker: Mosquitto) -> None:
    lay_out(broker, software("0.2.0", 1, app="import no_such_thing\n"), "0.2.0", 1)

    board.wait(lambda: board.resets == 1, 60, "the restart")
    told = wait_until(lambda: next((s["log"] for s in hub.of("state") if "gave way" in str(s.get("log"))), None), 20)

    assert "gave way: a: " in told[-1]
    assert state(board) == {"slot": "", "before": "", "tries": 0, "good": True, "counter": 1}
    board.wait_for("Lliure")
    assert board.resets == 1


def test_an_update_that_never_gets_to_the_broker_gives_way_after_three_starts(
    a_board: BoardMaker, hub: HubVoice, broker: Mosquitto
) -> None:
    deaf = (ROOT / "firmware" / "mqtt.py").read_text().replace('body = text("MQTT")', 'body = text("DEAF")')
    board = a_board(speed=60)
    board.wait_for("Lliure", 40)

    lay_out(broker, software("0.2.0", 1, mqtt=deaf), "0.2.0", 1)

    board.wait(lambda: board.resets == 4, 90, "three starts")
    board.wait_for("Lliure", 40)
    wait_until(lambda: log_of(hub, "gave way: a: three starts without a connection"), 20, "the log")
    assert state(board) == {"slot": "", "before": "", "tries": 0, "good": True, "counter": 1}


def test_an_update_that_was_altered_on_its_way_is_refused_and_the_hub_told(
    board: Board, hub: HubVoice, broker: Mosquitto
) -> None:
    lay_out(broker, software("0.2.0", 1), "0.2.0", 1, spoil=30)

    told = wait_until(lambda: next((s["log"] for s in hub.of("state") if "refused" in str(s.get("log"))), None), 60)
    assert "update 0.2.0 is refused" in told[-1] and "was altered" in told[-1]
    assert board.resets == 0
    assert not list(Path(board.folder, "a").iterdir())

    lay_out(broker, software("0.2.0", 1), "0.2.0", 1)
    wait_for_software(hub, "0.2.0 a")


def test_an_update_that_was_refused_is_not_fetched_again_until_somebody_offers_it_anew(
    board: Board, hub: HubVoice, broker: Mosquitto
) -> None:
    lay_out(broker, software("0.2.0", 1), "0.2.0", 1, spoil=30)
    refused = wait_until(lambda: log_of(hub, "refused"), 60, "the refusal")

    board.stop()
    clear_pieces(broker)
    told = len(hub.of("state"))
    board.start()
    board.wait_for("Lliure")

    again = wait_until(lambda: [s for s in hub.of("state")[told:] if "refused" in str(s.get("log"))], 30, "why not")
    assert again[-1]["log"][-1].partition(" update")[2] == refused["log"][-1].partition(" update")[2]
    assert "was altered" in again[-1]["log"][-1]
    lay_out(broker, software("0.2.0", 1), "0.2.0", 1)
    wait_for_software(hub, "0.2.0 a")


def log_of(hub: HubVoice, words: str) -> dict | None:
    """The newest state document whose log says so."""
    return next((s for s in reversed(hub.of("state")) if words in str(s.get("log"))), None)


def clear_pieces(broker: Mosquitto) -> None:
    """Only the offer is left: whoever fetched it would find nothing."""
    messages = [(wire.piece_topic("desk-1", n), b"", 1, True) for n in range(400)]
    once.multiple(messages, hostname="127.0.0.1", port=broker.port)


def test_an_update_that_is_cut_in_the_middle_leaves_the_board_at_work(
    a_board: BoardMaker, hub: HubVoice, broker: Mosquitto
) -> None:
    board = a_board(speed=20)
    board.wait_for("Lliure", 40)
    first = signing.manifest("0.2.0", "pico-w", 1, [("app.py", b"x" * 5000)])
    offer = signing.offer(bytes.fromhex(KEY), "0.2.0", first, len(first) + 5000)
    piece = next(iter(signing.pieces(first + b"x" * 5000)))
    once.single(wire.piece_topic("desk-1", 0), wire.encode("piece", piece), 1, True, "127.0.0.1", broker.port)
    once.single(wire.device_topic("desk-1", "update"), wire.encode("update", offer), 1, True, "127.0.0.1", broker.port)

    told = wait_until(lambda: next((s["log"] for s in hub.of("state") if "refused" in str(s.get("log"))), None), 60)
    assert "piece 1 did not come" in told[-1]
    board.press()
    assert hub.wait_for("press")
