"""The signs: in the office's languages, one sheet each, and the clerk's card has the keys of the desk's page."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Browser

from provisioning.__main__ import main
from provisioning.fleet import Fleet, Season, read_fleet
from provisioning.signs import PAGES, braille, hours, signs
from provisioning.words import KEYS, WORDS
from tests.parts import OFFICES, ROOT, barriers, chromium
from tests.provisioning.fleets import described

WEEK = dict.fromkeys(("mon", "tue", "wed", "fri"), "09:00-14:00") | {"thu": "09:00-14:00,16:00-19:00"}
RAGGED = {day: f"09:00-13:0{n},16:00-18:0{n}" for n, day in enumerate(("mon", "tue", "wed", "thu", "fri"))}
PIXELS = 96 / 25.4  # a millimetre


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """The sample offices with seasons: one as most are, and one as bad as it gets."""
    fleet = read_fleet(described(tmp_path_factory.mktemp("town"), offices=OFFICES))
    hours = {"mon": "09:00-13:00", "tue": "09:00-13:00"}
    summer = Season(first=date(2026, 8, 1), to=date(2026, 8, 31), hours=hours)
    winter = Season(first=date(2026, 12, 24), to=date(2027, 1, 6), hours=RAGGED)
    seasons, weeks = ([summer], [summer, winter]), (WEEK, RAGGED)  # as most are; as bad as it gets
    offices = tuple(
        office.model_copy(update={"season": season, "hours": week})
        for office, season, week in zip(fleet.offices, seasons, weeks, strict=True)
    )
    return Fleet(**{**fleet.__dict__, "offices": offices, "public_url": "https://torn.example.cat"})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("language", WORDS)
def test_every_language_has_every_word(language: str) -> None:
    assert {key: type(word) for key, word in WORDS[language].items()} == {
        key: type(w) for key, w in WORDS["ca"].items()
    }
    assert {key: len(word) for key, word in WORDS[language].items() if isinstance(word, tuple)} == {
        key: len(word) for key, word in WORDS["ca"].items() if isinstance(word, tuple)
    }


@pytest.mark.parametrize("language", KEYS)
def test_the_clerks_card_has_the_keys_of_the_desks_page_in_its_very_words(language: str) -> None:
    page = (ROOT / "hub/web/templates/desk.html").read_text("utf-8")
    keys = dict(re.findall(r'\("([A-Z])", _\("([^"]+)"\)\)', page))
    catalogue = ROOT / "hub/web/translations" / language / "LC_MESSAGES/messages.po"
    if language != "en":
        with catalogue.open("rb") as file:
            messages = read_po(file)
        keys = {key: messages.get(words).string for key, words in keys.items()}

    assert KEYS[language] == keys


def said(week: dict[str, str], language: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(line.days[0][1], line.times) for line in hours(week, [(language, WORDS[language])])]


def test_hours_are_said_by_days_that_have_the_same() -> None:
    assert said(WEEK, "ca") == [
        ("de dilluns a dimecres", ("09:00–14:00",)),
        ("dijous", ("09:00–14:00", "16:00–19:00")),
        ("divendres", ("09:00–14:00",)),
    ]
    assert said({"sat": "10:00-13:00", "sun": "10:00-13:00"}, "fr") == [("samedi et dimanche", ("10:00–13:00",))]
    assert said({}, "en") == []


@pytest.mark.parametrize(
    ("text", "dots"),
    [
        ("a", [(0, 0)]),
        ("p", [(0, 0), (0, 2.5), (2.5, 0), (0, 5)]),  # 1 2 4 3
        ("w", [(0, 2.5), (2.5, 0), (2.5, 2.5), (2.5, 5)]),  # 2 4 5 6
        ("10", [(0, 5), (2.5, 0), (2.5, 2.5), (2.5, 5), (6, 0), (14.5, 0), (14.5, 2.5), (12, 2.5)]),
    ],
)
def test_braille_is_drawn_in_its_true_size(text: str, dots: list[tuple[float, float]]) -> None:
    assert sorted(braille(text)) == sorted(dots)


def test_the_door_says_hours_and_season_and_telephone_in_the_offices_languages(town: Fleet) -> None:
    door = signs(town)["mont-roig/door.html"].decode()

    for words in ("de dilluns a dimecres", "de lunes a miércoles", "Monday to Wednesday", "du lundi au mercredi"):
        assert words in door
    assert "1/8 – 31/8" in door
    assert "977 83 70 05" in door
    assert "torn.example.cat/line/mont-roig" in door


def test_a_name_with_the_signs_of_html_is_shown_as_it_is(town: Fleet) -> None:
    odd = town.offices[0].model_copy(update={"name": "<b>OMAC</b> & més"})

    door = signs(Fleet(**{**town.__dict__, "offices": (odd,)}))["mont-roig/door.html"].decode()

    assert "&lt;b&gt;OMAC&lt;/b&gt; &amp; més" in door


@pytest.mark.parametrize("page", PAGES)
def test_each_sheet_is_one_printed_page_with_nothing_cut_off(
    town: Fleet, browser: Browser, page: str, tmp_path: Path
) -> None:
    for name, body in signs(town).items():
        if not name.endswith(f"/{page}.html"):
            continue
        (tmp_path / "sheet.html").write_bytes(body)
        tab = browser.new_page()
        tab.goto(f"file://{tmp_path}/sheet.html")

        sheets = tab.locator(".sheet").evaluate_all(
            "all => all.map(e => [e.offsetWidth, e.offsetHeight, e.scrollWidth, e.scrollHeight])"
        )
        printed = tab.pdf(prefer_css_page_size=True, print_background=True)

        assert sheets
        for width, height, whole_width, whole_height in sheets:
            assert sorted((round(width / PIXELS), round(height / PIXELS))) == [210, 297]
            assert (whole_width, whole_height) == (width, height)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == len(sheets)
        assert barriers(tab) == []
        tab.close()


def test_the_command_writes_every_offices_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["signs", "--fleet", str(described(tmp_path)), "--to", str(tmp_path / "signs")])

    assert status == 0
    assert {path.stem for path in (tmp_path / "signs/miami-platja").iterdir()} == set(PAGES)
    assert "8 pages" in capsys.readouterr().out
