"""Errors by what can be done about them; each carries the ids that find the thing."""

from __future__ import annotations


class PlatereelError(Exception):
    """Something went wrong that Platereel can name; `facts` are the ids and values a log line needs."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


def told(error: PlatereelError) -> str:
    """The message, and of a server its host and port: for operators, not for whoever asks the API."""
    at = error.facts.get("at")
    return error.message if at is None else f"{error.message} ({at})"


class Retryable(PlatereelError):
    """The same call may succeed later: a server is away, slow, or full for now."""


class PartlyAway(Retryable):
    """One server of several does not answer; others may, so what is not on it should go on."""


class Permanent(PlatereelError):
    """The same call fails again: bad input, an impossible setting, a broken frame."""


class Conflict(PlatereelError):
    """Somebody else's work came first: a lost lease, a used id, a state that does not allow it."""


class NotFound(PlatereelError):
    """There is no such thing."""


class Gone(PlatereelError):
    """There was such a thing; retention or a person removed it."""


class BadInput(Permanent):
    """A value from outside is wrong; `field` names it."""

    def __init__(self, field: str, message: str, **facts: object) -> None:
        super().__init__(f"{field}: {message}", field=field, **facts)
        self.field = field
        self.reason = message
