"""Whatever a person can set, call, open, publish or make stands in the docs.

The names are read from the code itself, so that one that is added and not written down breaks a test.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from devices.settings import KINDS
from firmware.words import TROUBLES
from hub.link import Broker, Link
from hub.offices import read_offices
from hub.settings import COMMANDS
from hub.store import Store
from hub.web.app import create_app
from hub.web.live import Live
from hub.web.metrics import GAUGES
from hub.web.serve import STREAM
from provisioning import fleet
from provisioning.__main__ import COMMANDS as PROVISIONING
from tests.contract import DOCUMENT
from tests.parts import OFFICES

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ast.literal_eval(
    next(
        each.value
        for each in ast.parse((ROOT / "firmware" / "config.py").read_text(encoding="utf-8")).body
        if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "SETTINGS"
    )
)  # config.py imports its neighbours as a board does, and so cannot be imported here
CHAPTERS = ("devices", "hub", "provisioning")
PAGES = sorted(
    {*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(p for c in CHAPTERS for p in (ROOT / c).rglob("*.md"))}
)
PAGES += [ROOT / "firmware" / "README.md", ROOT / "tests" / "README.md"]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "CHANGELOG.md")

VERBS = {"route", "get", "post", "put", "patch", "delete"}
STREAMS = {"/t/<token>/events", "/line/<office>/events", "/staff/<office>/events"}


def trees(folder: str) -> Iterator[ast.Module]:
    """The chapter's Python files, parsed."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls of a method (or function) of one of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in names:
                yield node


def texts(call: ast.Call) -> list[str]:
    """The literal texts among a call's positional arguments."""
    return [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def keyword(call: ast.Call, name: str) -> str:
    """A keyword argument that is a literal text, or nothing."""
    return next(
        (each.value.value for each in call.keywords if each.arg == name and isinstance(each.value, ast.Constant)), ""
    )


def hub_routes() -> set[str]:
    """The addresses that the hub answers at, streams included."""
    fleet = read_offices(OFFICES)
    store, link = Store("sqlite://"), Link(Broker("127.0.0.1"), "docs")
    app = create_app(store, fleet, Live(store, fleet, link), link, "http://127.0.0.1:8080")
    pages = {re.sub(r"<\w+:", "<", rule.rule) for rule in app.url_map.iter_rules()}
    return {page for page in pages if not page.startswith("/static/")} | STREAMS


def bench_routes() -> set[str]:
    """The addresses that the bench answers at."""
    decorators = [
        each for tree in trees("devices") for n in ast.walk(tree) for each in getattr(n, "decorator_list", ())
    ]
    return {re.sub(r"<\w+:", "<", path) for each in decorators for call in calls(each, *VERBS) for path in texts(call)}


def commands(chapter: str) -> set[str]:
    """`python -m hub up`, one for each subcommand."""
    names = {"hub": set(COMMANDS), "devices": {*KINDS, "bench"}, "provisioning": set(PROVISIONING)}[chapter]
    return {f"python -m {chapter} {name}" for name in names}


def options(chapter: str) -> set[str]:
    """--http and the like."""
    arguments = [call for tree in trees(chapter) for call in calls(tree, "add_argument")]
    settings = {setting.name for _, each in COMMANDS.values() for setting in each} if chapter == "hub" else set()
    return {text for call in arguments for text in texts(call) if text.startswith("--")} | settings


def device_settings(shape: type) -> Iterator[str]:
    """The names of an agent's settings, those of its tables too."""
    for name, kind in get_type_hints(shape).items():
        yield name
        if hasattr(kind, "__dataclass_fields__"):
            yield from device_settings(kind)


def office_settings() -> set[str]:
    """The keys of the offices file, from the tables that judge it."""
    tree = ast.parse((ROOT / "hub" / "offices.py").read_text(encoding="utf-8"))
    tables = [each for each in tree.body if isinstance(each, ast.ClassDef) and "_Table" in map(ast.unparse, each.bases)]
    lines = [line for table in tables for line in table.body if isinstance(line, ast.AnnAssign)]
    aliases = {line: [keyword(call, "alias") for call in calls(line, "Field")] for line in lines}
    return {next(filter(None, aliases[line]), ast.unparse(line.target)) for line in lines}


def fleet_settings() -> set[str]:
    """The keys of fleet.toml."""
    tables = (fleet.HubMachine, fleet.OfficeBroker, fleet.Network, fleet.Wifi, fleet.Raspberry, fleet.Machine)
    return {name for table in tables for name in table.model_fields}


def variables() -> set[str]:
    """The environment variables of our own that the code reads."""
    return {
        name
        for c in CHAPTERS
        for path in (ROOT / c).rglob("*.py")
        for name in re.findall(r"\bTORN_[A-Z_]+", path.read_text())
    }


def undocumented(names: set[str]) -> list[str]:
    """Those that stand nowhere between backquotes, nor in a block of code."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", TEXT, re.DOTALL))
    return sorted(name for name in names if not re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/<-])", code))


def test_every_make_target_is_in_the_docs() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert {"run", "test", "check", "bench"} <= set(targets)
    assert undocumented({f"make {target}" for target in targets if target != "help"}) == []


def test_every_topic_is_in_the_docs() -> None:
    topics = {each["address"].replace("{", "<").replace("}", ">") for each in DOCUMENT["channels"].values()}

    assert undocumented(topics) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_command_is_in_the_docs(chapter: str) -> None:
    found = commands(chapter)

    assert found
    assert undocumented(found) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_option_of_a_command_is_in_the_docs(chapter: str) -> None:
    found = options(chapter)

    assert found
    assert undocumented(found) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_setting_of_a_device_is_in_the_docs(kind: str) -> None:
    assert undocumented(set(device_settings(KINDS[kind]))) == []


def test_every_setting_of_an_office_is_in_the_docs() -> None:
    found = office_settings()

    assert {"public_url", "early_minutes", "from", "first_number"} <= found
    assert undocumented(found) == []


def test_every_setting_of_the_fleet_is_in_the_docs() -> None:
    found = fleet_settings()

    assert {"host", "password_file", "read_only"} <= found
    assert undocumented(found) == []


def test_every_environment_variable_is_in_the_docs() -> None:
    assert undocumented(variables()) == []


def test_every_address_of_the_hub_is_in_the_docs() -> None:
    assert all(STREAM.fullmatch(re.sub("<.*>", "x", each)) for each in STREAMS)
    assert undocumented(hub_routes()) == []


def test_every_address_of_the_bench_is_in_the_docs() -> None:
    found = bench_routes()

    assert found
    assert undocumented(found) == []


def test_every_metric_is_in_the_docs_with_what_it_is_told_apart_by() -> None:
    page = (ROOT / "docs" / "hub.md").read_text(encoding="utf-8")
    missing = [f"{name}{{{','.join(labels)}}}" if labels else name for name, (_, labels) in GAUGES.items()]

    assert [each for each in missing if f"`{each}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_the_docs_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_setting_of_a_microcontroller_is_in_the_docs_with_its_default() -> None:
    page = (ROOT / "docs" / "firmware.md").read_text(encoding="utf-8")
    table = page[page.index("## Settings") : page.index("## Putting it on")]
    rows = [row.split(" ", 2) for row in SETTINGS.strip().splitlines()]

    assert len(rows) > 30
    for place, _, *default in rows:
        (line,) = (line for line in table.splitlines() if line.startswith("|") and f"`{place}`" in line.split("|")[1])
        value = json.loads(default[0]) if default else None
        assert value in (None, "") or str(value) in line.split("|")[2], place


def test_every_word_of_trouble_on_a_small_sign_is_in_the_docs() -> None:
    assert undocumented({pair.partition("=")[2] for pair in TROUBLES.split("; ")}) == []
