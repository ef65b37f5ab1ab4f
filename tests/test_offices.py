"""The offices file: what it says becomes the offices' plans; a mistake is named with its place and its reason."""

import re
import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.line.events import OfficePlanned, pack, unpack
from hub.line.plan import Rules
from hub.offices import Device, OfficesError, _Table, read_offices
from tests.parts import OFFICES, ROOT, ROUND_THE_CLOCK

TODAY = date(2026, 11, 24)
SMALL = """
[[office]]
id = "mont-roig"
name = "OMAC Mont-roig del Camp"
timezone = "Europe/Madrid"
hours = { mon = "09:00-14:00", thu = "09:00-14:00,16:00-19:00" }
holidays = { country = "ES", subdivision = "CT", extra = ["2026-09-29", 2026-05-12] }

  [[office.season]]
  from = 2026-08-01
  to = 2026-08-31
  hours = { mon = "10:00-13:00" }

  [[office.service]]
  id = "padro"
  letter = "P"
  name = { ca = "Padró d'habitants" }

  [[office.service]]
  id = "registre"
  letter = "R"
  name = { ca = "Registre d'entrada" }

  [[office.desk]]
  id = "1"
  services = ["*"]

  [[office.desk]]
  id = "2"
  services = ["registre"]

  [[office.device]]
  id = "dispenser-1"
  kind = "dispenser"

  [[office.device]]
  id = "dispenser-2"
  kind = "dispenser"
  first_number = 500

  [[office.device]]
  id = "desk-1"
  kind = "desk"
  desk = "1"
"""


def written(folder: Path, text: str) -> Path:
    """An offices file with this text."""
    path = folder / "offices.toml"
    path.write_text(text, "utf-8")
    return path


def changed(old: str, new: str) -> str:
    """The small file with one thing in it changed."""
    assert old in SMALL
    return SMALL.replace(old, new, 1)


# --- what is read ---------------------------------------------------------------------------


def test_the_sample_has_the_two_offices_of_the_contract() -> None:
    fleet = read_offices(OFFICES, TODAY)

    assert list(fleet.plans) == ["mont-roig", "miami-platja"]
    for plan in fleet.plans.values():
        letters = {service.id: service.letter for service in plan.services}
        assert letters == {"padro": "P", "registre": "R", "idcat": "I", "tributs": "T", "informacio": "A"}
        assert all(set(service.name) == {"ca", "es", "en", "fr"} for service in plan.services)
    every = tuple(service.id for service in plan.services)
    assert [desk.services for desk in fleet.plans["mont-roig"].desks] == [every] * 3 + [("registre", "informacio")]
    assert [desk.services for desk in fleet.plans["miami-platja"].desks] == [every] * 3
    assert sorted(fleet.devices) == sorted(
        [f"montroig-desk-{n}" for n in (1, 2, 3, 4)]
        + [f"miamiplatja-desk-{n}" for n in (1, 2, 3)]
        + [f"{office}-{kind}-1" for office in ("montroig", "miamiplatja") for kind in ("dispenser", "board")]
    )


def test_the_file_for_trying_out_is_the_sample_with_its_doors_always_open() -> None:
    sample, tryout = read_offices(OFFICES, TODAY), read_offices(ROUND_THE_CLOCK, TODAY)

    assert tryout.devices == sample.devices
    assert [plan.services for plan in tryout.plans.values()] == [plan.services for plan in sample.plans.values()]
    assert all(plan.hours == (((0, 1440),),) * 7 and plan.closed == () for plan in tryout.plans.values())


def test_hours_are_ranges_of_minutes_for_each_day_of_the_week(tmp_path: Path) -> None:
    plan = read_offices(written(tmp_path, SMALL), TODAY).plans["mont-roig"]

    assert plan.hours == (((540, 840),), (), (), ((540, 840), (960, 1140)), (), (), ())
    assert plan.seasons[0].hours[0] == ((600, 780),)
    assert (plan.seasons[0].first, plan.seasons[0].last) == ("2026-08-01", "2026-08-31")


def test_the_office_is_closed_on_the_holidays_of_this_year_and_the_next(tmp_path: Path) -> None:
    closed = read_offices(written(tmp_path, SMALL), TODAY).plans["mont-roig"].closed

    assert {"2026-09-11", "2026-12-25", "2026-12-26", "2027-01-06"} <= set(closed)  # la Diada, Sant Esteve
    assert {"2026-09-29", "2026-05-12"} <= set(closed)


def test_an_office_without_holidays_is_closed_on_none(tmp_path: Path) -> None:
    text = re.sub(r"holidays = .*", "", SMALL)

    assert read_offices(written(tmp_path, text), TODAY).plans["mont-roig"].closed == ()


@pytest.mark.parametrize(("extra", "warns"), [('["2026-09-29", "2026-05-12"]', False), ('["2026-09-29"]', True)])
def test_fewer_than_two_local_feasts_in_a_year_warn(tmp_path: Path, extra: str, warns: bool) -> None:
    text = re.sub(r"extra = \[.*?\]", f"extra = {extra}", SMALL)

    with capture_logs() as said:
        read_offices(written(tmp_path, text), TODAY)

    assert bool(said) == warns
    assert all((line["log_level"], line["office"], line["year"]) == ("warning", "mont-roig", 2026) for line in said)


def test_a_range_of_numbers_ends_where_the_next_one_begins(tmp_path: Path) -> None:
    devices = read_offices(written(tmp_path, SMALL), TODAY).devices

    assert devices["dispenser-1"] == Device("dispenser-1", "mont-roig", "dispenser", None, 1, 499)
    assert devices["dispenser-2"] == Device("dispenser-2", "mont-roig", "dispenser", None, 500, 899)
    assert devices["desk-1"] == Device("desk-1", "mont-roig", "desk", "1", 1, None)


def test_the_machines_of_an_office_are_found_by_it() -> None:
    fleet = read_offices(OFFICES, TODAY)

    assert {device.office for device in fleet.of("miami-platja")} == {"miami-platja"}
    assert len(fleet.of("miami-platja")) == 5


def test_the_rules_left_out_have_their_defaults(tmp_path: Path) -> None:
    assert read_offices(written(tmp_path, SMALL), TODAY).plans["mont-roig"].rules == Rules()


@pytest.mark.parametrize("name", [field.name for field in fields(Rules)])
def test_every_rule_can_be_set_in_the_file(tmp_path: Path, name: str) -> None:
    value = False if name == "preferential" else 0.5 if name.endswith("_share") else 7
    text = changed("timezone", f"rules = {{ {name} = {str(value).lower()} }}\ntimezone")

    rules = read_offices(written(tmp_path, text), TODAY).plans["mont-roig"].rules

    assert rules == Rules(**{name: value})


@pytest.mark.parametrize(
    ("url", "read"),
    [("https://torn.example.cat", "https://torn.example.cat"), ("http://10.0.0.5:8080/", "http://10.0.0.5:8080")],
)
def test_the_public_address_is_kept_without_a_last_stroke(tmp_path: Path, url: str, read: str) -> None:
    assert read_offices(written(tmp_path, f'public_url = "{url}"\n{SMALL}'), TODAY).public_url == read


def test_papers_address_and_who_answers_for_the_data_are_read_and_kept_in_the_log(tmp_path: Path) -> None:
    said = changed("timezone", 'address = "Plaça Major, 1"\ntimezone').replace(
        'letter = "P"', 'letter = "P"\nbring = { ca = ["DNI", "Contracte"], fr = ["DNI"] }'
    )
    top = 'municipality = "Ajuntament"\nprivacy_url = "https://torn.example.cat/dades/"\n'

    fleet = read_offices(written(tmp_path, top + said), TODAY)

    plan = fleet.plans["mont-roig"]
    assert (fleet.municipality, fleet.privacy_url) == ("Ajuntament", "https://torn.example.cat/dades")
    assert plan.address == "Plaça Major, 1"
    assert plan.services[0].bring == {"ca": ("DNI", "Contracte"), "fr": ("DNI",)}
    event = OfficePlanned(0, "hub", plan)
    assert unpack(pack(event)) == event


def test_without_a_public_address_there_is_none(tmp_path: Path) -> None:
    assert read_offices(written(tmp_path, SMALL), TODAY).public_url is None


# --- mistakes -------------------------------------------------------------------------------

OFFICE = "office mont-roig"
MISTAKES = [
    ('id = "mont-roig"', 'id = "Mont-roig"', "office Mont-roig, id: must be 1 to 64 of a-z, 0-9 and -"),
    ('id = "mont-roig"', "", r"office\[1\], id: Field required"),
    ('name = "OMAC Mont-roig del Camp"', "", f"{OFFICE}, name: Field required"),
    ('name = "OMAC Mont-roig del Camp"', r'name = "a\u0007"', f"{OFFICE}, name: must be printable characters"),
    ("Europe/Madrid", "Europe/Madriz", f"{OFFICE}, timezone: no time zone is called 'Europe/Madriz'"),
    ("Europe/Madrid", "Europe", f"{OFFICE}, timezone: no time zone is called 'Europe'"),
    ("Europe/Madrid", "../etc/passwd", f"{OFFICE}, timezone: no time zone is called"),
    ("mon = ", "lun = ", f"{OFFICE}, hours: lun: days are mon, tue, wed, thu, fri, sat, sun"),
    ("09:00-14:00", "14:00-09:00", f"{OFFICE}, hours: mon: '14:00-09:00' is not a range like 09:00-14:00"),
    ("09:00-14:00", "9.00-14.00", f"{OFFICE}, hours: '9.00' is not an hour like 09:00"),
    ("09:00-14:00", "09:00-24:01", f"{OFFICE}, hours: '24:01' is not an hour like 09:00"),
    ("09:00-14:00", "09:00-12:60", f"{OFFICE}, hours: '12:60' is not an hour like 09:00"),
    ("09:00-14:00", "09:00-14:00,13:00-15:00", f"{OFFICE}, hours: mon: the ranges of .* overlap or are out of order"),
    ('country = "ES"', 'country = "XX"', f"{OFFICE}, holidays: Country XX not available"),
    ('subdivision = "CT"', 'subdivision = "ZZ"', f"{OFFICE}, holidays: .*ZZ"),
    ('"2026-09-29"', '"2026-13-29"', rf"{OFFICE}, holidays, extra\[1\]: .*valid date"),
    ("to = 2026-08-31", "to = 2026-07-31", rf"{OFFICE}, season\[1\]: to: 2026-07-31 is before from, 2026-08-01"),
    ("10:00-13:00", "10-13", rf"{OFFICE}, season\[1\], hours: '10' is not an hour like 09:00"),
    ('letter = "P"', 'letter = "p"', f"{OFFICE}, service padro, letter: must be one or two capital letters"),
    ('letter = "P"', 'letter = "À"', f"{OFFICE}, service padro, letter: must be one or two capital letters"),
    ('letter = "P"', 'letter = "R"', f"{OFFICE}: letter R: is there twice"),
    ('letter = "P"', 'letter = "C"', f"{OFFICE}: letter C: is there twice"),
    ('letter = "P"', 'letter = "P"\nminutes = 0', f"{OFFICE}, service padro, minutes: .*greater than or equal to 1"),
    ('letter = "P"', 'letter = "P"\nminutes = "10"', f"{OFFICE}, service padro, minutes: .*valid integer"),
    ('letter = "P"', 'letter = "P"\nminuts = 10', f"{OFFICE}, service padro, minuts: Extra inputs are not permitted"),
    (
        '{ ca = "Padró',
        '{ de = "Padró',
        f"{OFFICE}, service padro, name, de.*: Input should be 'ca', 'es', 'en' or 'fr'",
    ),
    ('{ ca = "Padró d\'habitants" }', "{}", f"{OFFICE}, service padro, name: .*at least 1"),
    ('id = "registre"', 'id = "padro"', f"{OFFICE}: service padro: is there twice"),
    ('services = ["*"]', "services = []", f"{OFFICE}, desk 1, services: .*at least 1"),
    ('services = ["*"]', 'services = ["padró"]', f"{OFFICE}: desk 1: there is no service padró"),
    ('services = ["*"]', 'services = ["registre"]', f"{OFFICE}: service padro: no desk serves it"),
    ('["registre"]', '["registre", "registre"]', f"{OFFICE}: desk 2: service registre: is there twice"),
    ('id = "2"', 'id = "1"', f"{OFFICE}: desk 1: is there twice"),
    (
        'kind = "dispenser"',
        'kind = "printer"',
        f"{OFFICE}, device dispenser-1, kind: Input should be 'dispenser', 'desk'",
    ),
    ('desk = "1"', "", f"{OFFICE}, device desk-1: desk: is needed for kind 'desk', and for no other"),
    ('desk = "1"', 'desk = "9"', f"{OFFICE}: device desk-1: there is no desk 9"),
    (
        'kind = "dispenser"',
        'kind = "board"\ndesk = "1"',
        f"{OFFICE}, device dispenser-1: desk: is needed for kind 'desk'",
    ),
    ('id = "dispenser-2"', 'id = "dispenser-1"', "device dispenser-1: is there twice"),
    ("first_number = 500", "first_number = 1", f"{OFFICE}: first_number: each dispenser needs a range of its own"),
    ("first_number = 500", "first_number = 950", f"{OFFICE}: first_number: .*reception has 900 and up"),
    ("first_number = 500", "first_number = 0", f"{OFFICE}, device dispenser-2, first_number: .*equal to 1"),
    ("timezone", "rules = { early_minutes = -1 }\ntimezone", f"{OFFICE}, rules, early_minutes: .*equal to 0"),
    ("timezone", "rules = { early_minute = 1 }\ntimezone", f"{OFFICE}, rules, early_minute: Extra inputs"),
    ("timezone", "rules = { let_pass = 0 }\ntimezone", f"{OFFICE}, rules, let_pass: .*equal to 1"),
    ("timezone", "rules = { walk_in_share = 1.5 }\ntimezone", f"{OFFICE}, rules, walk_in_share: .*equal to 1"),
    ("timezone", 'day_starts = "24:00"\ntimezone', f"{OFFICE}, day_starts: must be an hour before 24:00"),
    ("timezone", 'day_starts = "4"\ntimezone', f"{OFFICE}, day_starts: '4' is not an hour like 09:00"),
    (
        "timezone",
        'languages = ["ca", "de"]\ntimezone',
        rf"{OFFICE}, languages\[2\]: Input should be 'ca', 'es', 'en' or",
    ),
    ("timezone", 'languages = ["ca", "ca"]\ntimezone', f"{OFFICE}: language ca: is there twice"),
    ('letter = "P"', 'letter = "P"\nbring = { ca = [] }', f"{OFFICE}, service padro, bring, ca: .*at least 1"),
    (
        'letter = "P"',
        'letter = "P"\nbring = { de = ["DNI"] }',
        f"{OFFICE}, service padro, bring, de.*: Input should be",
    ),
    ("timezone", f'telephone = "{"9" * 41}"\ntimezone', f"{OFFICE}, telephone: .*at most 40"),
    (
        "[[office]]",
        'public_url = "torn.cat"\n[[office]]',
        "public_url: must be an address like https://torn.example.cat",
    ),
    ("[[office]]", "public_url = 5\n[[office]]", "public_url: Input should be a valid string"),
    ("[[office]]", "[[oficina]]", "office"),
    ('timezone = "Europe/Madrid"', "timezone = ", r"Invalid value \(at line 5"),
]


@pytest.mark.parametrize(("old", "new", "reason"), MISTAKES, ids=[f"{new[:40]!r}" for _, new, _ in MISTAKES])
def test_a_mistake_is_named_with_its_place_and_its_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = written(tmp_path, changed(old, new))

    with pytest.raises(OfficesError, match=reason):
        read_offices(path, TODAY)


@pytest.mark.parametrize("text", ["", "office = []", "office = 5", "office = [5]", "[office]"])
def test_a_file_without_an_office_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(OfficesError, match=r"offices\.toml: office"):
        read_offices(written(tmp_path, text), TODAY)


def test_two_offices_with_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OfficesError, match="office mont-roig: is there twice"):
        read_offices(written(tmp_path, SMALL + SMALL), TODAY)


@pytest.mark.parametrize("name", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(OfficesError, match=r"(nowhere\.toml: No such file|Is a directory)"):
        read_offices(tmp_path / name, TODAY)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "offices.toml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(OfficesError, match=r"offices\.toml: .*codec can't decode"):
        read_offices(path, TODAY)


# --- its description ------------------------------------------------------------------------


def tables(base: type = _Table) -> list[type]:
    """Every table that the file may have."""
    return [table for child in base.__subclasses__() for table in (child, *tables(child))]


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.__name__)
def test_every_key_of_the_file_stands_in_its_reference(table: type) -> None:
    reference = (ROOT / "docs" / "offices.md").read_text("utf-8")
    keys = [field.alias or name for name, field in table.model_fields.items()]

    assert [key for key in keys if f"| `{key}` |" not in reference] == []


def test_the_example_in_the_reference_is_read_as_it_stands(tmp_path: Path) -> None:
    reference = (ROOT / "docs" / "offices.md").read_text("utf-8")
    example = re.findall(r"```toml\n(.*?)```", reference, re.DOTALL)[0]

    fleet = read_offices(written(tmp_path, example), TODAY)

    assert tomllib.loads(example)["office"][0]["id"] in fleet.plans
