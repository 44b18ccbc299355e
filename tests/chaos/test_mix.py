"""Any of the faults, in any order, for CHAOS_SECONDS; the seed replays the order."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.chaos.checker import check, quiet
from tests.chaos.endure import Row, recovery
from tests.chaos.faults import MATRIX
from tests.chaos.site import Site
from tests.chaos.traffic import Traffic
from tests.support.chaos import FULL

SECONDS = float(os.environ.get("CHAOS_SECONDS", "300"))
A_ROUND = 4


@pytest.mark.timeout(SECONDS * 2 + 600)
@pytest.mark.skipif(not FULL, reason="minutes; make chaos runs it")
def test_any_faults_in_any_order(site: Site, seed: int, told: Callable[[Row], None]) -> None:
    """In rounds of four faults; after each the site becomes quiet and is checked."""
    chance = random.Random(seed)
    history = site.history
    row = Row(key="F25", fault=f"random mix, {SECONDS:.0f} s", seed=seed)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and not row.problems:
        faults = [chance.choice(MATRIX) for _ in range(A_ROUND)]
        doors = ("http",) if any(fault.durable_only for fault in faults) else ("http", "stream")
        since = time.time()
        with Traffic(site, history, chance.randrange(10**9), doors) as traffic:
            for fault in faults:
                entry = history.begin("fault", fault.name)
                fault.inject(site, chance)
                history.end(entry, "ok")
                row.injected += 1
                row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
        quiet(site, 180)
        row.take(check(site, history.acknowledged(since), since))
        if row.problems:
            row.problems.append("after " + ", ".join(fault.name for fault in faults))
    told(row)
