"""The rules of the board's own modules, in the dialect that MicroPython reads: the same functions run under both.

    micropython tests/firmware/board_rules.py firmware tests/firmware/laptop FOLDER rule…

Each rule takes a folder of its own, empty and ending in /.
What only a filesystem of flash can show is in flash_rules.py.
"""

import os
import sys

GOOD = {
    "device": "desk-1",
    "kind": "desk",
    "wifi": {"ssid": "office", "password": "secret"},
    "broker": {"host": "broker.example.cat"},
}


def refusal(function, *arguments):
    """What the ValueError says that the function raises; anything else, or nothing raised, breaks the rule."""
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    raise AssertionError("%s was let through" % (arguments,))


def changed(place, value):
    """The good settings with one key (such as "wifi.ssid") changed, or left out if the value is None."""
    settings = dict(GOOD)
    first, _, second = place.partition(".")
    inner = dict(settings.get(first, {})) if second else settings
    inner[second or first] = value
    if value is None:
        del inner[second or first]
    if second:
        settings[first] = inner
    return settings


# --- settings -------------------------------------------------------------------------------


def rule_settings_have_their_defaults(_root):
    import config

    settings = config.checked(GOOD)
    assert settings["broker"]["port"] == 8883 and settings["sign"]["type"] == "ssd1306"
    assert settings["wifi"]["ssid"] == "office" and settings["wifi"]["country"] == "ES"
    assert settings["pins"]["next"] == 15 and settings["pins"]["done"] is None


def rule_a_wrong_setting_is_named_by_its_place(_root):
    import config

    wrong = {
        "device": ("", "device: must be 1 to 64"),
        "kind": ("dispenser", "kind: must be one of desk, board"),
        "wifi.ssid": (None, "wifi.ssid: is missing"),
        "broker.port": (70000, "broker.port: must be 1 to 65535"),
        "broker.certificate": ("me.der", "broker.key: certificate and key go together"),
        "update_key": ("xyz", "update_key: must be 64 of"),
        "pins.light": ("14", "pins.light: must be a whole number"),
        "sign.type": ("lcd", "sign.type: must be one of"),
        "sign.colour": (1, "sign.colour: there is no such setting"),
        "wlan": ({}, "wlan: there is no such setting"),
        "pins": ({"next": 2, "light": 2}, "pins: one pin does two things"),
        "pins.recall": (4, "pins: one pin does two things"),
        "pins.absent": (25, "pins.absent: 25 is no free pin of a pico-w"),
        "sign.sda": (29, "sign.sda: 29 is no free pin of a pico-w"),
    }
    for place, (value, words) in wrong.items():
        assert refusal(config.checked, changed(place, value)).startswith(words), place


def rule_an_esp32_has_pins_of_its_own(_root):
    import config

    esp32 = dict(GOOD, board="esp32")
    assert config.checked(dict(esp32, pins={"next": 32}, sign={"sda": 21, "scl": 22}))["sign"]["scl"] == 22
    assert refusal(config.checked, dict(esp32, pins={"next": 6})) == "pins.next: 6 is no free pin of a esp32"
    assert refusal(config.checked, dict(esp32, pins={"next": 34})).startswith("pins.next: 34 is no")


def rule_the_bus_of_a_sign_is_the_one_that_its_pins_reach(_root):
    from screens import bus

    assert [bus("i2c", sda) for sda in (0, 2, 4, 6, 20, 26)] == [0, 1, 0, 1, 0, 1]
    assert [bus("spi", sck) for sck in (2, 6, 10, 14, 18, 22, 26)] == [0, 0, 1, 1, 0, 0, 1]


# --- time -----------------------------------------------------------------------------------


class Rtc:
    """A board's clock that keeps what it is told."""

    def datetime(self, value):
        self.kept = value


def rule_a_clock_begins_when_the_software_was_built(_root):
    import version
    from clock import Clock

    rtc = Rtc()
    assert Clock(rtc).hub_now() is None
    assert "%04d-%02d-%02d" % rtc.kept[:3] == version.BUILT[:10]


def rule_a_clock_is_set_by_the_hub_and_never_to_before_the_software_was_built(_root):
    import wire
    from clock import Clock

    rtc = Rtc()
    clock = Clock(rtc)
    built = rtc.kept
    clock.hear(wire.instant("2019-05-01T10:00:00.000Z"))
    assert rtc.kept == built
    assert wire.stamp(clock.hub_now())[:16] == "2019-05-01T10:00"
    clock.hear(wire.instant("2031-05-01T10:30:59.000Z"))
    assert rtc.kept == (2031, 5, 1, 3, 10, 30, 59, 0)


def rule_a_clock_that_no_certificate_believes_begins_again(_root):
    import wire
    from clock import Clock

    rtc = Rtc()
    clock = Clock(rtc)
    built = rtc.kept
    clock.hear(wire.instant("2046-05-01T10:30:59.000Z"))
    assert rtc.kept[0] == 2046
    clock.doubt()
    assert rtc.kept == built
    clock.hear(wire.instant("2027-05-01T10:30:59.000Z"))
    assert rtc.kept[0] == 2027


def rule_a_clock_runs_on_when_the_chips_counter_wraps(_root):
    import clock as module

    class Time:
        now = (1 << 30) - 10

        def ticks_ms(self):
            return self.now % (1 << 30)

        def ticks_diff(self, end, start):
            return (end - start + (1 << 29)) % (1 << 30) - (1 << 29)

    real, module.time = module.time, Time()
    try:
        clock = module.Clock()
        assert clock.ms() == 0
        for _ in range(5):
            module.time.now += 400000000  # four and a half days
            clock.ms()
        assert clock.ms() == 2000000000
    finally:
        module.time = real


# --- the link -------------------------------------------------------------------------------


def rule_pauses_grow_to_a_minute_and_are_spread(_root):
    from link import pause

    assert pause(0, 0.0) == 0 and pause(0, 1.0) == 3000
    assert [pause(n, 1.0) for n in (1, 2, 3, 4, 5, 50)] == [6000, 12000, 24000, 48000, 60000, 60000]
    assert pause(50, 0.0) == 30000


def rule_lengths_of_packets_take_seven_bits_a_byte(_root):
    from mqtt import packet

    for length, head in (
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16383, b"\xff\x7f"),
        (16384, b"\x80\x80\x01"),
    ):
        assert packet(0x30, bytes(length)) == b"\x30" + head + bytes(length), length


# --- notes ----------------------------------------------------------------------------------


def rule_notes_are_few_short_told_once_and_get_their_time_when_it_is_known(_root):
    import wire
    from clock import Clock
    from notes import Notes

    clock = Clock()
    notes = Notes(clock)
    for text in ("one", "two", "two", "three", "four", "five\n", "x" * 300):
        notes.add(text)
    assert [len(each) for each in notes.told()] == [5, 4, 4, 100]
    assert notes.told()[2] == "five"
    clock.hear(wire.instant("2026-11-24T10:00:00.000Z"))
    assert notes.told()[2].startswith("2026-11-24T") and notes.told()[2].endswith("Z five")
    state = {"state": "ready", "boot": "a3f1", "conn": 1, "kind": "desk", "software": "0.1.0", "log": notes.told()}
    wire.encode("state", state)


# --- tasks ----------------------------------------------------------------------------------


def rule_the_watchdog_is_fed_while_all_tasks_live_and_no_longer(_root):
    import asyncio

    import supervisor as module
    from clock import Clock
    from notes import Notes

    fed = []
    clock = Clock()
    notes = Notes(clock)
    looked, module.LOOK, module.PATIENCE, module.PAUSE = module.LOOK, 10, 50, 10

    async def lives(alive):
        while True:
            alive()
            await asyncio.sleep_ms(5)

    async def hangs(alive):
        await asyncio.sleep_ms(60000)

    async def fails(alive):
        raise KeyError("of the rule")

    async def starves(alive):
        raise MemoryError("of the rule")

    async def watch(*tasks):
        fed.clear()
        supervisor = module.Supervisor(clock, notes, lambda: fed.append(clock.ms()))
        for task in tasks:
            supervisor.add(task.__name__ if hasattr(task, "__name__") else str(task), task)
        begun, watching = clock.ms(), asyncio.create_task(supervisor.watch())
        await asyncio.sleep_ms(300)
        watching.cancel()
        return [at - begun for at in fed]

    async def main():
        assert (await watch(lives))[-1] > 200
        assert (await watch(lives, fails))[-1] > 200
        assert "failed: KeyError" in notes.told()[0]
        assert (await watch(lives, hangs))[-1] < 150
        module.STARVED = 3
        assert (await watch(lives, starves))[-1] < 200

    try:
        asyncio.run(main())
    finally:
        module.LOOK, module.PATIENCE, module.PAUSE, module.STARVED = looked, 30000, 2000, 10


# --- letters and signs ----------------------------------------------------------------------


def rule_texts_break_between_words(_root):
    from glyphs import broken, largest

    assert broken("Ha canviat: torneu a prémer", 16) == ["Ha canviat:", "torneu a prémer"]
    assert broken("extraordinàriament", 8) == ["extraord", "inàriame", "nt"]
    assert largest("P012", 128, 32) == (4, ["P012"])
    assert largest("Sense connexió", 128, 32) == (2, ["Sense", "connexió"])
    assert largest("", 128, 32)[1] == []


def rule_every_word_of_the_signs_can_be_written(_root):
    import glyphs
    import words
    from spoken import LANGUAGES

    for table in (words.DESK, words.BOARD):
        names = sorted(words.say(table, "ca"))
        assert sorted(table) == sorted(LANGUAGES)
        for language in table:
            say = words.say(table, language)
            assert sorted(say) == names, language
            for each in say.values():
                assert all(glyphs.letter(c)[0] != "?" or c == "?" for c in each), each


def rule_a_sign_speaks_the_offices_first_language_that_it_knows(_root):
    from spoken import Spoken

    say = Spoken("desk", "en")
    assert say["free"] == "Free" and say["wifi"] == "Wi-Fi?"
    say.speak(["eu", "fr", "ca"])
    assert say["free"] == "Libre"
    say.speak(["eu"])
    assert say["free"] == "Free" and "words" not in sys.modules


class Bus:
    """I2C, SPI and a pin in one that keeps what is sent."""

    def __init__(self):
        self.sent = []

    def writeto(self, address, data):
        self.sent.append((address, bytes(data)))

    def write(self, data):
        self.sent.append(bytes(data))

    def value(self, level):
        self.sent.append(level)


def rule_an_oled_panel_is_sent_all_its_memory_once_a_drawing(_root):
    import ssd1306

    bus = Bus()
    panel = ssd1306.Panel(bus, 0x3C, 5)
    assert bus.sent[0] == (0x3C, b"\x80\xae") and (0x3C, b"\x80\xaf") in bus.sent
    del bus.sent[:]
    panel.show(("P012", "5 en espera"), "P012   5")
    data = b"".join([each[1][1:] for each in bus.sent if each[1][:1] == b"\x40"])
    assert len(data) == 1024 and sum([byte != 0 for byte in data]) > 100
    assert data[: 4 * 128].count(b"\x00") < 4 * 128 and bus.sent[0] == (0x3C, b"\x80\xa6")
    panel.show(("P012",), "", False)
    assert (0x3C, b"\x80\xa7") in bus.sent


def rule_seven_segments_show_what_there_is_room_for(_root):
    from tm1637 import fit

    assert fit("P012   5", 6) == "P012 5" and fit("P012   5", 4) == "P012"
    assert fit("       5", 4) == "   5" and fit("P012  no", 4) == "  no" and fit("--------", 4) == "----"
    assert fit("CLOSED 5", 4) == "CLOS" and fit("CLOSED 5", 6) == "CLOS 5"
    assert fit("P1234  5", 4) == "1234" and fit("P1234  5", 6) == "P1234"
    assert fit("AB123  5", 4) == "B123" and fit("P1234 no", 6) == "    no" and fit("P1234  5", 8) == "P1234  5"
    assert fit("P012  no", 6) == "P012no" and fit("--------", 6) == "------" and fit("       5", 6) == "     5"


def rule_all_of_a_text_fits_below_the_number_and_the_number_gives_way(_root):
    import words
    from glyphs import SIDE, lines

    class Panel:
        """Keeps where letters are written: the rectangles' lowest edge and largest height."""

        def fill(self, ink):
            self.low, self.large = 0, 0

        def fill_rect(self, x, y, width, height, ink):
            self.low, self.large = max(self.low, y + height), max(self.large, height)

    panel = Panel()
    lines(panel, 128, 64, ("P012", "5 en espera"))
    assert panel.large == 4
    for language in words.BOARD:
        lines(panel, 128, 64, ("P012", "Taula 2", words.say(words.BOARD, language)["old"]))
        assert panel.large >= 2 and 56 < panel.low <= 64, language
    lines(panel, 128, 64, ("P012", "x" * 16 * 5))
    assert panel.large == 1 and 64 - SIDE - 2 < panel.low <= 64


class Wires:
    """The chip's end of a TM1637's two wires: puts the bytes together that are clocked in."""

    def __init__(self):
        self.clk, self.dio, self.bits, self.got = 1, 1, [], []
        outer = self

        class Clk:
            def value(self, level):
                if level and not outer.clk:
                    outer.bits.append(outer.dio)
                outer.clk = level

        class Dio:
            def value(self, level):
                if outer.clk and outer.dio and not level:
                    outer.bits = []
                if outer.clk and level and not outer.dio:
                    whole = [outer.bits[n : n + 8] for n in range(0, len(outer.bits) - 8, 9)]
                    outer.got.append([sum([bit << n for n, bit in enumerate(byte)]) for byte in whole])
                outer.dio = level

        self.pins = Clk(), Dio()


def rule_seven_segments_are_clocked_out_as_the_chip_reads_them(_root):
    import tm1637

    wires = Wires()
    tm1637.Digits(wires.pins[0], wires.pins[1], 3, 4).show((), "P012   5")
    assert wires.got == [[0x40], [0xC0, 0x73, 0x3F, 0x06, 0x5B], [0x8B]]


def rule_a_matrix_shows_what_fits_and_scrolls_what_does_not(_root):
    import max7219

    bus = Bus()
    matrix = max7219.Matrix(bus, bus, 4, 5)
    matrix.show(("P012",), "")
    assert not matrix.moving
    del bus.sent[:]
    matrix.show(("P012", "Taula 2"), "")
    assert matrix.moving
    seen = set()
    for now in range(0, 8000, 40):
        del bus.sent[:]
        matrix.tick(now)
        frame = b"".join([each for each in bus.sent if isinstance(each, bytes)])
        assert len(frame) == 8 * 4 * 2
        seen.add(frame)
    assert len(seen) > 60
    matrix.show(("P012", "Taula 2"), "", False)
    assert not any([bus.sent[-2][n] for n in range(1, 8, 2)])


# --- updates --------------------------------------------------------------------------------

KEY = b"k" * 32
FILES = [("app.py", b"print('new')\n" * 100), ("wire.py", b"x = 1\n" * 40), ("empty.py", b"")]


def bundle(version="0.2.0", board="pico-w", counter=7, files=FILES, key=KEY):
    """(offer, bytes) of an update."""
    import signing

    first = signing.manifest(version, board, counter, files)
    whole = first + b"".join([content for _, content in files])
    return signing.offer(key, version, first, len(whole)), whole


def unpacked(root, offer, whole, step=360):
    """Takes a bundle apart in steps of so many bytes; returns the slot it is in."""
    import unpack

    unpacker = unpack.Unpacker(root, offer, KEY.hex(), "pico-w")
    try:
        for start in range(0, len(whole), step):
            unpacker.feed(whole[start : start + step])
        unpacker.finish()
    except ValueError:
        unpacker.clear()
        raise
    return unpacker.slot


def empty(root):
    """The folder with nothing in it."""
    for name in os.listdir(root):
        if name in ("a", "b"):
            for inner in os.listdir(root + name):
                os.remove(root + name + "/" + inner)
        else:
            os.remove(root + name)


def rule_hmac_is_that_of_rfc_4231(_root):
    import signing

    assert signing.hmac(b"\x0b" * 20, b"Hi There") == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    assert signing.hmac(b"Jefe", b"what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def rule_an_update_is_written_into_the_free_slot_and_runs_on_trial(root):
    import slots

    for step in (1, 7, 360, 100000):
        empty(root)
        assert unpacked(root, *bundle(), step=step) == "a"
        for name, content in FILES:
            with open(root + "a/" + name, "rb") as file:
                assert file.read() == content, name
        assert slots.read(root) == {"slot": "a", "before": "", "tries": 0, "good": False, "counter": 7}


def rule_an_update_that_is_wrong_is_refused_by_its_reason_and_leaves_nothing(root):
    import signing
    import slots

    offer, whole = bundle()
    wrong = {
        "it is for a board esp32": bundle(board="esp32"),
        "it is number 7, we had 7": bundle(counter=7),
        "it is number 3, we had 7": bundle(counter=3),
        "it is not signed": bundle(key=b"other" * 6, counter=9),
        "it has no app": bundle(counter=9, files=FILES[1:]),
        "the bundle was cut": (lambda o, w: (o, w[:-300]))(*bundle(counter=9)),
        "app.py was altered": (lambda o, w: (o, w[:-1000] + b"X" + w[-999:]))(*bundle(counter=9)),
        "the bundle is too long": (lambda o, w: (o, w + b"more"))(*bundle(counter=9)),
        "the offer makes no sense": (lambda o, w: (dict(o, bytes=o["bytes"] + 1), w + b"x"))(*bundle(counter=9)),
        "../boot.json is no file": bundle(counter=9, files=FILES + [("../boot.json", b"")]),
        "main.py is no file": bundle(counter=9, files=FILES + [("main.py", b"")]),
    }
    for words, (offer, whole) in wrong.items():
        empty(root)
        slots.write(root, {"slot": "", "before": "", "tries": 0, "good": True, "counter": 7})
        assert words in refusal(unpacked, root, offer, whole), words
        assert slots.read(root)["slot"] == "" and slots.read(root)["counter"] == 7
        assert "a" not in os.listdir(root) or os.listdir(root + "a") == []
    altered = bytearray(bundle(counter=9)[1])
    altered[15] ^= 1
    assert "not signed" in refusal(unpacked, root, bundle(counter=9)[0], bytes(altered))
    assert signing.same("ab", "ab") and not signing.same("ab", "ac") and not signing.same("ab", "abc")


def rule_three_starts_that_fail_go_back_to_what_worked(root):
    import slots

    empty(root)
    slots.install(root, "a", 5)
    slots.confirm(root)
    slots.install(root, "b", 6)
    assert [slots.start(root) for _ in range(5)] == ["b", "b", "b", "a", "a"]
    assert slots.read(root)["counter"] == 6 and slots.read(root)["good"]


def rule_an_update_that_has_shown_that_it_works_stays(root):
    import slots

    empty(root)
    slots.install(root, "a", 5)
    assert slots.start(root) == "a"
    slots.confirm(root)
    assert [slots.start(root) for _ in range(9)] == ["a"] * 9
    assert slots.free(root) == "b"


def rule_what_runs_and_what_it_may_go_back_to_is_never_overwritten(root):
    import slots

    empty(root)
    slots.install(root, "a", 5)
    assert slots.free(root) == "b"
    slots.confirm(root)
    slots.install(root, "b", 6)
    slots.confirm(root)
    assert slots.free(root) == "a"


def rule_a_boot_file_that_cannot_be_read_runs_what_was_flashed(root):
    import slots

    for text in ("", "{", "[]", '{"slot": "c"}', '{"slot": "a", "before": "", "tries": "1", "good": 1, "counter": 0}'):
        empty(root)
        with open(root + "boot.json", "w") as file:
            file.write(text)
        assert slots.start(root) == "", text


RULES = sorted(name for name in globals() if name.startswith("rule_"))


def main(firmware, laptop, folder, names):
    """Runs the rules by name with the modules of that folder; the first that is broken ends the run."""
    sys.path[:0] = [firmware, laptop]
    if sys.implementation.name == "cpython":
        import cpython  # noqa: F401
    for name in names:
        globals()[name](folder + "/")
        print("kept:", name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
