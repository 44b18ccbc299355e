"""Why somebody looks or changes something: stated once for a request or a command, and written into
every line of the access log that it causes.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

MOST_CHARACTERS = 200
PURPOSE_HEADER, CASE_HEADER = "X-Purpose", "X-Case"


class PurposeRule(StrEnum):
    """Whether people must say why they look."""

    OFF = "off"
    ASKED = "asked"  # the page asks, and nothing is refused
    REQUIRED = "required"


@dataclass(slots=True)
class Purpose:
    """A purpose and the number of a case, as somebody stated them; None: not stated.

    One object a request: whoever learns of it later, such as from the session, fills it in.
    """

    purpose: str | None = None
    case: str | None = None

    def fill(self, purpose: str | None, case: str | None) -> None:
        """Take what was not stated already."""
        self.purpose = self.purpose or purpose
        self.case = self.case or case


_stated: ContextVar[Purpose | None] = ContextVar("purpose", default=None)


def stated() -> Purpose:
    """Returns what was stated for this request or command; nothing outside of one."""
    return _stated.get() or Purpose()


def state(purpose: Purpose) -> None:
    """Say why what follows is done, in this context and those that begin in it."""
    _stated.set(purpose)


def checked(text: str) -> str | None:
    """Returns a stated text without space around it, None for an empty one.

    Raises ValueError for one that is too long or has characters that nobody sees.
    """
    plain = text.strip()
    if len(plain) > MOST_CHARACTERS:
        raise ValueError(f"has {len(plain)} characters, at most {MOST_CHARACTERS}")
    if not plain.isprintable():
        raise ValueError("holds a control or invisible character")
    return plain or None
