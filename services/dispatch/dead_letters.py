"""What becomes of messages and rows that are no detection: the sender can read why."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import BadInput, PlatereelError, Retryable
from shared.domain.ports import DetectionRows, DetectionStream
from shared.runtime.logs import logger
from shared.runtime.metrics import REJECTED, from_zero
from shared.wire.detections import DetectionMessage

FIELDS = frozenset(DetectionMessage.model_fields)

_log = logger(__name__)
from_zero(REJECTED, FIELDS)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Rejects, and never raises for a server that is away: the message or row comes again."""

    stream: DetectionStream
    rows: DetectionRows

    def told(self, entry_id: str, payload: bytes, error: Exception) -> bool:
        """Store a message as a dead letter, with the reason.

        Returns False when that must be tried again.
        """
        reason = (
            error.message
            if isinstance(error, PlatereelError)
            else f"detection: {type(error).__name__}"
        )
        try:
            self.stream.reject(entry_id, payload, reason)
        except Retryable:
            return False
        field = (
            error.field
            if isinstance(error, BadInput) and error.field.isidentifier()
            else "detection"
        )
        REJECTED.labels(field if field in FIELDS else "detection").inc()
        _log.warning("detection_rejected", entry=entry_id, reason=reason)
        return True

    def reject_row(self, camera_id: str, detection_id: str, reason: str) -> None:
        """Note in a detection's row that it cannot be accepted."""
        try:
            self.rows.reject(camera_id, detection_id, reason)
        except PlatereelError as error:
            told = {"camera_id": camera_id, "detection_id": detection_id}
            _log.warning("detection_not_rejected", **told, error=error.message)
