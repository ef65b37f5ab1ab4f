"""The arrows between the chapters, read from the imports (DECISIONS.md says why they point as they do)."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ("firmware", "devices", "hub", "provisioning")

# What each chapter may import of ours, besides itself.
ARROWS = {
    "firmware": set(),
    "devices": {"firmware.wire"},
    "hub": {"firmware.wire"},
    "provisioning": {"firmware"},
}

# The same inside the hub, for those parts of it that have a rank of their own.
HUB_ARROWS = {
    "hub.line": set(),
    "hub.store": {"hub.line", "hub.booking"},
    "hub.forecast": {"hub.line"},
    "hub.booking": {"hub.line"},
    "hub.messages": {"hub.booking", "hub.clock", "hub.line", "hub.offices", "hub.store"},
}

# Libraries that only one place may touch.
TOUCHED_BY = {
    "gpiozero": {"devices/hardware.py"},
    "escpos": {"devices/hardware.py"},
    "luma": {"devices/hardware.py"},
    "evdev": {"devices/hardware.py"},
    "serial": {"devices/hardware.py"},
    "sqlalchemy": {"hub/store"},
    "alembic": {"hub/store"},
    "psycopg": {"hub/store"},
}


def sources(folder: str) -> list[Path]:
    """The chapter's Python files."""
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def module(path: Path) -> str:
    """hub/line/order.py -> hub.line.order"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The full name of all that a file imports, also inside its functions: "hub.line.order.next_up"."""
    package = module(path).split(".") if path.name == "__init__.py" else module(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{name.name}" for name in node.names)


def inside(name: str, packages: set[str]) -> bool:
    """Whether the name is one of the packages or stands below one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def strays(folder: str, ours: set[str], allowed: set[str]) -> list[str]:
    """The imports from `ours` that are not `allowed`, each as a line to read."""
    found = ((path, name) for path in sources(folder) for name in imports(path))
    return [
        f"{module(path)} imports {name}" for path, name in found if inside(name, ours) and not inside(name, allowed)
    ]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_imports_only_what_its_arrows_allow(chapter: str) -> None:
    assert not strays(chapter, {*CHAPTERS, "tests"}, ARROWS[chapter] | {chapter})


@pytest.mark.parametrize("part", sorted(HUB_ARROWS))
def test_a_part_of_the_hub_imports_only_what_its_arrows_allow(part: str) -> None:
    assert not strays(part.replace(".", "/"), {"hub"}, HUB_ARROWS[part] | {part})


def test_the_line_stands_on_the_standard_library_alone() -> None:
    allowed = sys.stdlib_module_names | {"hub"}

    names = [(path, name) for path in sources("hub/line") for name in imports(path)]

    assert names
    assert not [f"{module(path)} imports {name}" for path, name in names if name.split(".")[0] not in allowed]


def test_the_wire_needs_nothing_but_json() -> None:
    top = [each for each in ast.parse((ROOT / "firmware" / "wire.py").read_text()).body if isinstance(each, ast.Import)]

    assert [name.name for each in top for name in each.names] == ["json"]
    # An agenda's digests are made where there is a hashlib with scrypt, and nowhere else.
    assert set(imports(ROOT / "firmware" / "wire.py")) == {"json", "hashlib"}


@pytest.mark.parametrize("library", sorted(TOUCHED_BY))
def test_one_place_alone_touches(library: str) -> None:
    places = tuple(TOUCHED_BY[library])
    chapters = {place.split("/")[0] for place in places}
    found = [(path, name) for chapter in chapters for path in sources(chapter) for name in imports(path)]

    users = [str(path.relative_to(ROOT)) for path, name in found if name.split(".")[0] == library]

    assert [user for user in users if not user.startswith(places)] == []


def test_among_the_devices_the_link_alone_speaks_mqtt() -> None:
    users = {path.name for path in sources("devices") for name in imports(path) if name.split(".")[0] == "paho"}

    assert users <= {"link.py"}


@pytest.mark.parametrize("chapter", ["hub", "devices", "provisioning"])
def test_every_library_that_a_chapter_imports_is_declared_for_it(chapter: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {plain(each) for each in project["optional-dependencies"][chapter]}
    known = sys.stdlib_module_names | set(CHAPTERS)
    distributions = packages_distributions()

    found = {name.split(".")[0] for path in sources(chapter) for name in imports(path)} - known
    missing = {name for name in found if not declared & {plain(each) for each in distributions.get(name, [name])}}

    # What an extra asks for brings these with it, and we name them where we use them.
    assert missing - {"werkzeug", "jinja2", "itsdangerous", "babel", "greenlet", "wtforms"} == set()


def plain(requirement: str) -> str:
    """A distribution's name without versions, extras and capitals (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=;\[ ]", requirement)[0]).lower()


def test_every_library_has_its_exact_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {plain(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}

    wanted = {plain(each) for extra in project["optional-dependencies"].values() for each in extra}

    assert wanted <= pinned
    assert "://" not in (ROOT / "constraints.txt").read_text()


def test_no_module_takes_a_name_of_the_standard_library() -> None:
    own = {path.parent.name if path.name == "__init__.py" else path.stem for each in CHAPTERS for path in sources(each)}

    assert own & sys.stdlib_module_names == set()
