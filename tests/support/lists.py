"""Lists as a person keeps them, and detections as a dispatcher judges them by these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.dispatch.known_plates import KnownPlates
from shared.adapters.postgres.plate_list_changes import PostgresPlateListChanges
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.domain.media import Detection
from shared.domain.plate_lists import EntrySettings, ListKind, ListSettings
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, CameraBatch
from tests.support.world import World

POLICY = RecordingPolicy()


class Lists:
    """Keeps lists and judges detections in one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows = PostgresPlateListRows(world.database)
        changes = PostgresPlateListChanges(world.database)
        self.known = KnownPlates(changes, world.clock)

    def make(
        self, name: str, kind: ListKind, *plates: str, tolerance: float = 0, **more: Any
    ) -> None:
        self.rows.create(ListSettings(name=name, kind=kind, **more), "test")
        for plate in plates:
            entry = EntrySettings(plate=plate, tolerance=tolerance, reason="stolen", priority=1)
            self.rows.add(name, entry, "test")
        self.known.load()

    def accept(
        self, at_s: float, plate: str, policy: RecordingPolicy = POLICY, confidence: float = 0.9
    ) -> Accepted:
        return self.accept_all([(at_s, plate, confidence)], policy)[0]

    def accept_all(
        self, seen: Sequence[tuple[float, str, float]], policy: RecordingPolicy = POLICY
    ) -> list[Accepted]:
        detections = [self.detection(*each) for each in seen]
        batch = CameraBatch(
            camera_id="cam1",
            detections=detections,
            policy=policy,
            oldest_ms=0,
            newest_ms=detections[-1].captured_ms,
            matches={each.detection_id: self.known.of(each) for each in detections},
        )
        return self.world.detections.accept_all([batch])["cam1"]

    def detection(self, at_s: float, plate: str, confidence: float = 0.9) -> Detection:
        name = f"{plate}-{at_s}"
        return replace(self.world.detection("cam1", at_s, name, confidence), plate=plate)

    def told(self, event: str = "plate.hit") -> list[dict[str, Any]]:
        rows = self.world.database.fetch(
            "SELECT body FROM outbox WHERE name = %s ORDER BY id", event
        )
        return [row["body"] for row in rows]
