"""Goes through clips in the order in which retention gives them up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from shared.domain.ports import Progress
from shared.domain.retention import DAY_MS, Clip, Judge, RetentionPolicy, Verdict
from workers.retention.ports import CleanupPorts
from workers.retention.state import State

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Judges clips for one step of a cleanup. over: whether a share of the step's time is up."""

    ports: CleanupPorts
    policy: RetentionPolicy
    now_ms: int
    state: State
    progress: Progress
    over: Callable[[float], bool]

    def verdicts(
        self, share: float, *, marking: bool = False
    ) -> Generator[list[Verdict], None, None]:
        """Yields batches in order: by age, by each camera's bytes, by bytes and space of all; from
        where a step stopped. `state.place` is None once all has been judged.

        marking: who takes a batch marks it before it asks for the next; each is judged by what is
        used then, because others mark and delete, too.
        """
        judge = Judge(self.policy, self.now_ms, *self._burden())
        stations = list(self._stations(judge))
        names = [station.name for station in stations]
        at, after = self.state.place or ("", None)
        for number in range(names.index(at) if at in names else 0, len(stations)):
            station = stations[number]
            following = (names[number + 1], None) if number + 1 < len(names) else None
            last = after if station.name == at else None
            whole = True
            while whole and station.needed():
                with self.ports.rows.alone() if marking else nullcontext():
                    if marking:
                        judge.used_bytes, judge.missing_bytes = self._burden()
                    clips = self._oldest(station, last) if station.needed() else []
                    verdicts = station.judge(clips)
                    if verdicts:
                        yield verdicts
                whole = len(clips) == BATCH
                last = clips[-1] if clips else None
                self.state.place = (station.name, last) if whole else following
                self.progress("marking", len(judge.going), 0)
                if self.state.place is not None and self.over(share):
                    return
        self.state.place = None

    def _burden(self) -> tuple[dict[str, int], int]:
        """Returns the bytes that each camera uses, and those that the store lacks, without what a
        look has judged: nothing of that is marked, so the counters still have it.
        """
        judged = self.state.judged_bytes
        used = {
            camera: size - judged[camera] for camera, size in self.ports.rows.used_bytes().items()
        }
        return used, self._missing_bytes() - sum(judged.values())

    def _stations(self, judge: Judge) -> Iterator[_Station]:
        cameras = self.ports.rows.cameras_with_clips()
        for camera_id in cameras:
            days = self.policy.days_of(camera_id)
            if days is not None:
                yield _Station(f"age of {camera_id}", camera_id, days, judge.by_age)
        for last_resort in (False, True) if self.policy.classes else (False,):
            word = "last resort" if last_resort else "first"
            for camera_id in cameras:
                by_bytes = partial(judge.by_camera_bytes, last_resort=last_resort)
                over = partial(judge.over, camera_id)
                yield _Station(
                    name=f"bytes of {camera_id}, {word}",
                    camera_id=camera_id,
                    days=self.policy.min_days,
                    judge=by_bytes,
                    needed=over,
                )
            pressed = partial(judge.by_pressure, last_resort=last_resort)
            yield _Station(
                name=f"pressure, {word}",
                camera_id=None,
                days=self.policy.min_days,
                judge=pressed,
                needed=lambda: judge.pressure() is not None,
            )

    def _oldest(self, station: _Station, after: Clip | None) -> list[Clip]:
        """Returns a batch of a station's clips after one of them, oldest first."""
        attributes = {each.attribute for each in self.policy.classes if each.attribute is not None}
        return self.ports.rows.oldest(
            camera_id=station.camera_id,
            before_ms=self.now_ms - round(station.days * DAY_MS),
            after=after,
            limit=BATCH,
            attributes=attributes if self.policy.classes else None,
        )

    def _missing_bytes(self) -> int:
        """Returns what the store lacks of the space that must stay free, once all marked clips are
        deleted.
        """
        if self.policy.free_bytes is None:
            return 0
        # first: what is deleted meanwhile counts twice, not never
        expiring = self.ports.rows.expiring_bytes()
        room = self.ports.store.room()
        return 0 if room is None else self.policy.free_bytes - room.free_bytes - expiring


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Station:
    """One stretch of a run: clips of a camera (None: of all) that are older than `days`, and how
    they are judged.
    """

    name: str
    camera_id: str | None
    days: float
    judge: Callable[[list[Clip]], list[Verdict]]
    needed: Callable[[], bool] = _always
