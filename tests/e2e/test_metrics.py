"""One address for the counters of a whole `platereel up`."""

from __future__ import annotations

import contextlib
import os
import signal

from prometheus_client.parser import text_string_to_metric_families

from tests.support.deployment import Deployment
from tests.support.monitoring import asked, expressions
from tests.support.waiting import wait_until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def counters(deployment: Deployment) -> Samples:
    """Every counter's and histogram's sample of ours, as a scrape sees it."""
    status, body, _ = deployment.ask("GET", "/metrics")
    assert status == 200
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(body.decode())
        if family.type in {"counter", "histogram"} and family.name.startswith("platereel_")
        for each in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(
        value for (each, own), value in samples.items() if each == name and wanted <= set(own)
    )


def test_everything_that_alerts_and_dashboards_ask_for_can_be_scraped(
    deployment: Deployment,
) -> None:
    """A rule that asks for a metric that nobody has never fires."""
    captured_ms, _ = deployment.newest("plain")
    deployment.detect("plain", captured_ms, "asked-for")
    assert deployment.clips_of("asked-for")[0]["status"] == "ready"
    # only where a plate is on a list, and where a webhook is configured
    left_out = {
        "platereel_hits_total",
        "platereel_webhook_attempts_total",
        "platereel_deliveries_waiting",
        "platereel_deliveries_oldest_seconds",
    }
    wanted = {name for expression in expressions() for name in asked(expression)} - left_out

    def missing() -> set[str]:
        text = deployment.ask("GET", "/metrics")[1].decode()
        there = {
            family.name + ("_total" if family.type == "counter" else "")
            for family in text_string_to_metric_families(text)
            if family.samples
        }
        return wanted - there

    with contextlib.suppress(AssertionError):
        wait_until("every metric", lambda: not missing(), 30)
    assert missing() == set()


def test_every_process_is_counted_at_the_api_and_nothing_goes_back(deployment: Deployment) -> None:
    deployment.wait_buffered("plain", 3)
    before = counters(deployment)
    captured_ms, _ = deployment.newest("plain")
    deployment.detect("plain", captured_ms, "counted-at-the-api")
    assert deployment.clips_of("counted-at-the-api")[0]["status"] == "ready"

    def counted() -> Samples | None:
        now = counters(deployment)
        names = ("platereel_segments_total", "platereel_parts_total", "platereel_detections_total")
        return now if all(total(now, name) > total(before, name) for name in names) else None

    after = wait_until("the clip in the counters", counted)
    assert total(after, "platereel_frames_total", camera_id="plain") > 0
    assert total(after, "platereel_detection_late_seconds_count", camera_id="plain") >= 1
    assert b"platereel_live_segments" in deployment.ask("GET", "/metrics")[1]

    last, workers = after, deployment.refresh()["pids"]["worker"]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        nonlocal last
        now = counters(deployment)
        assert all(now.get(sample, -1.0) >= value for sample, value in last.items())
        last = now
        return len(set(deployment.refresh()["pids"]["worker"]) - set(workers)) == len(workers)

    wait_until("other workers", replaced)
    captured_ms, _ = deployment.newest("plain")
    deployment.detect("plain", captured_ms, "counted-by-others")
    assert deployment.clips_of("counted-by-others")[0]["status"] == "ready"
    wait_until(
        "the next clip",
        lambda: (
            total(counters(deployment), "platereel_segments_total")
            > total(after, "platereel_segments_total")
        ),
    )
    files = list((deployment.folder / "data" / "metrics").glob("*.db"))
    pids = {path.stem.rpartition("_")[2] for path in files} - {"ended"}
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: PTH110 - the files of ended ones were folded
