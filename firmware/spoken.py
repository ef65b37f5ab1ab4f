"""One language's words of words.py: all four of them would fill a board's memory for good."""

import gc
import sys

LANGUAGES = ("ca", "es", "en", "fr")


class Spoken:
    """What a sign says, by name; `kind` is desk or board."""

    def __init__(self, kind, language):
        self._kind, self._otherwise = kind, language
        self._language, self._words = language, None

    def speak(self, languages):
        """From now on in the first of these languages that the signs speak, or in that of the settings."""
        language = ([each for each in languages if each in LANGUAGES] + [self._otherwise])[0]
        if language != self._language:
            self._language, self._words = language, None

    def __getitem__(self, name):
        if self._words is None:
            gc.collect()
            import words

            self._words = words.say(words.DESK if self._kind == "desk" else words.BOARD, self._language)
            del sys.modules["words"]
        return self._words[name]
