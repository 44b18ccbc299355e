"""Keeps the lists of plates at hand for every detection, and follows their changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from shared.domain.media import Detection
from shared.domain.plate_lists import ListEntry, ListKind, Match
from shared.domain.plate_matcher import Matcher
from shared.domain.ports import Clock, PlateListChanges
from shared.runtime.logs import logger

READ_AT_ONCE = 1000
MOST_REMOVED = 20_000
LOOK_SECONDS = 30.0
BEFORE_ALL = UUID(int=0)
# Other threads get the processor between so many entries.
PACE_ENTRIES, PACE_SECONDS = 200, 0.0002

_log = logger(__name__)


class KnownPlates:
    """The lists as they are now. `matcher` may be read by any thread at any time, and is replaced
    as a whole; one thread calls `load` and `follow`. While the database is away it stays as it was.
    """

    def __init__(self, rows: PlateListChanges, clock: Clock) -> None:
        self._rows, self._clock = rows, clock
        self._revision = -1
        self._read = (0, BEFORE_ALL)
        self._looked_s = clock.monotonic()
        self.matcher = Matcher()

    def of(self, detection: Detection) -> tuple[Match, ...]:
        """Returns the lists that a detection's plate is on, by their entries, the closest first."""
        if detection.plate is None:
            return ()
        return self.matcher.matches(detection.plate, detection.camera_id, detection.captured_ms)

    def watch_lists(self) -> list[str]:
        """Returns the names of the watch lists, as they are now."""
        lists = self.matcher.lists.values()
        return [each.name for each in lists if each.kind is ListKind.WATCH]

    def follow(self, timeout_s: float) -> None:
        """Wait for a change, at most so long, and read it.

        Looks by itself every 30 s. Raises Retryable while the database is away.
        """
        heard = self._rows.wait(timeout_s)
        if heard or self._clock.monotonic() - self._looked_s >= LOOK_SECONDS:
            self.load()

    def load(self) -> None:
        """Read what has changed since the last time; the first time, everything.

        Where the number of entries shows that more were deleted than the database remembers, all
        ids are compared. What changes while it is read has a later revision, and is read again
        after its own notification.
        """
        revision, count = self._rows.now()
        self._looked_s = self._clock.monotonic()
        if revision == self._revision:
            return
        before, read = self.matcher, self._read
        if revision < self._revision:  # another database, or an older one
            before, read = Matcher(), (0, BEFORE_ALL)
        news: dict[UUID, ListEntry] = {}
        while page := self._rows.changed(read, READ_AT_ONCE):
            last, entry = page[-1]
            read = (last, entry.entry_id)
            news |= {each.entry_id: each for _, each in page}
        known = before.entries.keys() | news.keys()
        gone = known & set(self._rows.removed(self._revision, MOST_REMOVED))
        if len(known) - len(gone) != count:
            gone = known - self._ids()
        lists = self._rows.lists()
        entries = [each for key, each in news.items() if key not in gone]
        self.matcher = before.changed(lists, entries, gone, self._paced)
        self._read, self._revision = read, revision
        _log.info("lists_read", lists=len(lists), changed=len(news), gone=len(gone))

    def _ids(self) -> set[UUID]:
        found: set[UUID] = set()
        after = BEFORE_ALL
        while page := self._rows.entry_ids(after, READ_AT_ONCE):
            after = page[-1]
            found.update(page)
        return found

    def _paced(self, entries: Iterable[ListEntry]) -> Iterator[ListEntry]:
        for number, entry in enumerate(entries):
            if number % PACE_ENTRIES == 0:
                self._clock.sleep(PACE_SECONDS)
            yield entry
