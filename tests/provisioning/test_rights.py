"""Who may say and hear what: every topic of the contract by every kind of client, at the real mosquitto.

mosquitto answers a forbidden SUBSCRIBE with "granted" and acknowledges a forbidden PUBLISH: what counts is what
arrives.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.keys import Authority, Keys, Wanted
from tests.contract import DOCUMENT
from tests.parts import wait_until
from tests.provisioning.fleets import BUTTON, NOW, SIGN, Client, SecureMosquitto, context

NAMES = {
    "hub": "hub",
    "dispenser": "montroig-dispenser-1",
    "desk": "montroig-desk-1",
    "board": "montroig-board-1",
    "button": BUTTON,  # a microcontroller, by its password
    "sign": SIGN,  # another
    "stranger": "stranger",  # a certificate of the fleet's authority, for a name that nobody knows
}
CHANNELS = sorted(DOCUMENT["channels"])
OFFICES = ("mont-roig", "miami-platja")
FROM_EVERYBODY = {"hub", "line", "calls", "call", "desk", "config"}
OF_BOARDS = {name for name in CHANNELS if "/update" in DOCUMENT["channels"][name]["address"]}  # their software
HEARS = {
    "hub": set(CHANNELS) - {"beat", "call", "stored"} - OF_BOARDS,
    "dispenser": FROM_EVERYBODY | {"stored", "agenda"},
    "desk": FROM_EVERYBODY | {"answer"},
    "board": FROM_EVERYBODY,
    "button": FROM_EVERYBODY | OF_BOARDS | {"answer"},
    "sign": FROM_EVERYBODY | OF_BOARDS,
    "stranger": set(),
}
SAYS = {
    "hub": set(CHANNELS) - {"fact", "press"},
    "dispenser": {"state", "fact"},
    "desk": {"state", "press"},
    "board": {"state"},
    "button": {"state", "press"},
    "sign": {"state"},
    "stranger": set(),
}
MARK = "torn/v1/dev/{}/config"  # what each device hears


def topics(channel: str) -> set[str]:
    """A channel of the contract as topics: of both offices, a desk of each, and every kind of device."""
    address = DOCUMENT["channels"][channel]["address"].replace("{desk}", "1").replace("{n}", "0")
    offices = {address.replace("{office}", office) for office in OFFICES}
    return {address.replace("{device}", name) for address in offices for name in NAMES.values()}


def own(kind: str, channel: str) -> set[str]:
    """Of those, the ones of the client's own office or device; all of them for the hub."""
    office = OFFICES[kind in ("button", "sign")]
    address = DOCUMENT["channels"][channel]["address"].replace("{desk}", "1").replace("{n}", "0")
    mine = {address.replace("{office}", office).replace("{device}", NAMES[kind])}
    return topics(channel) if kind == "hub" else mine


@pytest.fixture(scope="module")
def witness(door: SecureMosquitto) -> Iterator[Client]:
    """Somebody at the tests' own door, who may hear and say all."""
    client = Client(door.backdoor, None, "witness").enter()
    yield client
    client.leave()


@pytest.fixture(scope="module")
def everybody(
    door: SecureMosquitto, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Client]]:
    """One client of each kind, inside."""
    folder: Path = tmp_path_factory.mktemp("clients")
    known = {**keys, **Authority.of(keys).issue(Wanted("stranger"), NOW)}
    people = {"hub": Client(door.doors.hub, context(folder, keys, "hub"), "torn-test").enter()}
    for kind in ("dispenser", "desk", "board", "stranger"):
        people[kind] = Client(door.doors.certificates, context(folder, known, NAMES[kind]), NAMES[kind]).enter()
    for kind in ("button", "sign"):
        password = keys[f"{NAMES[kind]}.password"].decode()
        people[kind] = Client(door.doors.passwords, context(folder, keys), NAMES[kind], password).enter()
    yield people
    for client in people.values():
        client.leave()


@pytest.fixture(scope="module")
def said(everybody: dict[str, Client], witness: Client) -> set[tuple[str, str]]:
    """Who said what where, of all that everybody tried to say everywhere and that really arrived."""
    witness.hear("torn/v1/#")
    for kind, client in everybody.items():
        for topic in sorted(topic for channel in CHANNELS for topic in topics(channel)):
            client.say(topic, kind.encode())
    witness.say("torn/v1/hub", b"last")
    wait_until(lambda: ("torn/v1/hub", b"last") in witness.heard, what="the last word")
    return {(payload.decode(), topic) for topic, payload in witness.heard}


@pytest.fixture(scope="module")
def heard(everybody: dict[str, Client], witness: Client) -> dict[str, set[str]]:
    """What each one heard after subscribing to all there is, while the witness spoke everywhere."""
    for client in everybody.values():
        client.hear("#")
    for topic in sorted(topic for channel in CHANNELS for topic in topics(channel)):
        witness.say(topic, b"retained", retain=True)
    for client in everybody.values():
        client.hear(*(topic for channel in CHANNELS for topic in topics(channel)))  # now what is retained comes, too
    witness.say("torn/v1/hub", b"last of all")
    for kind, client in everybody.items():
        if HEARS[kind]:
            wait_until(lambda client=client: ("torn/v1/hub", b"last of all") in client.heard, what="the last word")
    everybody["stranger"].say("torn/v1/hub", b"")  # its acknowledgement comes after all that was on its way
    return {kind: {topic for topic, body in client.heard if body == b"retained"} for kind, client in everybody.items()}


def test_everybody_who_proves_who_they_are_is_let_in(everybody: dict[str, Client]) -> None:
    assert {kind for kind, client in everybody.items() if client.let_in} == set(NAMES)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", NAMES)
def test_a_client_says_what_the_contract_lets_it_say_and_nothing_else(
    kind: str, channel: str, said: set[tuple[str, str]]
) -> None:
    allowed = own(kind, channel) if channel in SAYS[kind] else set()

    assert {topic for topic in topics(channel) if (kind, topic) in said} == allowed


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", NAMES)
def test_a_client_hears_what_the_contract_lets_it_hear_and_nothing_else(
    kind: str, channel: str, heard: dict[str, set[str]]
) -> None:
    allowed = own(kind, channel) if channel in HEARS[kind] else set()

    assert heard[kind] & topics(channel) == allowed


def test_a_last_will_is_under_the_same_rights(door: SecureMosquitto, keys: Keys, witness: Client, tmp_path) -> None:
    other = "torn/v1/dev/montroig-desk-2/state"
    liar = Client(door.doors.certificates, context(tmp_path, keys, "montroig-desk-3"), "montroig-desk-3")
    liar.will(other, b"a lie")
    liar.enter()
    honest = Client(door.doors.certificates, context(tmp_path, keys, "montroig-desk-4"), "montroig-desk-4")
    honest.will("torn/v1/dev/montroig-desk-4/state", b"gone")
    honest.enter()
    witness.hear("torn/v1/dev/+/state")

    liar.vanish()
    honest.vanish()

    wait_until(lambda: ("torn/v1/dev/montroig-desk-4/state", b"gone") in witness.heard, what="the honest will")
    assert (other, b"a lie") not in witness.heard
