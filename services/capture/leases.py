"""Which cameras this process owns.

More processes share the cameras; if one stops or dies, another takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

from shared.domain.errors import PartlyAway, Retryable
from shared.domain.ownership import CAMERA_LEASE_SECONDS, CameraLease, ServerTime
from shared.domain.ports import CameraLeases, Clock
from shared.runtime.logs import logger

ALIVE_SECONDS = 3.0

_log = logger(__name__)


@dataclass(slots=True, kw_only=True)
class Ownership:
    """The leases of one capture process. `round` is called every second by one thread; `holds` by
    the sender.
    """

    leases: CameraLeases
    clock: Clock
    owner: str
    cameras: Sequence[str]
    server_ms: Callable[[str], int]
    recorded: Callable[[str], bool]
    _won: dict[str, CameraLease] = field(default_factory=dict)
    _server: ServerTime | None = None
    _processes: int = 1

    def owned(self) -> list[str]:
        """Returns the cameras whose lease was won and not given up."""
        return list(self._won)

    def holds(self, camera_id: str) -> bool:
        """Returns whether a frame of this camera may be written now."""
        lease = self._won.get(camera_id)
        return lease is not None and lease.holds(self.clock.monotonic())

    def server_now_ms(self) -> float | None:
        """Returns the frames server's wall time, by the last round that read it; None before the
        first.
        """
        return None if self._server is None else self._server.now_ms(self.clock.monotonic())

    def too_far_ahead(self, captured_ms: int) -> bool:
        """Returns whether a capture time lies more than a minute ahead of the frames server's
        clock.
        """
        return self._server is not None and self._server.too_far_ahead(
            captured_ms, self.clock.monotonic()
        )

    def round(self) -> str | None:
        """Renew every lease, then take free cameras up to a fair share.

        Returns one camera that is beyond the share, or None. `owned` is right afterwards even when
        a command of the round fails (Retryable). A camera that is being recorded stays until that
        is over, because handing it over costs about a second.
        """
        try:
            self._processes = self.leases.enrol(self.owner, ALIVE_SECONDS)
        except PartlyAway as error:  # as many as before, then
            _log.warning("captures_not_counted", error=error.message)
        self._acquire(self.owned())
        share = ceil(len(self.cameras) / max(1, self._processes))
        free = [camera_id for camera_id in self.cameras if camera_id not in self._won]
        while free and len(self._won) < share:
            wanted = share - len(self._won)
            self._acquire(free[:wanted])
            free = free[wanted:]
        surplus = None
        if len(self._won) > share:
            surplus = next(
                (camera_id for camera_id in reversed(self.owned()) if not self.recorded(camera_id)),
                None,
            )
        self._read_clock()
        return surplus

    def _read_clock(self) -> None:
        """Read the server's time, from the first camera's server that answers."""
        for camera_id in self.cameras:
            before = self.clock.monotonic()
            try:
                self._server = ServerTime(server_ms=self.server_ms(camera_id), asked_at_s=before)
            except PartlyAway:
                continue
            return

    def _acquire(self, camera_ids: Sequence[str]) -> None:
        """Take or renew leases.

        A server of several that does not answer takes none away; the deadline does.
        """
        before = self.clock.monotonic()
        answers = self.leases.renew(camera_ids, self.owner, CAMERA_LEASE_SECONDS)
        for camera_id, ours in answers.items():
            if ours:
                self._won[camera_id] = CameraLease(asked_at_s=before)
            else:
                self._won.pop(camera_id, None)
        if len(answers) < len(camera_ids):
            unanswered = [each for each in camera_ids if each not in answers]
            _log.warning("leases_not_renewed", cameras=unanswered)

    def give_up(self, camera_id: str) -> None:
        """Release one camera, so that another process need not wait for the lease to end."""
        self._won.pop(camera_id, None)
        self.leases.release(camera_id, self.owner)

    def leave(self) -> None:
        """Release everything, because this process is stopping.

        A lease that cannot be released expires.
        """
        for camera_id in self.owned():
            try:
                self.give_up(camera_id)
            except Retryable as error:
                _log.warning("lease_not_released", camera_id=camera_id, error=error.message)
        self.leases.resign(self.owner)
