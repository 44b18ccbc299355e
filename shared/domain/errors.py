"""Errors, named by what can be done about them. Each carries the ids that find the thing."""

from __future__ import annotations


class PlatereelError(Exception):
    """An error that Platereel can name. `facts` are the ids and values for a log line."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


def told(error: PlatereelError) -> str:
    """Returns the message, and a server's host and port: for operators, never for clients of the
    API.
    """
    at = error.facts.get("at")
    return error.message if at is None else f"{error.message} ({at})"


class Retryable(PlatereelError):
    """The same call may succeed later: a server is away, slow or full now."""


class PartlyAway(Retryable):
    """One server of several does not answer. What is not on it should go on."""


class Permanent(PlatereelError):
    """The same call will fail again: bad input, an impossible setting, a broken frame."""


class Conflict(PlatereelError):
    """Somebody else was first: a lost lease, a used id, a state that does not allow the call."""


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
