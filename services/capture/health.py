"""Whether what a camera sends can be used."""

from __future__ import annotations

from collections import deque

REMEMBERED, FORGIVEN = 50, 2


class PictureHealth:
    """How many of the last pictures were refused, and why the newest one was.

    Other threads read it.
    """

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=REMEMBERED)
        self.refused = 0
        self.reason = ""

    def note(self, refusal: str | None) -> None:
        """Note that a picture was used (None), or refused for a reason."""
        self._last.append(refusal is None)
        self.refused = self._last.count(False)
        self.reason = self.reason if refusal is None else refusal

    @property
    def told(self) -> str:
        """Returns what an operator should know; empty while all is well.

        A damaged picture now and then is not reported.
        """
        seen = len(self._last)
        if not self.refused or (self.refused <= FORGIVEN and self.refused < seen):
            return ""
        return f"{self.refused} of the last {seen} pictures were refused: {self.reason}"
