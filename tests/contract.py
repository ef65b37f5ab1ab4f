"""The MQTT contract as a judge: firmware/asyncapi.yaml applied to what really passes over a broker.

    validate("torn/v1/dev/montroig-desk-1/press", payload)      # ValueError says what is wrong

Stricter than a device, which ignores keys it does not know: what we ourselves send has no key that the
document lacks.
"""

import json
import re
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

DOCUMENT = yaml.safe_load((Path(__file__).parent.parent / "firmware" / "asyncapi.yaml").read_text())


def validate(topic: str, payload: bytes, retained: bool | None = None) -> str:
    """The name of the message that this is, such as "ticketIssued".

    Args:
        topic: The whole topic; raises ValueError for one that the document lacks.
        payload: The bytes as they came. An empty one clears a retained topic, and is "cleared".
        retained: Whether it was published as retained; None leaves that open.

    Raises:
        ValueError: names topic, message, key and fault.
    """
    name = channel(topic)
    if retained is not None and retained != is_retained(name):
        raise ValueError(f"{topic}: {'must not' if retained else 'must'} be retained")
    if not payload and is_retained(name):
        return "cleared"
    faults = []
    for message in messages(name):
        fault = _fault(message, payload)
        if fault is None:
            return message
        faults.append(f"{topic} as {message}: {fault}")
    raise ValueError("; ".join(faults))


@cache
def channel(topic: str) -> str:
    """The channel whose address fits this topic."""
    for name, each in DOCUMENT["channels"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[a-z0-9][a-z0-9-]{0,63}", each["address"]), topic):
            return name
    raise ValueError(f"{topic}: no channel of the document has this address")


def messages(channel_name: str) -> list[str]:
    """The names of the messages that a channel carries."""
    return [each["$ref"].rsplit("/", 1)[1] for each in DOCUMENT["channels"][channel_name]["messages"].values()]


@cache
def is_retained(channel_name: str) -> bool:
    """Whether what this channel carries is retained."""
    here = {"$ref": f"#/channels/{channel_name}"}
    operations = [each for each in DOCUMENT["operations"].values() if each["channel"] == here]
    return any(each["bindings"]["mqtt"].get("retain", False) for each in operations)


def _fault(message: str, payload: bytes) -> str | None:
    most = DOCUMENT["components"]["messages"][message]["x-most-bytes"]
    if len(payload) > most:
        return f"{len(payload)} bytes, at most {most}"
    try:
        value = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return "must be JSON in UTF-8"
    error = best_match(_validator(message).iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


@cache
def _validator(message: str) -> Draft202012Validator:
    payload = DOCUMENT["components"]["messages"][message]["payload"]
    return Draft202012Validator(_strict({**payload, "components": {"schemas": DOCUMENT["components"]["schemas"]}}))


def _strict(schema: object) -> object:
    """The schema with no keys but those it names, and with patterns that end where Python's text ends.

    Python's `$` also stands before a last newline, that of JSON Schema (ECMA 262) does not.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str):
        strict["pattern"] = re.sub(r"\$$", r"\\Z", schema["pattern"])
    if "properties" in schema:
        strict["additionalProperties"] = False
    return strict
