"""Log lines of a request have the ids of its span where spans are recorded."""

from __future__ import annotations

import json
import logging

import pytest

from service.telemetry.logs import JsonFormatter
from service.telemetry.tracing import Tracing
from tests.telemetry.conftest import Collector
from tests.telemetry.test_otlp import SPAN_ID, TRACE, TRACE_ID, clean_environment, spans_of

__all__ = ["clean_environment"]


def ids_logged() -> tuple[str | None, str | None]:
    """The ids of a line that is logged now."""
    line = json.loads(JsonFormatter("serve").format(logging.LogRecord("x", logging.INFO, "", 0, "said", (), None)))
    return line.get("trace_id"), line.get("span_id")


@pytest.mark.parametrize("traceparent", [TRACE, None])
def test_log_has_the_ids_of_the_span(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, traceparent: str | None
) -> None:
    """The trace is the caller's where it named one, the span is the service's own: the line is found from the span."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    tracing = Tracing()
    with tracing.request("token", traceparent):
        logged = ids_logged()
    tracing.stop()
    (span,) = spans_of(collector.received["/v1/traces"])
    assert logged == (span.trace_id.hex(), span.span_id.hex())
    assert (logged[0] == TRACE_ID) is (traceparent is not None)


def test_without_spans_the_log_has_the_ids_of_the_caller() -> None:
    """What the caller's `traceparent` says; and what comes after it without one, nothing."""
    tracing = Tracing()
    with tracing.request("token", TRACE):
        assert ids_logged() == (TRACE_ID, SPAN_ID)
    with tracing.request("token", None):
        assert ids_logged() == (None, None)
