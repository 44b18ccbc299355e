"""Spans for OpenTelemetry, of the extra `otel`: the way of a detection through all processes.

A trace's id is made of the detection's id, so no process has to hand anything on: each tells what
it did, and the spans of one detection meet in one trace. Without the extra, or without an address
in OTEL_EXPORTER_OTLP_ENDPOINT, nothing is told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from hashlib import sha256
from threading import Thread
from typing import TYPE_CHECKING
from uuid import UUID

from shared.runtime.logs import logger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import SpanContext

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
NAME = "platereel"
FLUSH_SECONDS = 1.0

_log = logger(__name__)
_providers: list[TracerProvider] = []


def begin_tracing(process: str) -> None:
    """Tell spans from now on, where the environment says to whom. After a fork, never before: a
    thread sends them.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ModuleNotFoundError:
        _log.warning("tracing_needs_the_extra", hint="pip install 'platereel[otel]'")
        return
    trace_to(BatchSpanProcessor(OTLPSpanExporter()), process)


def trace_to(processor: SpanProcessor, process: str) -> None:
    """Send the spans of this process there."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"{NAME}-{process}", "service.namespace": NAME}),
        shutdown_on_exit=False,  # it would hold up the end of the process: see end_tracing
    )
    provider.add_span_processor(processor)
    _providers[:] = [provider]


def end_tracing() -> None:
    """Send what waits. What cannot be sent in a second is lost, and nothing else."""
    for provider in _providers:
        # it waits for a collector that hangs, whatever time it is given
        flush = Thread(target=provider.force_flush, name="last spans", daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)
    _providers.clear()


def tell(name: str, detections: Sequence[str], seconds: float, **facts: str | float) -> None:
    """Tell of something that has just ended and took so long, in the trace of the first detection
    that it was for, with links to those of the others.
    """
    if not _providers or not detections:
        return
    from opentelemetry import trace  # noqa: PLC0415 - an extra

    first, *others = map(_context, detections)
    now_ns = time.time_ns()  # noqa: TID251 - a span's times are the host's
    span = (
        _providers[0]
        .get_tracer(NAME)
        .start_span(
            name,
            context=trace.set_span_in_context(trace.NonRecordingSpan(first)),
            links=[trace.Link(each) for each in others],
            start_time=now_ns - round(seconds * 1e9),
            attributes={f"{NAME}.{key}": value for key, value in facts.items()}
            | {f"{NAME}.detection_ids": list(detections)},
        )
    )
    span.end(now_ns)


def trace_id(detection_id: str) -> int:
    """Returns the id of a detection's trace: the id itself where it is a UUID, else a digest."""
    try:
        return UUID(detection_id).int
    except ValueError:
        return int.from_bytes(sha256(detection_id.encode()).digest()[:16])


def _context(detection_id: str) -> SpanContext:
    from opentelemetry import trace  # noqa: PLC0415 - an extra

    return trace.SpanContext(
        trace_id=trace_id(detection_id) or 1,
        span_id=int.from_bytes(sha256(b"span" + detection_id.encode()).digest()[:8]) or 1,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
