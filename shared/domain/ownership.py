"""Who may write a camera's frames, and which times they may carry: one rule for capture and the
doorway. The lease is a key on the frames Redis, which expires it by its own clock. The owner counts
the lease from before it asked, so that the lease ends here before it ends there, however slow the
answer was.
"""

from __future__ import annotations

from dataclasses import dataclass

CAMERA_LEASE_SECONDS = 3.0  # another process has a dead one's cameras after this long
CAMERA_RENEW_SECONDS = 1.0  # so that two renewals may fail
# One frame from the far future would stop the trimming of its camera's buffer, and refuse every
# frame after it.
AHEAD_LIMIT_MS = 60_000


def deadline_s(asked_at_s: float, ttl_s: float) -> float:
    """Returns until when a lease of ttl_s is safe, by the monotonic clock that was read before
    asking.
    """
    return asked_at_s + ttl_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraLease:
    """A lease that was won. asked_at_s: monotonic time from before the request."""

    asked_at_s: float

    def holds(self, now_s: float) -> bool:
        """Returns whether a frame may be written now."""
        return now_s < deadline_s(self.asked_at_s, CAMERA_LEASE_SECONDS)

    def is_due(self, now_s: float) -> bool:
        """Returns whether it is time to renew."""
        return now_s >= self.asked_at_s + CAMERA_RENEW_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTime:
    """The frames server's wall time, as it answered a request that was sent at asked_at_s
    (monotonic).
    """

    server_ms: int
    asked_at_s: float

    def now_ms(self, now_s: float) -> float:
        """Returns the server's wall time now (ms since 1970)."""
        return self.server_ms + (now_s - self.asked_at_s) * 1000

    def too_far_ahead(self, captured_ms: int, now_s: float) -> bool:
        """Returns whether a capture time lies so far ahead of the server's clock that its frame is
        refused.
        """
        return captured_ms - self.now_ms(now_s) > AHEAD_LIMIT_MS
