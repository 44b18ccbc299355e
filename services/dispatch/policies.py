"""How each camera is recorded now: as configured, or as its connection decided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.domain.camera import Recorded
from shared.domain.policy import RecordingPolicy

States = Callable[[Sequence[str]], Mapping[str, Mapping[str, str]]]


class PoliciesNow(dict[str, RecordingPolicy]):
    """Policies by camera; `away`: cameras that decide for themselves and whose server, of several,
    does not answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()


@dataclass(frozen=True, slots=True)
class Policies:
    """The cameras of the configuration.

    deciding: those whose connection decides whether they are copied. states: what capture says of
    cameras. new: looks for cameras that were made since, for which dispatch begins anew; raises
    Retryable while nobody can say.
    """

    configured: Mapping[str, RecordingPolicy]
    deciding: frozenset[str] = frozenset()
    states: States = lambda _: {}
    new: Callable[[], Collection[str]] = tuple

    def __contains__(self, camera_id: object) -> bool:
        return camera_id in self.configured

    def now(self, camera_ids: Iterable[str]) -> PoliciesNow:
        """Returns how cameras of the configuration are recorded now, asking capture's word of all
        in one exchange. Raises Retryable while the frames Redis does not answer.
        """
        found = PoliciesNow()
        known = [camera_id for camera_id in camera_ids if camera_id in self.configured]
        asked = [camera_id for camera_id in known if camera_id in self.deciding]
        states = self.states(asked) if asked else {}
        for camera_id in known:
            policy = self.configured[camera_id]
            if camera_id not in self.deciding:
                found[camera_id] = policy
            elif camera_id in states:
                recorded = Recorded.of_state(states[camera_id])
                found[camera_id] = policy if recorded is None else policy.as_decided(recorded)
            else:
                found.away.add(camera_id)
        return found
