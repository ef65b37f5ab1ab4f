"""Sample documents to lay on the bench's reader: the zones that ICAO Doc 9303 prints on them, check digits and all.

Nobody has these numbers: 12345678Z and its like are the ones that every form in the country gives as examples.
"""

from dataclasses import dataclass

from devices.mrz import check_digit


@dataclass(frozen=True)
class Card:
    """A document as it lies there: what stands on it, and what a reader says of it."""

    id: str
    kind: str  # dni, nie or passport
    number: str
    holder: str
    zone: str


def card_zone(number: str, support: str, names: str, code: str = "ID", state: str = "ESP") -> str:
    """TD1: a DNI or NIE stands in the optional data, the support number in the document's field."""
    upper = f"{code}{state}{support.ljust(9, '<')}{check_digit(support.ljust(9, '<'))}{number}".ljust(30, "<")
    birth, expiry = "800101", "310602"
    lower = f"{birth}{check_digit(birth)}F{expiry}{check_digit(expiry)}{state}".ljust(29, "<")
    whole = check_digit(upper[5:30] + lower[0:7] + lower[8:15] + lower[18:29])
    return f"{upper}\r{lower}{whole}\r{names.ljust(30, '<')[:30]}\r"


def passport_zone(number: str, names: str, state: str = "ESP") -> str:
    """TD3: the passport's number stands in its own field."""
    birth, expiry, field = "800101", "310602", number.ljust(9, "<")
    lower = f"{field}{check_digit(field)}{state}{birth}{check_digit(birth)}F{expiry}{check_digit(expiry)}"
    lower += "<" * 14 + "0"
    whole = check_digit(lower[0:10] + lower[13:20] + lower[21:43])
    return f"{('P<' + state + names).ljust(44, '<')[:44]}\r{lower}{whole}\r"


CARDS = (
    Card("dni", "dni", "12345678Z", "Carme Mostra", card_zone("12345678Z", "BAA000589", "MOSTRA<EXEMPLE<<CARME")),
    Card("nie", "nie", "X1234567L", "John Sample", card_zone("X1234567L", "E00000123", "SAMPLE<<JOHN", "IR")),
    Card("passport", "passport", "PAA123456", "Anna Exemple", passport_zone("PAA123456", "EXEMPLE<<ANNA")),
)
