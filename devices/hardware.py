"""The wires, and the only file that touches gpiozero, escpos, luma, evdev and pyserial.

Each factory gives the real thing or the vendor's own fake, as the settings say; a vendor's error becomes
one sentence that names the part. The vendors' libraries are imported when they are needed, so that a desk's
two buttons do not carry a printer's library in memory.

    pins = Pins(fakes=True);  pins.button(5, pressed, released);  pins.push(5);  pins.let_go(5)
    printer = printer("fake", "default");  printer.look();  printer.print(pieces);  printer.port.tickets
    screen = screen("fake", (128, 64));  screen.draw(lambda draw, size: ...);  screen.image
"""

import errno
import logging
import os
import select
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import Any

from devices import DeviceError
from devices.printer import Code, FakePort, Line, PaperError, Piece, Printer, PrinterGone
from devices.readers import LAYOUTS, Keyboard, gather

log = logging.getLogger("torn.hardware")


class HardwareError(DeviceError, OSError):
    """A part does not answer; the message names the part and what to look at."""


# --- pins -------------------------------------------------------------------------------------


class Pins:
    """The machine's GPIO pins, by BCM number; with `fakes`, a set of its own that only this object sees."""

    def __init__(self, fakes: bool = False) -> None:
        self._fakes = fakes
        self._factory: Any = None
        self._parts: list[Any] = []

    def button(self, pin: int, pressed: Callable[[], None], released: Callable[[], None] | None = None) -> None:
        """Calls back on each edge of a button between `pin` and ground. Bouncing is the agent's affair."""
        part = self._part("Button", pin, pull_up=True, bounce_time=None)
        part.when_pressed = _without_argument(pressed)
        if released is not None:
            part.when_released = _without_argument(released)

    def light(self, pin: int) -> Any:
        """A lamp with gpiozero's on(), off(), blink(on_time, off_time) and is_lit; pin 0 is no lamp at all."""
        return self._part("LED", pin) if pin else NoLight()

    def buzzer(self, pin: int) -> Any:
        """A passive buzzer with gpiozero's play(tone) and stop(); tones from A3 to A5, None for silence."""
        return self._part("TonalBuzzer", pin)

    def push(self, pin: int) -> None:
        """Pushes a fake button down."""
        self._fake(pin).drive_low()

    def let_go(self, pin: int) -> None:
        """Lets a fake button go."""
        self._fake(pin).drive_high()

    def close(self) -> None:
        """Gives the pins back."""
        for part in self._parts:
            part.close()
        self._parts.clear()

    def _fake(self, pin: int) -> Any:
        if not self._fakes:
            raise HardwareError(f"pin {pin} is a real one: only a finger can push it")
        return self._pins().pin(pin)

    def _pins(self) -> Any:
        if self._fakes and self._factory is None:
            from gpiozero.pins.mock import MockFactory, MockPWMPin

            self._factory = MockFactory(pin_class=MockPWMPin)
        return self._factory

    def _part(self, name: str, pin: int, **how: Any) -> Any:
        import gpiozero

        try:
            part = getattr(gpiozero, name)(pin, pin_factory=self._pins(), **how)
        except (gpiozero.GPIOZeroError, OSError) as error:
            raise HardwareError(f"pin {pin} cannot be a {name}: {error}") from error
        self._parts.append(part)
        return part


class NoLight:
    """The lamp of a machine that has none."""

    is_lit = False

    def on(self) -> None:
        """Nothing to light."""

    def off(self) -> None:
        """Nothing to put out."""

    def blink(self, on_time: float = 1, off_time: float = 1) -> None:
        """Nothing to blink."""


def _without_argument(call: Callable[[], None]) -> Callable[[], None]:
    """gpiozero inspects a callback's arguments and hands the button to one that takes any."""

    def called() -> None:
        try:
            call()
        except Exception:
            log.exception("a press failed")

    return called


# --- printer ----------------------------------------------------------------------------------


def composer(profile: str) -> Callable[[Sequence[Piece]], bytes]:
    """What turns pieces into ESC/POS for a printer of this profile: escpos' Dummy keeps the bytes, we send them."""
    from escpos.exceptions import Error

    native = bool(_sheet(profile).profile.supports("qrCode"))
    _clear_up_after_escpos()

    def composed(pieces: Sequence[Piece]) -> bytes:
        try:
            return _slip(_sheet(profile), pieces, native)
        except Error as error:
            raise PaperError(f"the slip cannot be set for {profile}: {error}", began=False) from error

    return composed


def _clear_up_after_escpos() -> None:
    """Its import makes a temporary folder, unless it is told of one, and leaves it behind at each start."""
    from escpos import capabilities

    if "ESCPOS_CAPABILITIES_PICKLE_DIR" not in os.environ:
        shutil.rmtree(capabilities.pickle_dir, ignore_errors=True)


def _slip(sheet: Any, pieces: Sequence[Piece], native: bool) -> bytes:
    sheet._raw(b"\x1b@")  # ESC @: forget what a broken-off slip may have left
    for piece in pieces:
        if isinstance(piece, Code):
            sheet.set(align="center")
            sheet.qr(piece.text, size=6, native=native)
        else:
            _set_line(sheet, piece)
    sheet.cut()
    return bytes(sheet.output)


def _set_line(sheet: Any, line: Line) -> None:
    large = {"custom_size": True, "width": line.size, "height": line.size}
    sheet.set(align="center", bold=line.bold, **(large if line.size > 1 else {"normal_textsize": True}))
    rows = wrap(line.text, sheet.profile.get_columns("a") // line.size, break_on_hyphens=False)
    sheet.text("\n".join(rows) + "\n")


def _sheet(profile: str) -> Any:
    from escpos.capabilities import NotSupported
    from escpos.printer import Dummy

    try:
        return Dummy(profile=profile)
    except (KeyError, NotSupported) as error:
        raise HardwareError(f"python-escpos knows no printer profile {profile!r}; use default") from error


class CablePort:
    """A real cable, by escpos: USB, serial, network or a device file."""

    def __init__(self, maker: Callable[[], Any], name: str) -> None:
        self._maker = maker
        self._name = name
        self._cable: Any = None

    def open(self) -> None:
        """Opens the cable; afterwards it stays open until something fails."""
        from escpos.exceptions import Error

        if self._cable is None:
            try:
                cable = self._maker()
                cable.open()
            except (Error, RuntimeError, AssertionError) as error:
                raise PrinterGone(f"no printer at {self._name}: {error}") from error
            self._cable = cable

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.open()
        self._cable._raw(data)

    def ask(self, question: bytes) -> bytes:
        """The answer's bytes; a device file is not asked, because it cannot answer."""
        self.open()
        device = self._cable.device
        read = self._reader(device)
        if read is None:
            return b""
        self._cable._raw(question)
        try:
            return bytes(read())
        except OSError as error:  # pyusb's timeout is an OSError with its number alone
            if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
                return b""
            raise

    def _reader(self, device: Any) -> Callable[[], bytes] | None:
        """How one byte is read: escpos' own would wait on a serial line for sixteen."""
        if hasattr(device, "recv"):  # a socket
            return lambda: device.recv(1)
        if hasattr(self._cable, "in_ep"):  # USB; 200 ms
            return lambda: device.read(self._cable.in_ep, 16, 200)
        return (lambda: device.read(1)) if hasattr(device, "in_waiting") else None

    def close(self) -> None:
        """Hangs up; the next use dials again."""
        cable, self._cable = self._cable, None
        if cable is not None:
            try:
                cable.close()
            except OSError as error:
                log.debug("%s: %s", self._name, error)


def printer(where: str, profile: str = "default") -> Printer:
    """The printer at `where`: usb:VENDOR:PRODUCT, serial:FILE:BAUD, network:HOST, file:FILE or fake."""
    kind, _, rest = where.partition(":")
    if kind == "fake":
        return Printer(FakePort(), composer(profile))
    try:
        return Printer(CablePort(_maker(kind, rest), where), composer(profile))
    except (KeyError, ValueError) as error:
        raise HardwareError(f"printer {where!r}: must be like usb:04b8:0e15 or serial:/dev/serial0:19200") from error


def _maker(kind: str, rest: str) -> Callable[[], Any]:
    import escpos.printer as cables

    if kind == "usb":
        vendor, product = (int(part, 16) for part in rest.split(":"))
        return lambda: cables.Usb(vendor, product, timeout=5000)
    if kind == "serial":
        file, _, baud = rest.partition(":")
        speed = int(baud or 9600)
        return lambda: cables.Serial(file, baudrate=speed, timeout=0.2)
    return {"network": lambda: cables.Network(rest, timeout=2), "file": lambda: cables.File(rest)}[kind]


# --- screens ----------------------------------------------------------------------------------


class Screen:
    """A small panel by luma; `image` is what a fake one shows."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._failed = False
        self.size: tuple[int, int] = device.size

    def draw(self, paint: Callable[[Any, tuple[int, int]], None]) -> None:
        """Clears the panel and lets `paint(draw, size)` draw on it; `draw` is Pillow's ImageDraw."""
        from PIL import Image, ImageDraw

        image = Image.new(self._device.mode, self.size)
        paint(ImageDraw.Draw(image), self.size)
        with self._lock:
            self._show(image)

    @property
    def image(self) -> Any:
        """The Pillow image that a fake panel shows, None before the first."""
        return getattr(self._device, "image", None)

    def close(self) -> None:
        """Leaves the panel dark."""
        with self._lock:
            try:
                self._device.cleanup()
            except OSError as error:
                log.warning("the screen does not answer: %s", error)

    def _show(self, image: Any) -> None:
        """A panel that fell off its wires is told once in the log, and tried again with the next drawing."""
        try:
            self._device.display(image)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("the screen does not answer: %s; look at its cable", error)
            self._failed = True


SIZES = {"ssd1306": (128, 64), "sh1106": (128, 64), "ssd1322": (256, 64)}  # in pixels


def screen(kind: str, size: tuple[int, int] = (128, 64), modules: int = 4) -> Screen:
    """The panel of a `kind`: ssd1306 or sh1106 (I2C), ssd1322, max7219 or seven (SPI), fake or none.

    The last two keep their image.

    Args:
        size: of a fake one, in pixels.
        modules: how many 8x8 modules a max7219 has.
    """
    from luma.core.device import dummy
    from luma.core.error import Error

    if kind in ("fake", "none"):
        return Screen(dummy(width=size[0], height=size[1], mode="1"))
    try:
        return Screen(_panel(kind, modules))
    except (Error, OSError, ImportError, KeyError) as error:
        raise HardwareError(f"screen {kind}: {error}; look at its cable, and that I2C or SPI is turned on") from error


def _panel(kind: str, modules: int) -> Any:
    from luma.core.interface.serial import i2c, noop, spi

    if kind in ("max7219", "seven"):
        from luma.led_matrix.device import max7219

        if kind == "seven":
            return max7219(spi(port=0, device=0, gpio=noop()), cascaded=1)
        # The matrix hangs on CE1, because the board's panel is on CE0; its modules are turned by 90 degrees.
        return max7219(spi(port=0, device=1, gpio=noop()), cascaded=modules, block_orientation=-90)
    from luma.oled import device as panels

    if kind == "ssd1322":
        return panels.ssd1322(spi(port=0, device=0))
    return {"ssd1306": panels.ssd1306, "sh1106": panels.sh1106}[kind](i2c(port=1, address=0x3C))


# --- keypad and readers -----------------------------------------------------------------------

# What keypads without letters have instead of X, Y and Z, under new caps: / - and +.
KEYPAD = {"KPASTERISK": "*", "KPENTER": "\n", "ENTER": "\n", "BACKSPACE": "\b", "KPDOT": "\b"}
KEYPAD |= {"X": "X", "Y": "Y", "Z": "Z", "KPSLASH": "X", "KPMINUS": "Y", "KPPLUS": "Z"}
AGAIN = 5.0  # seconds between two looks for a reader that has gone


class Keypad:
    """A USB numeric keypad, taken for ourselves so that its keys go nowhere else.

    `typed(key)` gets 0 to 9, X, Y, Z, *, Enter (as "\n") and the one that takes back (as "\b").
    """

    def __init__(self, file: str, typed: Callable[[str], None]) -> None:
        self._device = _grabbed(file, "keypad")
        self._keys = _keypad_codes()
        self._typed = typed
        threading.Thread(target=self._read, name="keypad", daemon=True).start()

    def close(self) -> None:
        """Gives the keypad back."""
        self._device.close()

    def _read(self) -> None:
        """Key events (EV_KEY, 1) with value 1 are keys going down."""
        try:
            for event in self._device.read_loop():
                if event.type == 1 and event.value == 1 and event.code in self._keys:
                    self._typed(self._keys[event.code])
        except (OSError, ValueError) as error:
            log.warning("the keypad does not answer: %s", error)


def _keypad_codes() -> dict[int, str]:
    from evdev.ecodes import ecodes

    keys = KEYPAD | {f"{row}{n}": str(n) for row in ("KP", "") for n in range(10)}
    return {ecodes[f"KEY_{name}"]: key for name, key in keys.items()}


def _grabbed(file: str, name: str) -> Any:
    """An evdev device whose keys go to nobody else."""
    try:
        import evdev
    except ImportError as error:
        raise HardwareError(f"{name} {file}: the library evdev is not installed") from error
    try:
        device = evdev.InputDevice(file)
        device.grab()
    except OSError as error:
        raise HardwareError(f"{name} {file}: {error}; look at its cable") from error
    return device


class Wedge:
    """A reader that plays a keyboard."""

    def __init__(self, file: str, layout: str) -> None:
        self._device = _grabbed(file, "reader")
        self._keyboard = Keyboard(layout)

    def hear(self, seconds: float | None) -> str:
        """Waits for characters; nothing when none came in time. A key that goes up is no silence."""
        until = None if seconds is None else time.monotonic() + seconds
        while select.select([self._device], [], [], None if until is None else max(0.0, until - time.monotonic()))[0]:
            events = [event for event in self._device.read() if event.type == 1 and event.value < 2]  # 2: it repeats
            text = "".join(self._keyboard.key(event.code, event.value == 1) for event in events)
            if text:
                return text
        return ""

    def close(self) -> None:
        """Gives it back."""
        self._device.close()


class SerialReader:
    """A reader on a serial line, where bytes are characters."""

    def __init__(self, file: str, baud: int) -> None:
        import serial

        try:
            self._port = serial.Serial(file, baud)
        except OSError as error:
            raise HardwareError(f"reader {file}: {error}; look at its cable") from error

    def hear(self, seconds: float | None) -> str:
        """Waits for characters; nothing when none came in time."""
        self._port.timeout = seconds
        return (self._port.read(1) + self._port.read(self._port.in_waiting)).decode("ascii", "ignore")

    def close(self) -> None:
        """Hangs up."""
        self._port.cancel_read()
        self._port.close()


class Reader:
    """A reader of documents and codes: `read(text)` gets what it says of one. Pulled out, it is looked for again."""

    def __init__(self, opened: Callable[[], Wedge | SerialReader], read: Callable[[str], None]) -> None:
        self._opened, self._read = opened, read
        self._closed = threading.Event()
        self._source = opened()
        threading.Thread(target=self._run, name="reader", daemon=True).start()

    def close(self) -> None:
        """Gives it back."""
        self._closed.set()
        self._source.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                gather(self._source.hear, self._read)
            except (OSError, ValueError, TypeError) as error:  # pyserial's answers to a line that was closed
                if not self._closed.is_set():
                    log.warning("the reader does not answer: %s", error)
                    self._look_again()

    def _look_again(self) -> None:
        self._source.close()
        while not self._closed.wait(AGAIN):
            try:
                self._source = self._opened()
                return
            except HardwareError as error:
                log.debug("%s", error)


def reader(where: str, layout: str, read: Callable[[str], None]) -> Reader:
    """The reader at `where`: keyboard:FILE or serial:FILE:BAUD. Raises HardwareError if there is none."""
    kind, _, rest = where.partition(":")
    file, _, baud = rest.partition(":")
    if kind == "keyboard" and layout in LAYOUTS:
        return Reader(lambda: Wedge(rest, layout), read)
    if kind == "serial" and (baud or "9600").isdigit():
        return Reader(lambda: SerialReader(file, int(baud or 9600)), read)
    layouts = " or ".join(LAYOUTS)
    example = "must be like serial:/dev/ttyACM0:9600 or keyboard:/dev/input/by-id/usb-reader-event-kbd"
    raise HardwareError(f"reader {where!r}: {example}, its layout {layouts}")
