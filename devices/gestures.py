"""What a finger meant: short, long and double presses told from a button's edges.

The rules:
  - A level counts once it has stood for `settle` seconds: contacts bounce for a few milliseconds.
  - Held for `long` seconds is a long press, told while the finger is still down.
  - Two presses within `double` seconds, from release to next press, are a double press.
  - Anything else is a short press, told at once when the button knows nothing longer.
  - One finger is one gesture: however long it is held, it is told once.

Pure: edges and times go in, gestures come out. gpiozero's own `bounce_time` is left unset, so that
the rule that runs on the machine is the rule that is tested (its MockFactory does not bounce).
"""

from dataclasses import dataclass, replace

IDLE, DOWN, BETWEEN, TOLD = "idle", "down", "between", "told"


@dataclass(frozen=True)
class Timing:
    """The seconds that tell gestures apart; None for a gesture this button does not have."""

    settle: float = 0.02
    long: float | None = None
    double: float | None = None


@dataclass(frozen=True)
class Gesture:
    """`kind` is short, long or double; `began` is when the finger first came down."""

    kind: str
    began: float


@dataclass(frozen=True)
class Finger:
    """One button's contact and what has been made of it so far; times in seconds of one clock."""

    contact: bool = False  # the contact as it last changed, bouncing or not
    changed: float = 0.0
    down: bool = False  # the level that has stood long enough to count
    state: str = IDLE
    since: float = 0.0  # when `state` began
    began: float = 0.0  # when the finger first came down

    @property
    def resting(self) -> bool:
        """Nothing is under way: the next edge begins a new gesture."""
        return self.state == IDLE and not self.contact


def edge(finger: Finger, timing: Timing, down: bool, at: float) -> tuple[Finger, list[Gesture]]:
    """The contact changed to `down` at `at`."""
    finger, gestures = lapse(finger, timing, at)
    if down == finger.contact:
        return finger, gestures
    return replace(finger, contact=down, changed=at), gestures


def lapse(finger: Finger, timing: Timing, now: float) -> tuple[Finger, list[Gesture]]:
    """Time has come to `now`: what stood long enough counts, in the order of its moments."""
    gestures = []
    while (moment := due(finger, timing)) is not None and moment <= now:
        finger, gesture = _pass(finger, timing, moment)
        if gesture:
            gestures.append(gesture)
    return finger, gestures


def due(finger: Finger, timing: Timing) -> float | None:
    """The next moment at which `lapse` has something to do, or None."""
    # A contact that is just changing is given the time to settle before the clock decides.
    settling = timing.settle if finger.contact != finger.down else 0
    moments = [finger.changed + timing.settle] if finger.contact != finger.down else []
    if finger.state == DOWN and timing.long is not None:
        moments.append(finger.since + timing.long + settling)
    if finger.state == BETWEEN and timing.double is not None:
        moments.append(finger.since + timing.double + settling)
    return min(moments, default=None)


def _pass(finger: Finger, timing: Timing, moment: float) -> tuple[Finger, Gesture | None]:
    """The one thing that happens at `moment`, which is `due`."""
    if finger.contact != finger.down and finger.changed + timing.settle == moment:
        settled = replace(finger, down=finger.contact)
        return _pressed(settled, timing) if settled.down else _released(settled, timing)
    kind = "long" if finger.state == DOWN else "short"
    return _tell(finger, kind, TOLD if finger.down else IDLE)


def _pressed(finger: Finger, timing: Timing) -> tuple[Finger, Gesture | None]:
    if finger.state == BETWEEN:
        return _tell(finger, "double", TOLD)
    finger = replace(finger, state=DOWN, since=finger.changed, began=finger.changed)
    if timing.long is None and timing.double is None:
        return _tell(finger, "short", TOLD)
    return finger, None


def _released(finger: Finger, timing: Timing) -> tuple[Finger, Gesture | None]:
    if finger.state == TOLD:
        return replace(finger, state=IDLE), None
    if timing.double is None:
        return _tell(finger, "short", IDLE)
    return replace(finger, state=BETWEEN, since=finger.changed), None


def _tell(finger: Finger, kind: str, state: str) -> tuple[Finger, Gesture]:
    return replace(finger, state=state), Gesture(kind, finger.began)
