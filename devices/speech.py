"""The voice: espeak-ng, one sentence after the other; silent where it is not installed."""

import logging
import queue
import shutil
import subprocess
import threading

log = logging.getLogger("torn.speech")

VOICES = {"ca": "ca", "es": "es", "en": "en-gb", "fr": "fr-fr"}
WAITING = 12  # sentences; what would come later than that is of no use to anybody


def spoken(label: str) -> str:
    """A label as it is said: P012 -> "P 12"."""
    letters = label.rstrip("0123456789")
    return f"{letters} {int(label[len(letters) :])}"


class Voice:
    """Speaks without making anybody wait.

    Args:
        on: False for a machine without a loudspeaker.
        command: the programme and what goes before -v.
    """

    def __init__(self, on: bool = True, command: tuple[str, ...] = ("espeak-ng", "-s", "140")) -> None:
        self._command = command
        self._said: queue.Queue[tuple[str, str] | None] = queue.Queue(WAITING)
        self._speaking: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        if on and shutil.which(command[0]):
            self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
            self._thread.start()
        elif on:
            log.info("%s is not installed: nothing is spoken", command[0])

    def say(self, text: str, language: str = "ca") -> None:
        """Speaks the text after those before it; never waits."""
        if self._thread is not None:
            try:
                self._said.put_nowait((text, language))
            except queue.Full:
                log.warning("too much to say: %r is left out", text)

    def close(self) -> None:
        """Falls silent at once."""
        thread, self._thread = self._thread, None
        if thread is not None:
            while not self._said.empty():
                self._said.get_nowait()
            self._said.put(None)
            if self._speaking is not None:
                self._speaking.terminate()
            thread.join(5)

    def _run(self) -> None:
        while (said := self._said.get()) is not None:
            text, language = said
            command = [*self._command, "-v", VOICES.get(language, "ca"), "--", text]
            try:
                self._speaking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self._speaking.wait(20)
            except (OSError, subprocess.TimeoutExpired) as error:
                log.warning("nothing was said: %s", error)
                if self._speaking is not None:
                    self._speaking.kill()
                    self._speaking.wait()
            self._speaking = None
