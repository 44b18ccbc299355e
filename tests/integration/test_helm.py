"""The chart as Helm itself renders it, and its objects by Kubernetes' own schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from platereel.cli import app
from shared.runtime.configuration import load
from shared.wire.tasks import QUEUES

helm: Any = pytest.importorskip("helm_python", reason="Helm is not here (make tools adds it)")
kubernetes: Any = pytest.importorskip("kubernetes_validate", reason="make tools adds it")

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "platereel"
OLDEST, NEWEST = "1.27", "1.37"  # of Kubernetes: what Chart.yaml asks for, and what there is
FULL: dict[str, Any] = {
    "config": {"cameras": {"gate": {"source": "rtsp://u:{PLATEREEL_GATE_PASSWORD}@10.0.0.4/s"}}},
    "secrets": {
        "signing": "signs", "backup": "elsewhere",
        "named": {"secret": "cameras", "variables": ["PLATEREEL_GATE_PASSWORD"]},
    },
    "environment": {"PLATEREEL_STORAGE_PUBLIC_URL": "https://media.example"},
    "autoscaling": {"enabled": True},
    "ingress": {"enabled": True, "host": "lpr.example", "className": "nginx", "tlsSecret": "cert"},
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "networkPolicies": {
        "identityPorts": [443], "serverPeers": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "apiFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
    },
    "image": {"digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "pull"}],
    "tolerations": [{"key": "lpr", "operator": "Exists"}],
    "nodeSelector": {"a": "b"}, "podLabels": {"c": "d"}, "podAnnotations": {"e": "f"},
    "priorityClassName": "high", "serviceAccountName": "lpr",
}  # fmt: skip
OF_OPERATORS = {"ScaledObject", "PodMonitor", "PrometheusRule"}


@pytest.fixture(scope="module")
def chart() -> Iterator[Any]:
    with helm.Chart.load(str(CHART)) as loaded:
        yield loaded


def objects(chart: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    """What a release consists of."""
    files = chart.render(values, name="site", namespace="lpr")
    return [
        each
        for name, text in files.items()
        if not name.endswith("NOTES.txt")
        for each in yaml.safe_load_all(text)
        if each
    ]


def kind(found: list[dict[str, Any]], wanted: str) -> dict[str, dict[str, Any]]:
    """Objects of a kind, by the last word of their names."""
    return {
        each["metadata"]["name"].rpartition("-")[2]: each
        for each in found
        if each["kind"] == wanted
    }


def pods(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Specifications of pods by process."""
    owners = kind(found, "Deployment") | kind(found, "Job")
    return {name: each["spec"]["template"]["spec"] for name, each in owners.items()}


@pytest.mark.parametrize("values", [{}, FULL], ids=["defaults", "everything"])
def test_every_object_is_one_that_kubernetes_takes(chart: Any, values: dict[str, Any]) -> None:
    found = objects(chart, values)
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names) > 20
    assert ("Job", "site-platereel-migrate") in names
    for each in found:
        if each["kind"] not in OF_OPERATORS:
            kubernetes.validate(each, NEWEST if values else OLDEST, strict=True)


def test_helm_finds_nothing_to_mend() -> None:
    assert helm.lint(str(CHART))["errors"] == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 3}, "replicas"),
        ({"processes": {"beat": {"replicas": 2}}}, "replicas"),
        ({"secrets": {"database_url": "x"}}, "database_url"),
        ({"secrets": {"named": {"variables": ["GATE_PASSWORD"]}}}, "GATE_PASSWORD"),
        ({"processes": {"writer": {"concurrency": 0}}}, "concurrency"),
        ({"networkPolicies": {"serverPorts": [99999]}}, "serverPorts"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
    ],
)
def test_wrong_values_are_named(chart: Any, values: dict[str, Any], named: str) -> None:
    with pytest.raises(helm.HelmError, match=re.escape(named)):
        objects(chart, values)


def test_no_pod_is_root_or_has_rights(chart: Any) -> None:
    for name, pod in pods(objects(chart, FULL)).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert container["resources"]["limits"]["memory"]
        assert container["image"] == f"platereel@sha256:{'0' * 64}"


def test_every_process_runs_a_command_that_exists_and_every_queue_is_served(chart: Any) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    served: set[str] = set()
    found = pods(objects(chart, {}))
    for pod in found.values():
        command, *rest = pod["containers"][0]["args"]
        known = {option for each in commands[command].params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= known
        served |= set(rest[1].split(",")) if command == "worker" else set()
    assert served == set(QUEUES)
    assert found.keys() == {
        "capture", "detect", "dispatch", "writer", "finisher", "upkeep", "beat", "api", "migrate",
    }  # fmt: skip
    assert "detect" not in pods(objects(chart, {"processes": {"detect": {"enabled": False}}}))


def test_secrets_are_files_and_the_settings_are_ones_that_the_code_reads(
    chart: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = objects(chart, FULL)
    (tmp_path / "secret").touch()
    config = tmp_path / "platereel.yaml"
    config.write_text(kind(found, "ConfigMap")["config"]["data"]["platereel.yaml"])
    keys = (
        "database_url", "frames_url", "broker_url", "storage_url", "api_keys", "signing_key", "backup_url",
    )  # fmt: skip
    for name, pod in pods(found).items():
        (container,) = pod["containers"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        assert len(environment) == len(container["env"])
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert set(mounts.values()) == set(volumes), name
        own = {"api", "signing", "backup"} & volumes.keys()
        assert own == {"api": {"api", "signing"}, "upkeep": {"backup"}}.get(name, set()), name
        for variable, value in environment.items():
            if variable.endswith("_FILE") and variable != "PLATEREEL_PULSE_FILE":
                folder, _, key = value.rpartition("/")
                assert volumes[mounts[folder]]["secret"]["secretName"], variable
                assert key in {*keys, "PLATEREEL_GATE_PASSWORD"}
                environment[variable] = str(tmp_path / "secret")
        with monkeypatch.context() as context:
            for variable, value in environment.items():
                context.setenv(variable, value)
            settings = load(config)
        assert settings.metrics_port == (None if name == "migrate" else 9400)
        assert (settings.work_dir is not None) is ("work" in volumes)
        for place in (settings.pulse_file, settings.work_dir):
            written = [
                mount for mount in mounts if place is not None and place.is_relative_to(mount)
            ]
            assert written or place is None, name


def test_a_pod_begins_anew_with_its_configuration(chart: Any) -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        writer = kind(objects(chart, values), "Deployment")["writer"]
        found: dict[str, str] = writer["spec"]["template"]["metadata"]["annotations"] or {}
        return found

    first, second = annotations({}), annotations({"config": {"log_level": "debug"}})
    assert first["checksum/config"] != second["checksum/config"]
    own = {"existingConfigMap": "mine"}
    assert "checksum/config" not in annotations(own)
    assert not kind(objects(chart, own), "ConfigMap")
    for pod in pods(objects(chart, own)).values():
        assert {"name": "config", "configMap": {"name": "mine"}} in pod["volumes"]


def test_the_schema_comes_before_the_processes(chart: Any) -> None:
    found = objects(chart, {})
    job, hooked = kind(found, "Job")["migrate"], kind(found, "ConfigMap")["migrate"]
    for each in (job, hooked):
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [
        int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (hooked, job)
    ]
    assert weights == sorted(weights)
    volume = pods(found)["migrate"]["volumes"][0]
    assert volume["configMap"]["name"] == hooked["metadata"]["name"]


def test_probes_ask_for_progress_and_the_api_for_its_servers(chart: Any) -> None:
    for name, pod in pods(objects(chart, {})).items():
        (container,) = pod["containers"]
        if name == "migrate":
            continue
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["exec"]["command"][0] == "platereel-health"
        assert ("lifecycle" in container) is (
            name == "api"
        )  # requests come from outside to it alone
        ready = container["readinessProbe"]
        assert ("httpGet" in ready) is (name == "api")
        if name == "api":
            assert ready["httpGet"] == {"path": "/readyz", "port": "http", "scheme": "HTTP"}


def test_there_is_one_beat_and_one_upkeep(chart: Any) -> None:
    deployments = kind(objects(chart, {}), "Deployment")
    for name in ("beat", "upkeep"):
        spec = deployments[name]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    budgets = kind(objects(chart, {}), "PodDisruptionBudget")
    assert budgets.keys() == deployments.keys() - {"beat", "upkeep"}


def test_writers_follow_the_oldest_part_that_waits(chart: Any) -> None:
    found = objects(chart, FULL)
    assert "replicas" not in kind(found, "Deployment")["writer"]["spec"]
    scaled = kind(found, "ScaledObject")["writer"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == "site-platereel-writer"
    (trigger,) = scaled["triggers"]
    assert 'queue="parts"' in trigger["metadata"]["query"]
    assert float(trigger["metadata"]["threshold"]) < load(None, {}).limits("any").cap_ms / 1000


def test_nothing_reaches_and_is_reached_but_what_is_named(chart: Any) -> None:
    policies = {
        name: each["spec"] for name, each in kind(objects(chart, FULL), "NetworkPolicy").items()
    }
    everything = {"app.kubernetes.io/name": "platereel", "app.kubernetes.io/instance": "site"}
    assert policies["deny"] == {
        "podSelector": {"matchLabels": everything}, "policyTypes": ["Ingress", "Egress"],
    }  # fmt: skip
    chosen = {
        name: spec["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
        for name, spec in policies.items()
    }
    assert chosen == {
        "deny": None, "names": None, "servers": None, "metrics": None, "api": "api", "cameras": "capture",
        "events": "dispatch", "identity": "api",
    }  # fmt: skip
    (servers,) = policies["servers"]["egress"]
    assert servers["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]
    assert {each["port"] for each in servers["ports"]} == {5432, 6379, 9000, 443}
    (metrics,) = policies["metrics"]["ingress"]
    (peer,) = metrics["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert not kind(objects(chart, {"networkPolicies": {"enabled": False}}), "NetworkPolicy")


def test_prometheus_gets_every_pod_and_the_alerts_of_compose(chart: Any) -> None:
    found = objects(chart, FULL)
    monitor = next(each for each in found if each["kind"] == "PodMonitor")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    for name, pod in pods(found).items():
        ports = [each["name"] for each in pod["containers"][0].get("ports", [])]
        assert (endpoint["port"] in ports) is (name != "migrate")
    rule = next(each for each in found if each["kind"] == "PrometheusRule")
    alerts = yaml.safe_load((ROOT / "deploy/monitoring/prometheus/alerts.yml").read_text())
    assert rule["spec"] == alerts
