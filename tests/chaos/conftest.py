"""The site that the matrix shares, and the table at the end of a run."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.endure import Row, dump, table
from tests.chaos.site import Site, running

REPORT = Path(__file__).parents[2] / ".chaos" / "report.json"
CAMERAS: dict[str, dict[str, Any]] = {"one": {}, "two": {}, "three": {}, "probe": {}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Four servers, ten processes, four numbered cameras."""
    with running(Site(tmp_path_factory.mktemp("site") / "site", CAMERAS)) as started:
        yield started


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """CHAOS_SEED replays a run; else a new one, printed where a test fails."""
    given = os.environ.get("CHAOS_SEED")
    drawn = int(given) if given else random.SystemRandom().randrange(1, 1_000_000)
    sys.stdout.write(f"CHAOS_SEED={drawn}\n")
    return drawn


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    """Put a row into the table; fails when a promise was broken."""

    def tell(row: Row) -> None:
        record_property("chaos", row.as_json())
        assert not row.problems, "\n".join(row.problems)

    return tell


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of this run, and keep it where the documentation can be compared with it."""
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in getattr(report, "user_properties", [])
        if name == "chaos"
    ]
    if not rows:
        return
    rows.sort(key=lambda row: int(row["key"][1:]))
    terminalreporter.write_sep("=", "faults")
    terminalreporter.write_line(table(rows))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(dump(rows), encoding="utf-8")
