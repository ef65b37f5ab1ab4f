"""The words everybody speaks: topics, messages and times.

The hub, the Raspberry Pi agents and the microcontrollers all import this one file, so it keeps to
what MicroPython reads: functions and tables, no classes, no state, nothing but `json`. Letters of what others send
are taken by slices and never one by one: MicroPython keeps a single letter (`text[0]`, `for c in text`) for ever.

    topic = desk_topic("mont-roig", "1")
    payload = encode("press", {"id": "k3f9-17", "press": "next", "version": 4, "now": stamp(ms)})
    message = decode("press", payload)      # ValueError says which key is wrong, and why
    kind, names = route("torn/v1/dev/montroig-desk-1/press")

A **shape** says what a message looks like:

    "whole"          a scalar, by its name in SCALARS; "whole?" may also be null
    ("low", "out")   one of these words
    {"seq": "whole"} an object; a key "paper?" may be missing; the key "*" stands for any id
    [shape]          a list of that shape

Unknown keys are let through, so that an old device understands a new hub.
"""

import json

HUB_TOPIC = "torn/v1/hub"
SMALL = 1024  # bytes: what a microcontroller reads or sends

# --- topics ---------------------------------------------------------------------------------


def calls_topic(office):
    """The last four calls alone, for small signs, retained."""
    return "torn/v1/office/%s/calls" % office


def call_topic(office):
    """One message for each call or recall, not retained: for chime and flash."""
    return "torn/v1/office/%s/call" % office


def desk_topic(office, desk):
    """What one desk does, retained."""
    return "torn/v1/office/%s/desk/%s" % (office, desk)


def device_topic(device, leaf):
    """One of a device's own topics; `leaf` is one of DEVICE_LEAVES."""
    return "torn/v1/dev/%s/%s" % (device, leaf)


def piece_topic(device, n):
    """One piece of the update that is offered to a device, counted from 0, retained."""
    return "torn/v1/dev/%s/update/%d" % (device, n)


# --- times ----------------------------------------------------------------------------------


def stamp(ms):
    """Milliseconds since 1970 (UTC) as RFC 3339 with Z: 1795514400000 -> 2026-11-24T10:00:00.000Z."""
    days, rest = divmod(ms, 86400000)
    year, month, day = _civil(days)
    hour, rest = divmod(rest, 3600000)
    minute, rest = divmod(rest, 60000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (year, month, day, hour, minute, rest // 1000, rest % 1000)


def instant(text):
    """RFC 3339 with Z as milliseconds since 1970 (UTC); ValueError for anything else."""
    if len(text) < 20 or len(text) > 30 or text[10:11] != "T" or text[-1:] != "Z":
        raise ValueError("must be a time like 2026-11-24T10:00:00.000Z")
    days = day_number(text[:10])
    hour, minute, second = _digits(text[11:13]), _digits(text[14:16]), _digits(text[17:19])
    fraction = text[19:-1]
    if text[13:14] != ":" or text[16:17] != ":" or hour > 23 or minute > 59 or second > 59:
        raise ValueError("must be a time like 2026-11-24T10:00:00.000Z")
    if fraction and (fraction[:1] != "." or len(fraction) < 2):
        raise ValueError("must be a time like 2026-11-24T10:00:00.000Z")
    ms = _digits((fraction[1:] + "00")[:3]) if fraction else 0
    _digits(fraction[1:] or "0")
    return ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms


def day_number(text):
    """The days from 1970-01-01 to a date like 2026-11-24; ValueError for a date that never was."""
    if len(text) != 10 or text[4:5] != "-" or text[7:8] != "-":
        raise ValueError("must be a date like 2026-11-24")
    year, month, day = _digits(text[:4]), _digits(text[5:7]), _digits(text[8:])
    days = _days(year, month, day) if 1 <= month <= 12 and year >= 1970 else -1
    if days < 0 or _civil(days) != (year, month, day):
        raise ValueError("must be a date like 2026-11-24")
    return days


def _days(year, month, day):
    """Days since 1970-01-01 in the Gregorian calendar, counting years from March (leap day last)."""
    year -= month <= 2
    month = month - 3 if month > 2 else month + 9
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468


def _civil(days):
    """The inverse of _days: (year, month, day)."""
    days += 719468
    era, rest = divmod(days, 146097)
    of_era = (rest - rest // 1460 + rest // 36524 - rest // 146096) // 365
    of_year = rest - (365 * of_era + of_era // 4 - of_era // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return of_era + era * 400 + (month <= 2), month, day


DIGITS = "0123456789"
SMALLS = "abcdefghijklmnopqrstuvwxyz"
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _digits(text):
    if not text or text.strip(DIGITS):  # nothing is left of what has digits alone
        raise ValueError("must be digits: %s" % text)
    return int(text)


# --- scalars --------------------------------------------------------------------------------


def is_slug(value):
    """An identifier: 1 to 64 of a-z, 0-9 and -, beginning with a letter or digit."""
    return (
        isinstance(value, str) and 0 < len(value) <= 64 and value[:1] != "-" and not value.strip(SMALLS + DIGITS + "-")
    )


def is_label(value):
    """What is called: one or two capital letters and three or four digits, such as P012."""
    if not isinstance(value, str) or not 4 <= len(value) <= 6:
        return False
    letters = 2 if value[1:2] >= "A" else 1
    digits = value[letters:]
    return not value[:letters].strip(CAPITALS) and 3 <= len(digits) <= 4 and not digits.strip(DIGITS)


URL_SAFE = SMALLS + CAPITALS + DIGITS + "-_"


def is_url_safe(value, least, most):
    """Letters, digits, - and _ of base64url (RFC 4648, 5), between `least` and `most` of them."""
    return isinstance(value, str) and least <= len(value) <= most and not value.strip(URL_SAFE)


def is_base64(value, most):
    """Base64 of at least a byte, with its padding (RFC 4648, 4), in at most `most` characters."""
    if not isinstance(value, str) or not 4 <= len(value) <= most or len(value) % 4:
        return False
    letters = SMALLS + CAPITALS + DIGITS + "+/"
    return not value[:-2].strip(letters) and not value[-2:].rstrip("=").strip(letters)


def is_whole(value):
    """A whole number that every JSON reader keeps exactly: 0 to 2^53 - 1."""
    return isinstance(value, int) and value is not True and value is not False and 0 <= value < 9007199254740992


def is_text(value):
    """At most 500 printable characters: no control characters and no halves of surrogate pairs."""
    if not isinstance(value, str) or len(value) > 500:
        return False
    before = 0
    try:
        for byte in value.encode():
            # In UTF-8 U+0080 to U+009F begin with C2, the halves with ED (RFC 3629, 3).
            if byte < 0x20 or byte == 0x7F or (before == 0xC2 and byte < 0xA0) or (before == 0xED and byte >= 0xA0):
                return False
            before = byte
    except ValueError:  # CPython does not write halves
        return False
    return True


def _reads(parse, value):
    try:
        parse(value)
    except ValueError:
        return False
    return True


SCALARS = {
    "slug": (is_slug, "must be 1 to 64 of a-z, 0-9 and -"),
    "label": (is_label, "must be a label like P012"),
    "id": (lambda v: is_url_safe(v, 1, 64), "must be 1 to 64 URL-safe characters"),
    "whole": (is_whole, "must be a whole number, 0 or more"),
    "text": (is_text, "must be text of at most 500 printable characters"),
    "base64": (lambda v: is_base64(v, 960), "must be base64 of at most 720 bytes"),
    "yes": (lambda v: v is True or v is False, "must be true or false"),
    "time": (lambda v: isinstance(v, str) and _reads(instant, v), "must be a time like 2026-11-24T10:00:00.000Z"),
    "day": (lambda v: isinstance(v, str) and _reads(day_number, v), "must be a date like 2026-11-24"),
}

# --- messages -------------------------------------------------------------------------------

PRESSES = ("next", "recall", "absent", "done")
WHYS = ("unknown", "too_late", "out_of_date", "desk_closed", "not_now", "nobody_waiting")
DESK_STATES = ("closed", "free", "calling", "serving")

_CALL = {"label": "label", "desk": "slug", "at": "time"}

# kind: (most bytes, shape)
MESSAGES: dict = {
    "hub": (SMALL, {"state": ("ready", "lost"), "now?": "time", "beat?": "whole"}),
    "calls": (SMALL, {"seq": "whole", "calls": [_CALL]}),
    "call": (SMALL, {"seq": "whole", "label": "label", "desk": "slug", "at": "time", "recall": "yes"}),
    "desk": (
        SMALL,
        {
            "seq": "whole",
            "office": "slug",
            "desk": "slug",
            "state": DESK_STATES,
            "label": "label?",
            "service": "slug?",
            "since": "time",
            "waiting": "whole",
            "version": "whole",
        },
    ),
    "state": (
        SMALL,
        {
            "state": ("ready", "degraded", "lost"),
            "boot": "id",
            "conn": "whole",
            "kind?": ("dispenser", "desk", "board"),
            "software?": "text",
            "log?": ["text"],
        },
    ),
    "press": (SMALL, {"id": "id", "press": PRESSES, "version": "whole", "now": "time"}),
    "answer": (SMALL, {"id": "id", "ok": "yes", "label?": "label?", "why?": WHYS}),
    "config": (
        SMALL,
        {
            "seq": "whole",
            "kind": ("desk", "board"),
            "office": "slug",
            "name": "text",
            "day": "day",
            "languages": ["slug"],
            "desk?": "slug",
        },
    ),
    "update": (SMALL, {"version": "text", "bytes": "whole", "manifest": "whole", "mac": "id"}),
    "piece": (SMALL, {"n": "whole", "data": "base64"}),
}


def check(kind, message):
    """Raises ValueError, which names the key and says what it must be, unless `message` is a `kind`."""
    if not isinstance(message, dict):
        raise ValueError("must be a JSON object")
    wrong = fault(MESSAGES[kind][1], message)
    if kind == "fact" and not wrong:
        name = message.get("fact")
        shape = FACTS.get(name) if isinstance(name, str) else None
        wrong = fault(shape, message) if shape else "fact: must be one of %s" % ", ".join(sorted(FACTS))
    if wrong:
        raise ValueError(wrong)


def encode(kind, message):
    """The message as UTF-8 JSON; ValueError if it is not a `kind` or is too long for one."""
    check(kind, message)
    payload = json.dumps(message, separators=(",", ":")).encode()
    if len(payload) > MESSAGES[kind][0]:
        raise ValueError("%s: %d bytes, at most %d" % (kind, len(payload), MESSAGES[kind][0]))
    return payload


def decode(kind, payload):
    """The message in a payload (bytes); ValueError says what is wrong with it."""
    if len(payload) > MESSAGES[kind][0]:
        raise ValueError("%d bytes, at most %d" % (len(payload), MESSAGES[kind][0]))
    try:
        message = json.loads(bytes(payload).decode())
    except (ValueError, RuntimeError):  # RuntimeError: nested deeper than the reader's stack
        raise ValueError("must be JSON in UTF-8")
    check(kind, message)
    return message


def fault(shape, value, path=""):
    """What is wrong with `value` by this shape: one sentence that names the place below `path`, or None."""
    if isinstance(shape, str):
        return _scalar_fault(shape, value, path)
    if isinstance(shape, tuple):
        fine = isinstance(value, str) and value in shape
        return None if fine else "%s: must be one of %s" % (path, ", ".join(shape))
    if isinstance(shape, list):
        if not isinstance(value, list):
            return "%s: must be a list" % path
        return _first(fault(shape[0], item, "%s[%d]" % (path, i)) for i, item in enumerate(value))
    if value is None and "?" in shape:
        return None
    if not isinstance(value, dict):
        return "%s: must be an object" % path
    return _first(_key_fault(key, inner, value, path) for key, inner in shape.items() if key != "?")


def _scalar_fault(name, value, path):
    if name[-1] == "?":
        if value is None:
            return None
        name = name[:-1]
    fine, words = SCALARS[name]
    return None if fine(value) else "%s: %s" % (path, words)


def _key_fault(key, shape, value, path):
    if key == "*":
        return _first(_entry_fault(each, shape, value[each], path) for each in value)
    optional = key[-1] == "?"
    key = key[:-1] if optional else key
    if key not in value:
        return None if optional else "%s: is missing" % (path + "." + key if path else key)
    return fault(shape, value[key], path + "." + key if path else key)


def _entry_fault(key, shape, value, path):
    if not is_url_safe(key, 1, 64):
        return "%s: a key must be 1 to 64 URL-safe characters" % path
    return fault(shape, value, path + "." + key)


def _first(faults):
    for each in faults:
        if each:
            return each
    return None


# --- for larger machines --------------------------------------------------------------------
# What follows no microcontroller reads or says: it is left out of what is put on one (signing.for_a_board).

FORECAST_COUNTS = 90000  # milliseconds: an older forecast counts as none
LARGE = 262144  # bytes: what only a Raspberry Pi or a server reads


BEAT_TOPIC = "torn/v1/beat"  # the same beat, never retained: for offices with a broker of their own


def line_topic(office):
    """The office's whole line, retained."""
    return "torn/v1/office/%s/line" % office


def appended_topic(office):
    """Said by a web process to the bridges, not retained: the office's log has grown."""
    return "torn/v1/office/%s/appended" % office


def forecast_topic(office):
    """What the forecaster expects of an office, retained: for bridges and web processes alone."""
    return "torn/v1/office/%s/forecast" % office


OFFICE_LEAVES = ("line", "calls", "call", "appended", "forecast")
DEVICE_LEAVES = ("state", "fact", "stored", "press", "answer", "config", "agenda", "update")


def route(topic):
    """What a topic carries: (kind, names), such as ("desk", ("mont-roig", "1")).

    Raises ValueError for a topic that is not one of ours.
    """
    if topic == HUB_TOPIC:
        return "hub", ()
    if topic == BEAT_TOPIC:
        return "beat", ()
    parts = topic.split("/")
    if parts[:2] == ["torn", "v1"] and all(is_slug(part) for part in parts[3:4] + parts[5:]):
        if len(parts) == 5 and parts[2] == "office" and parts[4] in OFFICE_LEAVES:
            return parts[4], (parts[3],)
        if len(parts) == 5 and parts[2] == "dev" and parts[4] in DEVICE_LEAVES:
            return parts[4], (parts[3],)
        if len(parts) == 6 and parts[2] == "office" and parts[4] == "desk":
            return "desk", (parts[3], parts[5])
        if len(parts) == 6 and parts[2] == "dev" and parts[4] == "update" and not parts[5].strip(DIGITS):
            return "piece", (parts[3], parts[5])
    raise ValueError("topic %s is not one of torn/v1" % topic)


PAPERS = ("ok", "low", "out", "unknown")
_WAIT = {"p5": "whole", "p10": "whole", "p50": "whole", "p90": "whole", "?": True}
_FACT = {"journal": "id", "seq": "whole", "at": "time", "day": "day"}
# What a fact carries beside _FACT, by its `fact`.
FACTS = {
    "ticket.issued": {
        "ticket": "uuid",
        "token": "token",
        "service": "slug",
        "label": "label",
        "language?": "slug",
        "priority?": "yes",
        "back_by?": "time?",
    },
    "appointment.checked_in": {
        "ticket": "uuid",
        "token": "token",
        "appointment": "id",
        "label": "label",
        "language?": "slug",
        "back_by?": "time?",
    },
    "ticket.rejoined": {"ticket": "uuid"},
    "ticket.voided": {"ticket": "uuid", "why": ("printer",)},
    "printer.changed": {"paper": PAPERS},
}


def is_uuid(value):
    """A UUID in its usual 36 lower-case characters (RFC 9562, 4)."""
    if not isinstance(value, str) or len(value) != 36:
        return False
    parts = value.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and not "".join(parts).strip(DIGITS + "abcdef")


SCALARS["token"] = (lambda v: is_url_safe(v, 22, 512), "must be 22 to 512 URL-safe characters")
SCALARS["uuid"] = (is_uuid, "must be a UUID")

MESSAGES["state"][1].update({"paper?": PAPERS, "unsent?": "whole", "unsent_since?": "time?"})
MESSAGES["beat"] = MESSAGES["hub"]
MESSAGES["line"] = (
    LARGE,
    {
        "seq": "whole",
        "at": "time",
        "office": "slug",
        "day": "day",
        "open": "yes",
        "paused": "text?",
        "waiting": "whole",
        "events?": "whole",
        "services": {"*": {"waiting": "whole", "wait": _WAIT}},
        "desks": {"*": {"state": DESK_STATES, "label": "label?"}},
        "calls": [_CALL],
    },
)
MESSAGES["appended"] = (SMALL, {"seq": "whole"})
MESSAGES["forecast"] = (
    LARGE,
    {"seq": "whole", "at": "time", "services": {"*": _WAIT}, "tickets": {"*": _WAIT}},
)
MESSAGES["fact"] = (SMALL, _FACT)
MESSAGES["stored"] = (SMALL, {"journal": "id", "seq": "whole"})
MESSAGES["config"] = (
    LARGE,
    {
        "seq": "whole",
        "kind": ("dispenser", "desk", "board"),
        "office": "slug",
        "name": "text",
        "day": "day",
        "languages": ["slug"],
        "desk?": "slug",
        "timezone?": "text",
        "day_starts?": "text",
        "telephone?": "text",
        "track?": "text",
        "hours?": [{"opens": "time", "closes": "time"}],
        "services?": [{"id": "slug", "letter": "text", "name": {"*": "text"}, "shares?": ["slug"]}],
        "appointment_letter?": "text",
        "first_number?": "whole",
        "last_number?": "whole?",
        "numbers?": {"*": "whole"},
        "priority?": "yes",
        "rejoin_minutes?": "whole",
        "early_minutes?": "whole",
        "late_minutes?": "whole",
    },
)
MESSAGES["agenda"] = (
    LARGE,
    {
        "seq?": "whole",
        "day": "day",
        "key": "id",
        "offices?": {"*": "text"},
        "appointments?": [
            {
                "id": "id",
                "office": "slug",
                "service": "slug",
                "start": "time",
                "locator": "id",
                "document?": "id?",
                "label?": "label?",
                "ticket?": "uuid?",
                "grace?": "whole",
            }
        ],
    },
)


def digest(key, words):
    """How an agenda names a document's number or a locator without saying it: 32 hexadecimal digits.

    scrypt (RFC 7914) with n = 2^15, r = 8, p = 1 and the day's key: a tenth of a second and 32 MiB
    for each try, so that all numbers cannot be searched. `words` is in capitals, without spaces.
    Only machines that have hashlib.scrypt call this; a microcontroller has no agenda.
    """
    import hashlib

    made = hashlib.scrypt(words.encode(), salt=key.encode(), n=32768, r=8, p=1, maxmem=67108864, dklen=16)
    return "".join("%02x" % byte for byte in made)
