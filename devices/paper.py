"""The slip: what stands on the paper, in two languages, most important first.

printer.print(slip_of(ticket))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.printer import Code, Line, Piece

WORDS = {
    "ca": {
        "hour": "Cita de les {}",
        "where": "Espereu a la sala la crida en pantalla",
        "early": "D'hora: us cridem des de les {} o abans",
        "late_for_it": "Tard: passareu com qui no té cita",
        "ahead": "Persones davant vostre: {}",
        "between": "Espera prevista: de {} a {} min",
        "about": "Espera prevista: {} min",
        "back_by": "Podeu sortir: torneu abans de les {}",
        "follow": "Seguiu el vostre torn al mòbil",
        "priority": "Torn preferent",
        "late": "El torn us pot arribar després de les {}, hora de tancar. Us atendrem igualment.",
        "again": "Còpia",
    },
    "es": {
        "hour": "Cita de las {}",
        "where": "Espere en la sala la llamada en pantalla",
        "early": "Pronto: llamada desde las {} o antes",
        "late_for_it": "Tarde: pasará como quien no tiene cita",
        "ahead": "Personas delante de usted: {}",
        "between": "Espera prevista: de {} a {} min",
        "about": "Espera prevista: {} min",
        "back_by": "Puede salir: vuelva antes de las {}",
        "follow": "Siga su turno en el móvil",
        "priority": "Turno preferente",
        "late": "Su turno puede llegar después de las {}, hora de cierre. Le atenderemos igualmente.",
        "again": "Copia",
    },
    "en": {
        "hour": "Appointment at {}",
        "where": "Wait in the hall for the board's call",
        "early": "Early: we call you from {} or before",
        "late_for_it": "Late: called like those without one",
        "ahead": "People ahead of you: {}",
        "between": "Expected wait: {} to {} min",
        "about": "Expected wait: {} min",
        "back_by": "You may go out: be back by {}",
        "follow": "Follow your turn on your phone",
        "priority": "Priority",
        "late": "Your turn may come after closing time, {}. You will still be served.",
        "again": "Copy",
    },
    "fr": {
        "hour": "Rendez-vous de {}",
        "where": "Attendez l'appel à l'écran dans la salle",
        "early": "En avance : appel dès {} ou avant",
        "late_for_it": "En retard : appel comme sans rendez-vous",
        "ahead": "Personnes avant vous : {}",
        "between": "Attente prévue : de {} à {} min",
        "about": "Attente prévue : {} min",
        "back_by": "Vous pouvez sortir : retour avant {}",
        "follow": "Suivez votre tour sur votre téléphone",
        "priority": "Prioritaire",
        "late": "Votre tour peut venir après {}, heure de fermeture. Vous serez reçu quand même.",
        "again": "Copie",
    },
}


@dataclass(frozen=True)
class Slip:
    """What one slip says; texts of time are the office's wall clock. What is None is left out."""

    office: str
    label: str
    service: Mapping[str, str]  # its name by language
    languages: Sequence[str]  # the person's first; two are printed
    url: str | None = None  # behind the QR
    printed_at: str | None = None
    telephone: str | None = None
    ahead: int | None = None
    wait: tuple[int, int] | None = None  # minutes, the short and the long end
    back_by: str | None = None
    closes_at: str | None = None  # if the turn may come after it
    hour: str | None = None  # of the appointment
    due_from: str | None = None  # if it is early
    late: bool = False  # for the appointment
    priority: bool = False
    again: bool = False


def pieces(slip: Slip) -> list[Piece]:
    """The slip from top to bottom."""
    tongues = [each for each in slip.languages if each in WORDS][:2] or ["ca"]
    names = dict.fromkeys(name_in(slip.service, each) for each in tongues)
    top = [Line(slip.office, bold=True), Line(""), Line(slip.label, size=6, bold=True)]
    top += [Line(name, bold=True) for name in names if name]
    top += [Line(slip.printed_at)] if slip.printed_at else []
    said = [line for tongue in tongues for line in _said(slip, WORDS[tongue])]
    # A reader needs four modules of white around the code (ISO/IEC 18004, 9.1): an empty line is that.
    code: list[Piece] = [Line(""), Code(slip.url), Line("")] if slip.url else []
    follow = [Line(WORDS[tongue]["follow"]) for tongue in tongues if slip.url]
    return [*top, *said, *code, *follow, *([Line(f"Tel. {slip.telephone}")] if slip.telephone else [])]


def _said(slip: Slip, words: Mapping[str, str]) -> list[Line]:
    """What one language says of this slip's turn."""
    said = [words["again"]] if slip.again else []
    said += [words["priority"]] if slip.priority else []
    said += [words["hour"].format(slip.hour), words["where"]] if slip.hour else []
    said += [words["early"].format(slip.due_from)] if slip.due_from else []
    said += [words["late_for_it"]] if slip.late else []
    said += [words["ahead"].format(slip.ahead)] if slip.ahead is not None else []
    if slip.wait is not None:
        low, high = slip.wait
        said.append(words["between"].format(low, high) if low < high else words["about"].format(high))
    said += [words["back_by"].format(slip.back_by)] if slip.back_by else []
    said += [words["late"].format(slip.closes_at)] if slip.closes_at else []
    return [Line(""), *map(Line, said)] if said else []


def name_in(names: Mapping[str, str], language: str) -> str:
    """A name in a language, or else in the first that it has."""
    return names.get(language) or next(iter(names.values()), "")


def rounded(low: float, high: float) -> tuple[int, int]:
    """A range of minutes as one says it: by ones below 10, by fives to the hour, then by tens; never narrower."""
    step = 1 if high < 10 else 5 if high <= 60 else 10
    return int(low // step * step), int(-(-high // step) * step)
