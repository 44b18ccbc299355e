"""How each camera is recorded now: as configured, or as its connection decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from shared.domain.camera import Recorded
from shared.domain.codec import Codec
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import CameraStates


class Policies(Mapping[str, RecordingPolicy]):
    """A policy per camera of the configuration.

    deciding: cameras whose connection decides whether they are copied. For those, capture's word is
    asked for each time, which raises Retryable while the frames Redis does not answer.
    """

    def __init__(
        self,
        configured: Mapping[str, RecordingPolicy],
        deciding: Collection[str],
        states: CameraStates,
    ) -> None:
        self._configured, self._deciding, self._states = configured, set(deciding), states

    def __getitem__(self, camera_id: str) -> RecordingPolicy:
        policy = self._configured[camera_id]
        if camera_id not in self._deciding:
            return policy
        recorded = Recorded.of_state(self._states.state(camera_id))
        if recorded is None:
            return policy
        return replace(
            policy,
            codec=_codec(policy, copied=recorded.copied),
            codec_before=(
                None if recorded.before is None else _codec(policy, copied=recorded.before)
            ),
            since_ms=recorded.since_ms,
        )

    def __contains__(self, camera_id: object) -> bool:
        return camera_id in self._configured

    def __iter__(self) -> Iterator[str]:
        return iter(self._configured)

    def __len__(self) -> int:
        return len(self._configured)


def _codec(policy: RecordingPolicy, *, copied: bool) -> Codec:
    return Codec.COPY if copied else policy.codec
