from __future__ import annotations

import os
import socket
import time
from contextlib import nullcontext
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.bootstrap import open_worker
from service.settings import Settings
from service.telemetry.tracing import Tracing
from tests.endpoints.world import TOKEN, World, open_world
from tests.telemetry.conftest import Collector

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No OTEL_* variable of the outside counts."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


async def use(world: World) -> None:
    """One of each: with the caller's trace, without one, refused, introspected, revoked."""
    headers = world.service.basic | {"traceparent": TRACE}
    answer = await world.call(TOKEN, GRANT, headers=headers)
    assert [event.trace for event in answer.events] == [TRACE]
    token = answer.body["access_token"]
    await world.call(TOKEN, GRANT | world.service.post)
    await world.introspect(token)
    await world.revoke(token)
    await world.introspect(token)


def spans_of(bodies: list[bytes]) -> list[Any]:
    """All spans that were exported."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span
        for request in requests
        for of_resource in request.resource_spans
        for scope in of_resource.scope_spans
        for span in scope.spans
    ]


def metrics_of(bodies: list[bytes]) -> dict[str, Any]:
    """The metrics of the last export, by name."""
    request = ExportMetricsServiceRequest.FromString(bodies[-1])
    return {
        metric.name: metric
        for of_resource in request.resource_metrics
        for scope in of_resource.scope_metrics
        for metric in scope.metrics
    }


async def test_spans_and_metrics_reach_the_collector(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an endpoint set, each request is a server span under the caller's, every metric is sent, and no secret."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    async with open_worker(settings) as core, open_world(core) as world:
        await use(world)
    spans = spans_of(collector.received["/v1/traces"])
    assert sorted(span.name for span in spans) == ["oauth2 introspect"] * 2 + ["oauth2 revoke"] + ["oauth2 token"] * 2
    children = [span for span in spans if span.trace_id.hex() == TRACE_ID]
    assert [(span.name, span.parent_span_id.hex()) for span in children] == [("oauth2 token", SPAN_ID)]
    assert [span.parent_span_id for span in spans if span not in children] == [b""] * 4
    metrics = metrics_of(collector.received["/v1/metrics"])
    issued = metrics["tallystick_tokens_issued_total"].sum
    points = {attribute.value.string_value for point in issued.data_points for attribute in point.attributes}
    assert issued.is_monotonic
    assert {"client_credentials", world.service.client_id} <= points
    assert {"tallystick_journal_head", "tallystick_request_seconds_bucket"} <= metrics.keys()
    sent = b"".join(body for bodies in collector.received.values() for body in bodies)
    assert [secret for secret in world.secrets if secret.encode() in sent] == []
    assert b"service.name" in sent


async def test_silent_collector_delays_no_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that cannot be reached costs telemetry and nothing else; the worker still stops."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    async with open_worker(settings) as core, open_world(core) as world:
        began = time.monotonic()
        await use(world)
        assert time.monotonic() - began < 3
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 8


def test_without_an_endpoint_nothing_is_recorded() -> None:
    """No collector, no span, no cost."""
    tracing = Tracing()
    assert isinstance(tracing.request("token", TRACE), nullcontext)
    tracing.stop()
