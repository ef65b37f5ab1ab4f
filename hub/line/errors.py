"""What can be wrong with a command: one tree; `code` is what the API and the desks' signs say."""


class LineError(Exception):
    """A command that the line refuses. Nothing has changed."""

    code = "not_now"


class NotNow(LineError, ValueError):
    """The move is not lawful in this state."""


class OfficePaused(NotNow):
    """The whole office stands still."""

    code = "paused"


class OutOfDate(LineError, ValueError):
    """The command was meant for what the desk showed before."""

    code = "out_of_date"


class DeskClosed(LineError, ValueError):
    """The desk is closed or paused."""

    code = "desk_closed"


class TooLate(LineError, ValueError):
    """The time for it has passed."""

    code = "too_late"


class DayOver(LineError, ValueError):
    """It belongs to a day that is closed."""

    code = "day_over"


class Duplicate(LineError, ValueError):
    """That ticket, or that check-in, is in the line already."""

    code = "duplicate"


class Unknown(LineError, LookupError):
    """There is no such ticket, desk or service."""

    code = "unknown"


class ByAppointment(LineError, ValueError):
    """The service is had by appointment only."""

    code = "by_appointment"
