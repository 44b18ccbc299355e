"""The frames Redis as capture sees it beside the pictures: who owns which camera, and how each of
them is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.errors import Retryable
from tests.support.twins import SimulatedClock


@dataclass
class Server:
    """Leases, states and time of a frames Redis of which one command fails, before or after it has
    done its work.
    """

    fails_at: int
    late: bool
    owners: dict[str, str] = field(default_factory=dict)
    alive: int = 1
    states: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    armed: bool = True
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    _until: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def _command(self, work: Callable[[], int]) -> int:
        self._count += self.armed
        fails = self.armed and self._count == self.fails_at
        if fails and not self.late:
            raise Retryable("the connection was reset")
        answer = work()
        if fails:
            raise Retryable("the answer was lost")
        return answer

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        def work() -> int:
            ours = self.owners.setdefault(camera_id, owner) == owner
            if ours:
                self._until[camera_id] = self.clock.monotonic() + ttl_s
            return ours

        self.expire()
        return bool(self._command(work))

    def renew(self, camera_ids: Sequence[str], owner: str, ttl_s: float) -> dict[str, bool]:
        return {each: self.acquire(each, owner, ttl_s) for each in camera_ids}

    def expire(self) -> None:
        """Leases of this process that were not renewed end."""
        for camera_id, until in self._until.items():
            if until <= self.clock.monotonic() and self.owners.get(camera_id) == "me":
                del self.owners[camera_id]

    def release(self, camera_id: str, owner: str) -> None:
        def work() -> int:
            if self.owners.get(camera_id) == owner:
                del self.owners[camera_id]
            return 0

        self._command(work)

    def enrol(self, owner: str, ttl_s: float) -> int:
        return self._command(lambda: self.alive)

    def resign(self, owner: str) -> None:
        self._command(lambda: 0)

    def report(self, camera_id: str, state: Mapping[str, str | int | float]) -> None:
        def work() -> int:
            self.states[camera_id] = str(state["state"])
            self.errors[camera_id] = str(state["error"])
            return 0

        self._command(work)

    def report_all(self, states: Mapping[str, Mapping[str, str | int | float]]) -> None:
        for camera_id, state in states.items():
            self.report(camera_id, state)

    def states_of(self, camera_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        return {camera_id: self.state(camera_id) for camera_id in camera_ids}

    def look_at(self, camera_id: str, for_s: float) -> None:
        raise NotImplementedError

    def looked_at(self, camera_ids: Sequence[str]) -> set[str]:
        return set()

    def state(self, camera_id: str) -> dict[str, str]:
        return {"state": self.states.get(camera_id, "")}

    def time(self, _: str) -> int:
        return self._command(lambda: 1_700_000_000_000)
