"""Every fault of the matrix, injected into one site while it records; then its promises are
checked.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.chaos.checker import quiet, tidy
from tests.chaos.endure import Row, endure
from tests.chaos.faults import MATRIX, Fault
from tests.chaos.gauges import Gauge, gauges, grown
from tests.chaos.site import AGE_FLOOR_SECONDS, WRITERS, Site
from tests.chaos.traffic import Traffic
from tests.support.chaos import FULL
from tests.support.waiting import WAIT_SECONDS

TIMES = {
    "worker tree killed under load": 40,
    "rolling restart: TERM, QUIT, twice": 1,
    "writer frozen for three leases": 2,
}
STALE_HOLD_SECONDS = 30
# make chaos has the machine for itself and holds the limits; beside others all takes longer.
SLOWER = 1 if FULL else 2


@pytest.fixture(scope="module")
def at_first(site: Site) -> dict[tuple[str, int], Gauge]:
    return gauges(site)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "fault",
    [f for f in MATRIX if FULL or f.quick],
    ids=lambda f: f"{f.key}-{f.name}".replace(" ", "-"),
)
def test_a_fault_loses_nothing(
    site: Site,
    fault: Fault,
    seed: int,
    told: Callable[[Row], None],
    at_first: dict[tuple[str, int], Gauge],
) -> None:
    times = TIMES.get(fault.name, 2) if FULL else 1
    row = endure(site, fault, times, seed)
    told(row)
    assert row.accepted
    assert row.clips
    assert fault.takes_frames or (row.frames_lost - row.handed_over, row.failed) == (0, 0), (
        row.notes
    )
    assert not fault.keeps_recordings or row.failed == 0, row.notes
    assert row.slowest_recovery_s < fault.most_recovery_s * SLOWER


def test_a_killed_writers_part_is_being_written_again_within_ten_seconds(site: Site) -> None:
    """All writers' children die in the middle of a part; its row tells when the next attempt
    begins.
    """
    traffic = Traffic(site, site.history, 1)
    traffic.publish("one", time.time() - 0.3, "http")
    with psycopg.connect(site.urls["database"], autocommit=True) as rows:
        found = None
        until = time.monotonic() + 30
        while found is None and time.monotonic() < until:
            found = rows.execute(
                "SELECT id, attempts FROM segment_parts WHERE state = 'running' LIMIT 1"
            ).fetchone()
        assert found is not None
        for name in WRITERS:
            for pid in site.members[name].tree[1:]:
                os.kill(pid, signal.SIGKILL)
        began = time.monotonic()

        def again() -> bool:
            row = rows.execute(
                "SELECT attempts, state FROM segment_parts WHERE id = %s", [found[0]]
            ).fetchone()
            return row is None or row[0] > found[1] or row[1] == "done"

        site.wait("the part to be written again", again, WAIT_SECONDS)
        assert time.monotonic() - began < 10 * SLOWER
    quiet(site)


def test_a_killed_finalisers_clip_is_being_made_again_within_ten_seconds(site: Site) -> None:
    """It dies while the store lets it wait, so in the middle of its run, whose lease nobody renews
    any more.
    """
    with psycopg.connect(site.urls["database"], autocommit=True) as rows:

        def clip(state: str) -> Any:
            return rows.execute(
                f"SELECT id FROM video_segments WHERE camera_id = 'two' AND status = 'finalizing' AND {state}"
            ).fetchone()

        with site.frozen("finalise-1"):  # until all parts are in: they need the store
            Traffic(site, site.history, 3).publish("two", time.time() - 0.3, "http")
            site.wait("the clip's offer", lambda: clip("offered_at IS NOT NULL"), 60)
            site.proxies["storage"].blackhole()
        try:
            site.wait(
                "the clip's run", lambda: clip("attempts = 1 AND lease_token IS NOT NULL"), 30
            )
            for pid in site.members["finalise-1"].tree[1:]:
                os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            site.wait(
                "the clip to be made again",
                lambda: clip("attempts = 2 AND lease_token IS NOT NULL"),
                WAIT_SECONDS,
            )
            assert time.monotonic() - began < 10 * SLOWER
        finally:
            site.proxies["storage"].heal()
    quiet(site)


def test_a_dead_dispatchers_share_is_taken_over_within_eight_seconds(site: Site) -> None:
    """It dies with messages delivered to it; the other one has them, and it stays dead."""
    history = site.history
    with Traffic(
        site=site, history=history, seed=2, doors=("stream",), pause_s=(0.01, 0.03)
    ) as traffic:
        site.sleep(1)
        with site.down("dispatch-1"):
            began = time.monotonic()
            body = traffic.publish("probe", time.time() - 0.3, "stream")

            def handled() -> bool:
                with site.redis("broker") as client:
                    pending: Any = client.xpending("detections", "dispatch")
                known = site.query(
                    "SELECT FROM detections WHERE detection_id = %s", body["detection_id"]
                )
                oldest = (
                    int(pending["min"].split(b"-")[0]) if pending["pending"] else time.time() * 1000
                )
                return (
                    bool(known) and time.time() * 1000 - oldest < (time.monotonic() - began) * 1000
                )

            site.wait("its share to be taken over", handled, WAIT_SECONDS)
            assert time.monotonic() - began < 8 * SLOWER  # four on a quiet machine
    quiet(site)


def test_a_dead_captures_cameras_are_owned_by_another_within_five_seconds(site: Site) -> None:
    """One capture process is killed and stays dead; all cameras deliver again."""
    with site.down("capture-1"):
        began = time.time() * 1000
        fresh: dict[str, int] = {}

        def flowing() -> bool:
            for camera in site.cameras:
                newest = site.newest_ms(camera)
                if newest > began + 500:
                    fresh.setdefault(camera, newest)
            return len(fresh) == len(site.cameras)

        site.wait("frames of every camera", flowing, WAIT_SECONDS)
        assert (
            time.time() * 1000 - began < 5_500 * SLOWER
        )  # half a second of it is the wait for a new frame
    site.wait_frames(0)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not FULL, reason="waits for guards of a minute; make chaos runs it")
def test_in_the_end_nothing_lies_about(site: Site, at_first: dict[tuple[str, int], Gauge]) -> None:
    """After the guards have passed: no orphan, no hold, no lease; check finds nothing, twice;
    processes are flat.
    """
    site.sleep(AGE_FLOOR_SECONDS + STALE_HOLD_SECONDS)
    assert tidy(site, AGE_FLOOR_SECONDS, time.time()) == []
    for arguments in (["check"], ["check", "--deep"]):
        done = site.command(*arguments)
        assert (done.returncode, "nothing to mend" in done.stdout) == (0, True), (
            done.stdout + done.stderr
        )
    assert grown(at_first, gauges(site)) == []
