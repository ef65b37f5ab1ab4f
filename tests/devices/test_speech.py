"""The voice."""

import subprocess
import threading

from devices.speech import Voice, spoken
from tests.parts import program, wait_until


def writer(tmp_path, body: str = "") -> tuple[str, ...]:
    """A programme that writes down what it was told to say."""
    script = tmp_path / "say"
    script.write_text(f'#!/bin/sh\n{body}\necho "$@" >> {tmp_path}/said\n')
    script.chmod(0o755)
    return (str(script),)


def said(tmp_path) -> list[str]:
    file = tmp_path / "said"
    return file.read_text().splitlines() if file.exists() else []


def test_a_label_is_said_as_a_number():
    assert (spoken("P012"), spoken("AB1000")) == ("P 12", "AB 1000")


def test_sentences_are_spoken_in_turn_each_in_its_language(tmp_path):
    voice = Voice(command=writer(tmp_path))

    voice.say("Número P 12", "ca")
    voice.say("Number P 12", "en")

    wait_until(lambda: len(said(tmp_path)) == 2)
    voice.close()
    assert said(tmp_path) == ["-v ca -- Número P 12", "-v en-gb -- Number P 12"]


def test_a_machine_without_a_voice_is_silent_and_goes_on():
    voice = Voice(command=("no-such-voice",))

    voice.say("Número P 12")

    voice.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "voice"]


def test_the_end_cuts_a_sentence_short(tmp_path):
    voice = Voice(command=writer(tmp_path, f"touch {tmp_path}/begun\nexec tail -f /dev/null"))
    voice.say("Una frase molt llarga")
    wait_until((tmp_path / "begun").exists)

    voice.close()

    assert said(tmp_path) == [] and not [thread for thread in threading.enumerate() if thread.name == "voice"]


def test_espeak_knows_all_our_languages():
    for tongue in ("ca", "es", "en-gb", "fr-fr"):
        command = [program("espeak-ng"), "-q", "-x", "-v", tongue, "12"]
        assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
