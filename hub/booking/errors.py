"""What can be wrong with a booking: one tree. `code` is what the API says, `field` what was wrong in the request.

A ValueError is wrong in itself; a RuntimeError could be right at another time.
"""


class BookingError(Exception):
    """A booking that cannot be. Nothing has changed."""

    code = "invalid"
    field: str | None = None


class NotASlot(BookingError, ValueError):
    """No appointment begins then: doors, holidays, lead time or horizon."""

    field = "start"


class SlotTaken(BookingError, RuntimeError):
    """Somebody else has the place."""

    code = "slot_taken"
    field = "start"


class NotBookable(BookingError, ValueError):
    """The service cannot be booked here."""

    field = "service"


class BadDocument(BookingError, ValueError):
    """The number cannot be one; the message says why, and never the number itself."""

    field = "document"


class WrongLetter(BadDocument):
    """The letter of a DNI or NIE does not go with its number: a slip of the finger, most often."""


class AlreadyBooked(BookingError, RuntimeError):
    """The document has an open appointment for that procedure."""

    code = "already_booked"
    field = "document"


class NoAppointment(BookingError, LookupError):
    """There is none, or it is not theirs: the two are not told apart."""

    code = "no_appointment"


class AlreadyCheckedIn(BookingError, RuntimeError):
    """Whoever comes for this appointment is in the line already."""

    code = "already_checked_in"


class Cancelled(BookingError, RuntimeError):
    """The appointment was cancelled: it can only be booked again."""

    code = "cancelled"
