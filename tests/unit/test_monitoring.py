"""Alert rules and dashboards ask for metrics that exist, and each alert says what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.support import documents, inventory
from tests.support.monitoring import ALERTS, DASHBOARDS, asked, expressions, rules

RUNBOOK = documents.ROOT / "docs/runbook.md"


def test_every_metric_that_is_asked_for_exists() -> None:
    there = set(inventory.counted())
    found = {name for expression in expressions() for name in asked(expression)}
    assert found <= there, found - there
    assert len(found) > 30


def test_every_alert_has_a_section_of_the_runbook_and_none_is_left_over() -> None:
    sections = {
        heading for heading in documents.headings(RUNBOOK) if heading.startswith("Platereel")
    }
    assert {rule["alert"] for rule in rules()} == sections
    for rule in rules():
        where = rule["annotations"]["runbook"]
        assert where == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboards_panels_do_not_lie_over_each_other(path: Any) -> None:
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@pytest.mark.apt
def test_prometheus_takes_the_rules_and_fires_where_it_should() -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    for arguments in (
        ("check", "rules", ALERTS),
        ("test", "rules", ALERTS.with_name("alerts.test.yml")),
        ("test", "rules", ALERTS.with_name("alerts.days.test.yml")),
    ):
        done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
