"""python -m tests.bench [NAME …]: measures, and prints the table. It judges nothing: a miss is a word in a cell."""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator

from tests.bench import boards, booking, fleet, forecast, line, phones, processes, several
from tests.bench.table import Row, machine, markdown

MEASURES: dict[str, Callable[[], Iterator[Row]]] = {
    "press": line.press,
    "facts": line.facts,
    "calls": line.calls,
    "phones": phones.phones,
    "forecast": forecast.refresh,
    "errors": forecast.errors,
    "learning": forecast.learning,
    "paper": processes.paper,
    "bookings": booking.bookings,
    "checkin": booking.checkin,
    "button": boards.button,
    "heap": boards.least_heap,
    "crowd": boards.crowd,
    "start": processes.start,
    "memory": processes.memory,
    "fleet": fleet.fleet,
    "replaced": fleet.replaced,
    "several": several.several,
}


def main(words: list[str]) -> int:
    """Measures what is named, or all; one line to stderr as each begins. 1 if some could not be measured to the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(MEASURES)}; default: all")
    names = parser.parse_args(words).names or list(MEASURES)
    if unknown := set(names) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    print(machine(), end="\n\n")
    rows: list[Row] = []
    whole = [_measured(name, rows) for name in names]
    print(markdown(row.cells() for row in rows))
    return 0 if all(whole) else 1


def _measured(name: str, rows: list[Row]) -> bool:
    """Whether it came to its end; its rows so far are kept either way."""
    print(f"measuring: {name}", file=sys.stderr)
    try:
        for row in MEASURES[name]():
            rows.append(row)
    except Exception:
        traceback.print_exc()
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
