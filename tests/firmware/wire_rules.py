"""The rules of wire.py, in the dialect that MicroPython reads: the same functions run under both.

    micropython tests/firmware/wire_rules.py firmware [rule]

Each rule takes the module, so that it does not matter where it was imported from.
"""

import json
import sys

NOON = 1795521600000  # 2026-11-24T12:00:00.000Z

GOOD = {
    "hub": {"state": "ready", "now": "2026-11-24T12:00:00.000Z", "beat": 7},
    "beat": {"state": "ready", "now": "2026-11-24T12:00:00.000Z", "beat": 7},
    "line": {
        "seq": 41,
        "at": "2026-11-24T12:00:00.000Z",
        "office": "mont-roig",
        "day": "2026-11-24",
        "open": True,
        "paused": None,
        "waiting": 7,
        "services": {
            "padro": {"waiting": 3, "wait": {"p5": 4, "p10": 6, "p50": 12, "p90": 21}},
            "registre": {"waiting": 4, "wait": None},
        },
        "desks": {"1": {"state": "serving", "label": "P012"}, "2": {"state": "closed", "label": None}},
        "calls": [{"label": "P012", "desk": "1", "at": "2026-11-24T11:59:00.000Z"}],
    },
    "calls": {"seq": 9, "calls": [{"label": "P012", "desk": "1", "at": "2026-11-24T11:59:00.000Z"}]},
    "call": {"seq": 57, "label": "P012", "desk": "1", "at": "2026-11-24T11:59:00.000Z", "recall": False},
    "appended": {"seq": 57},
    "forecast": {
        "seq": 57,
        "at": "2026-11-24T12:00:00.000Z",
        "services": {"padro": {"p5": 4, "p10": 6, "p50": 12, "p90": 21}, "registre": None},
        "tickets": {"0b7e4a52-6f0e-4d9e-9a43-1f2f8a1f5f10": {"p5": 1, "p10": 2, "p50": 5, "p90": 9}},
    },
    "desk": {
        "seq": 12,
        "office": "mont-roig",
        "desk": "1",
        "state": "calling",
        "label": "P012",
        "service": "padro",
        "since": "2026-11-24T11:59:00.000Z",
        "waiting": 5,
        "version": 4,
    },
    "state": {"state": "ready", "kind": "dispenser", "boot": "a3f1", "conn": 2, "software": "0.1.0", "paper": "ok"},
    "fact": {
        "journal": "9f2c",
        "seq": 41,
        "at": "2026-11-24T11:40:00.000Z",
        "day": "2026-11-24",
        "fact": "ticket.issued",
        "ticket": "0b7e4a52-6f0e-4d9e-9a43-1f2f8a1f5f10",
        "token": "kX3v9Zt0Qm4c7Yb1Rw8uJA",
        "service": "padro",
        "label": "P012",
        "back_by": None,
    },
    "stored": {"journal": "9f2c", "seq": 41},
    "press": {"id": "k3f9-17", "press": "next", "version": 4, "now": "2026-11-24T12:00:00.000Z"},
    "answer": {"id": "k3f9-17", "ok": True, "label": "P012"},
    "config": {
        "seq": 3,
        "kind": "desk",
        "office": "mont-roig",
        "name": "OMAC Mont-roig del Camp",
        "day": "2026-11-24",
        "languages": ["ca", "es"],
        "services": [{"id": "padro", "letter": "P", "name": {"ca": "Padró d'habitants"}}],
        "numbers": {"P": 12},
    },
    "agenda": {
        "day": "2026-11-24",
        "key": "3q2-7w",
        "offices": {"mont-roig": "OMAC Mont-roig del Camp"},
        "appointments": [
            {
                "id": "7c1e",
                "office": "mont-roig",
                "service": "padro",
                "start": "2026-11-24T10:10:00.000Z",
                "locator": "5f1d7a84e981ddc3",
                "document": None,
                "label": "C007",
                "ticket": "5d0a5f3a-0c0f-4f43-8f5e-7e1b7a3c9d21",
                "grace": 15,
            }
        ],
    },
    "update": {"version": "0.2.0", "bytes": 61234, "manifest": 1312, "mac": "5f1d7a84" * 8},
    "piece": {"n": 7, "data": "eyJ2ZXJzaW9uIjo="},
}


def refusal(function, *arguments):
    """What the ValueError says that the function raises; anything else, or nothing raised, breaks the rule."""
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    raise AssertionError("%s was let through" % (arguments,))


def changed(kind, key, value):
    message = dict(GOOD[kind])
    message[key] = value
    return message


def rule_every_kind_of_message_survives_the_way_there_and_back(wire):
    assert sorted(GOOD) == sorted(wire.MESSAGES)
    for kind, message in GOOD.items():
        assert wire.decode(kind, wire.encode(kind, message)) == message, kind


def rule_a_missing_key_is_named(wire):
    for kind in GOOD:
        for key in wire.MESSAGES[kind][1]:
            if key[-1] != "?" and key in GOOD[kind]:
                message = dict(GOOD[kind])
                del message[key]
                assert refusal(wire.check, kind, message) == key + ": is missing", (kind, key)


def rule_a_wrong_value_is_named_by_its_place(wire):
    assert refusal(wire.check, "press", changed("press", "version", -1)).startswith("version: must be a whole number")
    assert refusal(wire.check, "press", changed("press", "press", "open")).startswith("press: must be one of next,")
    calls = [{"label": "P012", "desk": "1", "at": "noon"}]
    assert refusal(wire.check, "calls", changed("calls", "calls", calls)).startswith("calls[0].at: must be a time")
    desks = {"1": {"state": "asleep", "label": None}}
    assert refusal(wire.check, "line", changed("line", "desks", desks)).startswith("desks.1.state: must be one of")


def rule_a_key_that_nobody_knows_is_let_through(wire):
    wire.check("press", changed("press", "weather", "fine"))


def rule_the_keys_of_a_table_are_identifiers(wire):
    numbers = {"<script>": 1}
    assert refusal(wire.check, "config", changed("config", "numbers", numbers)).startswith("numbers: ")
    assert refusal(wire.check, "config", changed("config", "numbers", {"": 1})).startswith("numbers: ")


def rule_what_is_no_json_object_is_refused(wire):
    for payload in (b"", b"{", b"[]", b"null", b"17", b'"ready"', b"\xff\xfe", b'{"id":', b"{'id': 1}", b"[" * 1000):
        refusal(wire.decode, "press", payload)


def rule_a_message_longer_than_its_reader_is_refused(wire):
    long = changed("press", "more", "x" * 1024)
    assert refusal(wire.encode, "press", long).endswith("at most 1024")
    assert refusal(wire.decode, "press", json.dumps(long).encode()).endswith("at most 1024")


def rule_a_fact_is_checked_by_its_own_keys(wire):
    assert refusal(wire.check, "fact", changed("fact", "fact", "ticket.sold")).startswith("fact: must be one of")
    assert refusal(wire.check, "fact", changed("fact", "fact", ["ticket.issued"])).startswith("fact: must be one of")
    assert refusal(wire.check, "fact", changed("fact", "token", "short")).startswith("token: must be 22")
    assert refusal(wire.check, "fact", changed("fact", "token", "t" * 513)).startswith("token: must be 22")
    wire.encode("fact", changed("fact", "token", "t" * 512))
    assert refusal(wire.check, "fact", changed("fact", "ticket", "0b7e")) == "ticket: must be a UUID"
    wire.check("fact", changed("fact", "back_by", "2026-11-24T11:50:00Z"))


def rule_every_kind_of_fact_has_its_shape(wire):
    common = {"journal": "9f2c", "seq": 1, "at": "2026-11-24T11:40:00.000Z", "day": "2026-11-24"}
    voided = {"fact": "ticket.voided", "ticket": GOOD["fact"]["ticket"], "why": "printer"}
    voided.update(common)
    wire.check("fact", voided)
    paper = {"fact": "printer.changed", "paper": "low"}
    paper.update(common)
    wire.check("fact", paper)
    paper["paper"] = "damp"
    assert refusal(wire.check, "fact", paper).startswith("paper: must be one of ok, low, out, unknown")


def rule_truth_is_no_number_and_a_number_no_truth(wire):
    refusal(wire.check, "stored", changed("stored", "seq", True))
    refusal(wire.check, "stored", changed("stored", "seq", 1.5))
    refusal(wire.check, "stored", changed("stored", "seq", "41"))
    refusal(wire.check, "stored", changed("stored", "seq", 9007199254740992))
    refusal(wire.check, "answer", changed("answer", "ok", 1))


def rule_text_holds_no_control_characters_and_no_halves(wire):
    wire.check("config", changed("config", "name", "col·legi 'ñ' € 😀"))
    for bad in ("\x00", "a\nb", "\x1b@", "\x7f", "\x9b", "x" * 501):
        refusal(wire.check, "config", changed("config", "name", bad))
    refusal(wire.decode, "line", json.dumps(changed("line", "paused", "X")).replace("X", "\\ud800").encode())


def rule_an_appointment_of_the_agenda_is_checked_by_its_place(wire):
    one = GOOD["agenda"]["appointments"][0]
    for key, bad in (("start", "ten"), ("document", "1234 5678"), ("label", "C7"), ("grace", -1), ("office", None)):
        wrong = changed("agenda", "appointments", [one, dict(one, **{key: bad})])
        assert refusal(wire.check, "agenda", wrong).startswith("appointments[1].%s: must be" % key), key


def rule_identifiers_are_slugs(wire):
    for good in ("a", "1", "mont-roig", "x" * 64):
        assert wire.is_slug(good), good
    for bad in ("", "-a", "Mont", "a b", "a/b", "+", "#", "é", "x" * 65, "a\n", None, 1, ["a"]):
        assert not wire.is_slug(bad), bad


def rule_labels_are_letters_and_three_or_four_digits(wire):
    for good in ("P012", "C007", "AB123", "P1000", "AB1000"):
        assert wire.is_label(good), good
    for bad in ("", "P12", "p012", "012", "P01234", "ABC12", "P0A2", "P012\n", "Ñ012", "P٠١٢", None, 12):
        assert not wire.is_label(bad), bad


def rule_a_topic_leads_to_its_kind_and_names(wire):
    assert wire.route(wire.HUB_TOPIC) == ("hub", ())
    assert wire.route(wire.line_topic("mont-roig")) == ("line", ("mont-roig",))
    assert wire.route(wire.calls_topic("mont-roig")) == ("calls", ("mont-roig",))
    assert wire.route(wire.call_topic("mont-roig")) == ("call", ("mont-roig",))
    assert wire.route(wire.appended_topic("mont-roig")) == ("appended", ("mont-roig",))
    assert wire.route(wire.forecast_topic("mont-roig")) == ("forecast", ("mont-roig",))
    assert wire.route(wire.desk_topic("mont-roig", "1")) == ("desk", ("mont-roig", "1"))
    for leaf in wire.DEVICE_LEAVES:
        assert wire.route(wire.device_topic("montroig-desk-1", leaf)) == (leaf, ("montroig-desk-1",))
    assert wire.route(wire.piece_topic("montroig-desk-1", 7)) == ("piece", ("montroig-desk-1", "7"))


def rule_a_strange_topic_leads_nowhere(wire):
    strange = (
        "",
        "torn",
        "torn/v1",
        "torn/v2/hub",
        "torn/v1/hub/",
        "torn/v1/office/mont-roig",
        "torn/v1/office//line",
        "torn/v1/office/+/line",
        "torn/v1/office/mont-roig/desk",
        "torn/v1/office/mont-roig/desk/",
        "torn/v1/office/mont-roig/desk/1/state",
        "torn/v1/dev/montroig-desk-1/secrets",
        "torn/v1/dev/montroig-desk-1/update/",
        "torn/v1/dev/montroig-desk-1/update/a",
        "torn/v1/dev/montroig-desk-1/state/1",
        "torn/v1/dev/Montroig/state",
        "/torn/v1/hub",
        "$SYS/broker/uptime",
    )
    for topic in strange:
        assert "is not one of torn/v1" in refusal(wire.route, topic)


def rule_a_stamp_reads_back_as_the_same_instant(wire):
    assert wire.stamp(NOON) == "2026-11-24T12:00:00.000Z"
    assert wire.stamp(0) == "1970-01-01T00:00:00.000Z"
    for ms in (0, 1, 999, 951782400000, 951868799999, NOON, NOON + 1, 4102444799999, 253402300799999):
        assert wire.instant(wire.stamp(ms)) == ms, ms


def rule_fractions_of_a_second_are_read_to_the_millisecond(wire):
    assert wire.instant("2026-11-24T12:00:00Z") == NOON
    assert wire.instant("2026-11-24T12:00:00.5Z") == NOON + 500
    assert wire.instant("2026-11-24T12:00:00.0019999Z") == NOON + 1


def rule_a_time_that_never_was_is_refused(wire):
    bad = (
        "",
        "2026-11-24",
        "2026-11-24T12:00:00",
        "2026-11-24T12:00:00+01:00",
        "2026-11-24 12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-00-10T12:00:00Z",
        "2026-11-31T12:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T12:60:00Z",
        "2026-11-24T12:00:60Z",
        "2026-11-24T12:00:00.Z",
        "2026-11-24T12:00:00,5Z",
        "2026-11-24T12:00:00.5aZ",
        "2026-11-24T12:00:00.00000000000000000Z",
        "1969-12-31T23:59:59Z",
        "-026-11-24T12:00:00Z",
        "2026-11-24T1２:00:00Z",
    )
    for text in bad:
        refusal(wire.instant, text)


def rule_days_are_counted_through_leap_years(wire):
    assert wire.day_number("1970-01-01") == 0
    assert wire.day_number("2000-03-01") - wire.day_number("2000-02-28") == 2
    assert wire.day_number("2026-11-24") * 86400000 == NOON - 12 * 3600000
    refusal(wire.day_number, "2100-02-29")


RULES = sorted(name for name in globals() if name.startswith("rule_"))


def main(folder, names):
    """Runs the rules by name against the wire.py of that folder; the first that is broken ends the run."""
    sys.path.insert(0, folder)
    import wire

    for name in names or RULES:
        globals()[name](wire)
        print("kept:", name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
