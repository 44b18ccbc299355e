"""Who looked at what, as lines of the access log. The same look within ten minutes is one line.

A player asks for a clip in hundreds of requests, and a page asks for its list every few seconds.
What counts is the bytes that are sent, not how they were asked for: bytes that no line reports yet
make a new line.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID

from services.api.media.range_response import Span
from shared.domain.access import Caller
from shared.domain.errors import BadInput, PlatereelError
from shared.domain.ports import AccessRows, Clock
from shared.domain.purpose import PURPOSE_HEADER, stated
from shared.runtime.logs import logger

SAME_SECONDS = 600.0
REMEMBERED, MOST_STRETCHES = 10_000, 32

_log = logger(__name__)
UNSTATED = (
    "say why: with every search for a plate, look at a clip or a pass, download, export and change of a list, this "
    f"deployment needs the header {PURPOSE_HEADER} (or {PURPOSE_HEADER.lower()} in the query, or the session's purpose)"
)
_Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """When lines were last written, and the separate stretches of bytes that they report."""

    at: float
    told: tuple[tuple[int, int], ...] = ()

    def covers(self, span: Span) -> bool:
        return any(first <= span.first and span.last <= last for first, last in self.told)

    def with_span(self, span: Span, at: float) -> _Line:
        """Returns it with one more stretch, joined with those that it touches; of very many, the
        newest.
        """
        first, last = span.first, span.last
        apart = []
        for other in self.told:
            if other[0] <= last + 1 and first <= other[1] + 1:
                first, last = min(first, other[0]), max(last, other[1])
            else:
                apart.append(other)
        return _Line(at, (*apart[1 - MOST_STRETCHES :], (first, last)))


@dataclass(slots=True)
class Looks:
    """Writes the lines.

    purpose_required: no clip, pass or read is shown, no plate is searched for, and no list is
    exported, unless the request states a purpose; then these raise BadInput.

    It remembers them for this process alone, so several processes write more lines, never fewer.
    """

    access: AccessRows
    clock: Clock
    purpose_required: bool = False
    _lines: OrderedDict[_Key, _Line] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def sent(self, caller: Caller, segment_id: UUID, span: Span) -> None:
        """Note that bytes of a clip are about to be sent. A whole clip is always a line."""
        self.require_purpose()
        key = self._key(caller, "download", str(segment_id))
        known = self._known(key)
        if known is not None and known.covers(span) and not span.whole:
            return
        self.access.note(caller.name, "download", segment_id, {"bytes": str(span)})
        now = self.clock.monotonic()
        self._remember(key, (known or _Line(now)).with_span(span, now))

    def exported_plate(self, caller: Caller, plate: str) -> None:
        """Note that everything that is kept of a plate is about to be sent."""
        self.require_purpose()
        self.access.note(caller.name, "export", None, {"what": "plate", "plate": plate})

    def require_purpose(self) -> None:
        """Raise BadInput where a purpose is required and none is stated."""
        if self.purpose_required and stated().purpose is None:
            raise BadInput(PURPOSE_HEADER, UNSTATED)

    @staticmethod
    def _key(caller: Caller, action: str, subject: str) -> _Key:
        """The same look for another purpose is another line."""
        why = stated()
        return caller.name, action, subject, why.purpose, why.case

    def handed_over(self, caller: Caller, segment_id: UUID) -> None:
        """Note that the store is about to send a clip, by a link that is good for about ten
        minutes.
        """
        self.require_purpose()
        self._once(
            caller=caller,
            action="download",
            segment_id=segment_id,
            subject=f"store:{segment_id}",
            details={"by": "store"},
        )

    def viewed(self, caller: Caller, what: str, segment_id: UUID) -> None:
        """Note that pictures or facts of a segment are about to be shown."""
        self.require_purpose()
        self._once(
            caller=caller,
            action="view",
            segment_id=segment_id,
            subject=f"{what}:{segment_id}",
            details={"what": what},
        )

    def watched(self, caller: Caller, what: str, camera_id: str) -> None:
        """Note that a camera's pictures will be shown.

        That needs no database: while it is away, the process's log has the line.
        """
        try:
            self._once(
                caller=caller,
                action="view",
                segment_id=None,
                subject=f"{what}:{camera_id}",
                details={"what": what, "camera_id": camera_id},
            )
        except PlatereelError:
            _log.warning("look_not_noted", who=caller.name, what=what, camera_id=camera_id)

    def shown(self, caller: Caller, what: str, facts: Mapping[str, Any]) -> None:
        """Note that something that is no segment is about to be shown."""
        self.require_purpose()
        given = {name: str(value) for name, value in facts.items() if value is not None}
        self._once(
            caller=caller,
            action="view",
            segment_id=None,
            subject=f"{what}:{sorted(given.items())}",
            details={"what": what, **given},
        )

    def listed(self, caller: Caller, what: str, asked: Mapping[str, Any]) -> None:
        """Note that a list is about to be shown, and what was asked for."""
        if asked.get("plate") is not None:
            self.require_purpose()
        given = {name: str(value) for name, value in asked.items() if value is not None}
        self._once(
            caller=caller,
            action="list",
            segment_id=None,
            subject=f"{what}:{sorted(given.items())}",
            details={"what": what, **given},
        )

    def _once(
        self,
        caller: Caller,
        action: str,
        segment_id: UUID | None,
        subject: str,
        details: Mapping[str, Any],
    ) -> None:
        key = self._key(caller, action, subject)
        if self._known(key) is None:
            self.access.note(caller.name, action, segment_id, details, lasting=False)
            self._remember(key, _Line(self.clock.monotonic()))

    def _known(self, key: _Key) -> _Line | None:
        with self._lock:
            line = self._lines.get(key)
        return (
            line if line is not None and self.clock.monotonic() - line.at < SAME_SECONDS else None
        )

    def _remember(self, key: _Key, line: _Line) -> None:
        with self._lock:
            self._lines[key] = line
            self._lines.move_to_end(key)
            while len(self._lines) > REMEMBERED:
                self._lines.popitem(last=False)
