"""One detection is one trace, whoever tells of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.runtime import tracing
from tests.support.waiting import WAIT_SECONDS

ID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.trace_to(SimpleSpanProcessor(exporter), "test")
    yield exporter
    tracing.end_tracing()


def test_what_several_processes_tell_meets_in_one_trace(spans: InMemorySpanExporter) -> None:
    tracing.tell("receive detection", [ID], 0.5, camera_id="gate")
    tracing.tell("write part", [ID, "other"], 2.0, part=3)
    first, second = spans.get_finished_spans()
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id == second.context.trace_id == UUID(ID).int
    assert first.context.span_id != second.context.span_id
    assert (first.end_time or 0) - (first.start_time or 0) == 500_000_000
    assert first.attributes is not None
    assert first.attributes["platereel.camera_id"] == "gate"
    (link,) = second.links
    assert link.context.trace_id == tracing.trace_id("other")
    assert second.resource.attributes["service.name"] == "platereel-test"


def test_nothing_is_told_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    tracing.begin_tracing("test")
    tracing.tell("receive detection", [ID], 0.5)
    assert tracing._providers == []


def test_an_id_that_is_no_uuid_has_a_trace_of_its_own() -> None:
    found = {tracing.trace_id(each) for each in ("a", "b", ID, "cli-1")}
    assert len(found) == 4
    assert all(0 < each < 2**128 for each in found)


AWAY = """
import os
from shared.runtime import tracing
os.environ |= {tracing.ENDPOINTS[0]: "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
tracing.begin_tracing("test")
assert len(tracing._providers) == 1
tracing.tell("receive detection", ["d1"], 0.5)
tracing.end_tracing()
assert tracing._providers == []
"""
HANGS = """
import os, socket, time
from shared.runtime import tracing
hangs = socket.create_server(("127.0.0.1", 0))
os.environ |= {
    tracing.ENDPOINTS[0]: f"http://127.0.0.1:{hangs.getsockname()[1]}",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
}
tracing.FLUSH_SECONDS = 0.1
tracing.begin_tracing("test")
tracing.tell("receive detection", ["d1"], 0.5)
began = time.monotonic()
tracing.end_tracing()
assert time.monotonic() - began < 30
"""


@pytest.mark.parametrize("script", [AWAY, HANGS], ids=["away", "hangs"])
def test_a_collector_that_does_not_answer_costs_nothing(script: str) -> None:
    """In a process of its own: what sends spans begins a thread in each child of its process. Its
    end waits for no span either: it would take longer than is waited for here.
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=WAIT_SECONDS)
