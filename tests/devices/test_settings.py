"""The settings files of the agents."""

import pytest

from devices.settings import KINDS, SettingsError, defaults, read
from tests.parts import ROOT


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_defaults_are_a_settings_file_that_changes_nothing(kind, tmp_path):
    file = tmp_path / "agent.toml"

    file.write_text(defaults(kind))

    assert read(kind, file) == KINDS[kind]()


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_printed_with_a_line_on_what_it_is_for(kind):
    lines = [line for line in defaults(kind).splitlines() if " = " in line]

    assert [line for line in lines if "#" not in line] == (
        ["padro = 5", "registre = 6", "idcat = 13", "tributs = 19", "informacio = 26"] if kind == "dispenser" else []
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('device = "Dispenser 1"', "device: 'Dispenser 1' must be 1 to 64 of a-z, 0-9 and -"),
        ("fakes = 1", "fakes: must be true or false"),
        ('broker = "here"', "broker: must be a table"),
        ("[broker]\nport = -1", "broker.port: must be a whole number, 0 or more"),
        ('[buttons.services]\npadro = "5"', "buttons.services.padro: must be a whole number, 0 or more"),
        ('[broker]\nhots = "x"', "broker.hots: there is no such setting"),
        ("device = ", "Invalid value (at end of document)"),
    ],
)
def test_a_mistake_is_named_with_its_file_its_place_and_the_reason(text, reason, tmp_path):
    file = tmp_path / "dispenser.toml"
    file.write_text(text)

    with pytest.raises(SettingsError) as mistake:
        read("dispenser", file)

    assert str(mistake.value).startswith(f"{file}: {reason}")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read("desk", tmp_path / "none.toml")


@pytest.mark.parametrize("kind", KINDS)
def test_the_docs_show_the_settings_as_they_are(kind):
    assert f"```toml\n{defaults(kind)}```" in (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
