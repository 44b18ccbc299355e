"""The Helm chart's own files: strict values, the version of the project, the alerts of compose."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "platereel"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
# Whose keys are the user's own: Platereel's file, and what Kubernetes takes as a map.
FREE = {
    "config", "environment", "annotations", "labels", "podLabels", "podAnnotations", "nodeSelector", "global",
    "podSelector", "namespaceSelector", "quantities",
}  # fmt: skip


def objects(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, with the name of what it describes."""
    if isinstance(node, dict):
        if node.get("type") == "object" and isinstance(node.get("type"), str):
            yield name, node
        for key, inner in node.items():
            yield from objects(inner, name if key in {"properties", "items", "anyOf"} else key)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner, name)


def test_a_key_that_does_not_exist_is_refused_everywhere() -> None:
    open_ones = {
        name for name, schema in objects(SCHEMA) if schema.get("additionalProperties") is not False
    }
    assert open_ones == FREE
    assert len(list(objects(SCHEMA))) > 30


def test_every_value_has_a_default_and_a_schema() -> None:
    assert VALUES.keys() | {"global"} == SCHEMA["properties"].keys()
    for name in ("secrets", "processes", "autoscaling", "networkPolicies", "service", "ingress"):
        assert VALUES[name].keys() == SCHEMA["properties"][name]["properties"].keys(), name


def test_the_chart_has_the_projects_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project["version"]
    assert chart["description"] == project["description"]


def test_the_alerts_are_those_of_compose() -> None:
    """A link, which packing a chart replaces by the file."""
    ours = CHART / "files" / "alerts.yml"
    assert ours.is_symlink()
    assert ours.resolve() == ROOT / "deploy" / "monitoring" / "prometheus" / "alerts.yml"
    assert yaml.safe_load(ours.read_text())["groups"]


@pytest.mark.parametrize("name", VALUES["processes"])
def test_what_pool_processes_may_allocate_fits_their_pod(name: str) -> None:
    process = VALUES["processes"][name]
    limit = process["resources"]["limits"]["memory"]
    assert limit.endswith(("Mi", "Gi"))
    if "memoryPerProcess" in process:
        each = int(process["memoryPerProcess"].removesuffix("MB")) * 10**6
        room = int(limit.removesuffix("Gi")) * 2**30
        assert process["concurrency"] * each + 400_000_000 <= room
