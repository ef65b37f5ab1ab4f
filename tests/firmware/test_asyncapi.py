"""firmware/asyncapi.yaml says the same as wire.py: the same topics, messages, keys and values."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from firmware import wire
from tests import contract
from tests.contract import DOCUMENT
from tests.firmware.wire_rules import GOOD, changed

TOPICS = {
    "hub": wire.HUB_TOPIC,
    "beat": wire.BEAT_TOPIC,
    "line": wire.line_topic("mont-roig"),
    "calls": wire.calls_topic("mont-roig"),
    "call": wire.call_topic("mont-roig"),
    "appended": wire.appended_topic("mont-roig"),
    "forecast": wire.forecast_topic("mont-roig"),
    "desk": wire.desk_topic("mont-roig", "1"),
    **{leaf: wire.device_topic("montroig-desk-1", leaf) for leaf in wire.DEVICE_LEAVES},
    "piece": wire.piece_topic("montroig-desk-1", 7),
}
RETAINED = {"hub", "line", "calls", "forecast", "desk", "state", "stored", "config", "agenda", "update", "piece"}
SAMPLES = [(name, i) for name in DOCUMENT["components"]["messages"] for i in range(2)]
VALUES = [
    *(None, True, False, 0, 1, -1, 1.5, 2**53 - 1, 2**53, [], {}, "", " ", "-", "a", "-a", "a-", "A", "á", "_"),
    *("a" * 21, "a" * 22, "a" * 64, "a" * 65, "a" * 86, "a" * 87, "a" * 500, "a" * 501),
    *("P01", "P012", "P1012", "P01012", "PP012", "PP1012", "PPP012", "p012", "P-012", "012"),
    *("YQ==", "YWI=", "YWJj", "YW=j", "Y===", "=YWJ", "a" * 960, "a" * 964),
    *("a\tb", "\x7f", "\x80", "\xa0", "·", "€", "😀"),
    *(
        "0b7e4a52-6f0e-4d9e-9a43-1f2f8a1f5f10",
        "0B7E4A52-6F0E-4D9E-9A43-1F2F8A1F5F10",
        "0b7e4a526f0e4d9e9a431f2f8a1f5f10",
    ),
    *("2026-11-24", "2026-1-24", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00.5Z", "2026-11-24T10:00:00.123456789Z"),
    *("2026-11-24T10:00:00", "2026-11-24T10:00:00+01:00", "2026-11-24T24:00:00Z", "2026-11-24T10:60:00Z"),
    *("2026-11-24T10:00:60Z", "2026-11-24T10:00:00.Z", "2026-11-24T10:00:00.1234567890Z", "2026-11-24 10:00:00Z"),
]


def payload(value: object) -> bytes:
    return json.dumps(value).encode()


def resolved(node: Any) -> Any:
    """The node that a $ref points to, or the node itself."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def shape_of(schema: Any) -> Any:
    """A schema written as one of wire.py's shapes: words, the name of a scalar, or keys."""
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    if name.rstrip("?") in wire.SCALARS:
        return name
    schema = resolved(schema)
    if "enum" in schema or "const" in schema:
        return tuple(schema.get("enum", [schema.get("const")]))
    if "items" in schema:
        return [shape_of(schema["items"])]
    keys = {key if key in schema["required"] else key + "?": each for key, each in schema.get("properties", {}).items()}
    if isinstance(schema.get("additionalProperties"), dict):
        keys["*"] = schema["additionalProperties"]
    nullable = {"?": True} if "null" in schema["type"] else {}
    return {key: shape_of(each) for key, each in keys.items()} | nullable


def accepts(judge: Any, *arguments: object) -> bool:
    try:
        judge(*arguments)
    except ValueError:
        return False
    return True


def test_every_reference_leads_somewhere() -> None:
    references = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            references.extend([node] if "$ref" in node else [])
            list(map(collect, node.values()))
        elif isinstance(node, list):
            list(map(collect, node))

    collect(DOCUMENT)

    assert len(references) > 100
    assert all(isinstance(resolved(each), dict) for each in references)


def test_the_document_has_the_topics_of_the_wire_and_no_others() -> None:
    assert sorted(DOCUMENT["channels"]) == sorted(wire.MESSAGES) == sorted(TOPICS)
    for kind, topic in TOPICS.items():
        assert contract.channel(topic) == wire.route(topic)[0] == kind


def test_every_parameter_of_a_topic_is_described() -> None:
    for each in DOCUMENT["channels"].values():
        named = {part[1:-1] for part in each["address"].split("/") if part.startswith("{")}
        assert named == set(each.get("parameters", {}))


@pytest.mark.parametrize("kind", sorted(TOPICS))
def test_what_is_retained_says_so(kind: str) -> None:
    assert contract.is_retained(kind) == (kind in RETAINED)


@pytest.mark.parametrize("kind", sorted(set(wire.MESSAGES) - {"fact"}))
def test_a_message_has_the_same_keys_in_both(kind: str) -> None:
    (message,) = contract.messages(kind)

    described = DOCUMENT["components"]["messages"][message]

    assert shape_of(described["payload"]) == wire.MESSAGES[kind][1]
    assert described["x-most-bytes"] == wire.MESSAGES[kind][0]


def test_every_fact_has_the_same_keys_in_both() -> None:
    described = [shape_of(DOCUMENT["components"]["messages"][name]["payload"]) for name in contract.messages("fact")]

    facts = [{**wire.MESSAGES["fact"][1], "fact": (fact,), **shape} for fact, shape in wire.FACTS.items()]

    assert described == facts


@pytest.mark.parametrize("name", sorted(wire.SCALARS))
def test_a_scalar_is_the_same_in_both(name: str) -> None:
    schema = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})

    for value in VALUES:
        assert schema.is_valid(value) == wire.SCALARS[name][0](value), value


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_every_example_is_what_it_illustrates(name: str, number: int) -> None:
    examples = DOCUMENT["components"]["messages"][name]["examples"]
    example = examples[number % len(examples)]["payload"]
    (kind,) = [each for each in DOCUMENT["channels"] if name in contract.messages(each)]

    wire.check(kind, example)

    assert contract.validate(TOPICS[kind], payload(example), contract.is_retained(kind)) == name


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_both_refuse_the_same(kind: str, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(GOOD[kind])))
    odd = [None, True, False, 0, -1, 2**53, "", "x", "X-1", "padro\n", "P012", "2026-11-24", "a" * 600, "\x7f", "next"]
    others = [each for good in GOOD.values() for each in good.values()]
    message = changed(kind, key, data.draw(st.sampled_from(odd + others)))

    assert accepts(contract.validate, TOPICS[kind], payload(message)) == accepts(wire.check, kind, message)


def test_a_key_that_the_document_lacks_is_a_fault_of_ours() -> None:
    misspelt = payload(changed("press", "verison", 4))

    with pytest.raises(ValueError, match="verison"):
        contract.validate(TOPICS["press"], misspelt)


def test_a_press_must_not_be_retained_and_a_line_must() -> None:
    with pytest.raises(ValueError, match="must not be retained"):
        contract.validate(TOPICS["press"], payload(GOOD["press"]), retained=True)
    with pytest.raises(ValueError, match="must be retained"):
        contract.validate(TOPICS["line"], payload(GOOD["line"]), retained=False)


def test_an_empty_payload_clears_a_retained_topic_and_no_other() -> None:
    assert contract.validate(TOPICS["desk"], b"") == "cleared"
    with pytest.raises(ValueError, match="must be JSON"):
        contract.validate(TOPICS["call"], b"")


def test_a_topic_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no channel"):
        contract.validate("torn/v1/office/mont-roig/secrets", b"{}")
