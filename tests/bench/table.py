"""What was measured, as a table in Markdown."""

import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = ("what", "figure", "target", "measured against, in the same run", "ratio")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: what was measured.
        figures: by name ("p50"); one that stands alone has an empty name.
        unit: "ms", "/s", "s", "min", "%", "KiB", "MiB", or nothing.
        target: the figures that are wanted, by the same names; of a rate ("/s") at least so much, else at most.
        beside: what it is measured against, and its figure in the same unit.
    """

    what: str
    figures: Mapping[str, float]
    unit: str
    target: Mapping[str, float]
    beside: Mapping[str, float]

    @property
    def misses(self) -> list[str]:
        """The names of the figures that are not as wanted."""
        sign = -1 if self.unit == "/s" else 1
        return [name for name, wanted in self.target.items() if sign * self.figures[name] > sign * wanted]

    def cells(self) -> tuple[str, ...]:
        """The row as texts, under HEAD."""
        first = next(iter(self.figures.values()))
        ratios = (
            f"{first / peer:.2g}" if first / peer < 10 else f"{first / peer:.0f}" for peer in self.beside.values()
        )
        wanted = self._written(self.target) + (f" (missed: {', '.join(self.misses) or 'it'})" if self.misses else "")
        return self.what, self._written(self.figures), wanted, self._written(self.beside), ", ".join(ratios)

    def _written(self, figures: Mapping[str, float]) -> str:
        return ", ".join(f"{name} {number(figure)}{self._unit}".strip() for name, figure in figures.items())

    @property
    def _unit(self) -> str:
        return self.unit if self.unit.startswith("/") else f" {self.unit}".rstrip()


def number(figure: float) -> str:
    """With three digits, and at least its whole part."""
    digits = 2 if abs(figure) < 10 else 1 if abs(figure) < 100 else 0
    return f"{figure:,.{digits}f}"


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile of some durations, in milliseconds."""
    ordered = sorted(seconds)
    return {"p50": statistics.median(ordered) * 1000, "p99": ordered[-(-len(ordered) * 99 // 100) - 1] * 1000}


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns stand under one another."""
    lines = [HEAD, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join("| " + " | ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)) + " |" for line in ruled)


def machine() -> str:
    """What it was measured on, in one line."""
    models = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    load = os.getloadavg()[0]
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} × {model}, {system}; others' load at the start {load:.1f}"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []
