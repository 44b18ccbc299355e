"""What the alert rules and the dashboards ask Prometheus for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.documents import ROOT

MONITORING = ROOT / "deploy/monitoring"
ALERTS = MONITORING / "prometheus/alerts.yml"
DASHBOARDS = sorted((MONITORING / "grafana/dashboards").glob("*.json"))
_METRIC = re.compile(r"\bplatereel_[a-z_]+\b")
_PARTS = re.compile(r"_(bucket|count|sum)$")


def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    """Every query of a rule or a panel."""
    yield from (rule["expr"] for rule in rules())
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))


def asked(expression: str) -> set[str]:
    """Names of our metrics in a query, a histogram's by its own name."""
    return {_PARTS.sub("", name) for name in _METRIC.findall(expression)}
