"""OpenTelemetry: traces and metrics by OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set (the standard OTEL_* variables apply).

Without an endpoint nothing is recorded and a request costs nothing; the caller's `traceparent` still goes into its events.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from prometheus_client import REGISTRY


class Tracing:
    """A server span around each request to an OAuth endpoint, child of the caller's span."""

    def __init__(self, service_name: str = "tallystick") -> None:
        self._tracer: Any = None
        self._providers: list[Any] = []
        if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            self._configure(service_name)

    def request(self, endpoint: str, traceparent: str | None) -> AbstractContextManager[None]:
        """A span for a request, or nothing where no collector is configured."""
        return nullcontext() if self._tracer is None else self._span(endpoint, traceparent)

    def stop(self) -> None:
        """Send what is left."""
        for provider in self._providers:
            provider.shutdown()

    @contextmanager
    def _span(self, endpoint: str, traceparent: str | None) -> Iterator[None]:
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        parent = extract({"traceparent": traceparent} if traceparent else {})
        with self._tracer.start_as_current_span(f"oauth2 {endpoint}", context=parent, kind=SpanKind.SERVER):
            yield

    def _configure(self, service_name: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create(
            {"service.name": service_name, "service.instance.id": f"{os.uname().nodename}:{os.getpid()}"}
        )
        traces = TracerProvider(resource=resource)
        traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource)
        _observe_prometheus(meters.get_meter("tallystick"))
        self._tracer = traces.get_tracer("tallystick")
        self._providers = [traces, meters]


def _observe_prometheus(meter: Any) -> None:
    """Each sample that Prometheus would see, observed under the same name: one count on the hot path serves both."""
    from opentelemetry.metrics import Observation

    def samples(name: str) -> list[Observation]:
        return [
            Observation(sample.value, dict(sample.labels))
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == name
        ]

    for metric in REGISTRY.collect():
        if not metric.name.startswith("tallystick_"):
            continue
        if metric.type == "gauge":
            meter.create_observable_gauge(
                metric.name, [lambda _, n=metric.name: samples(n)], description=metric.documentation
            )
            continue
        for suffix in ("_total",) if metric.type == "counter" else ("_bucket", "_sum", "_count"):
            name = metric.name + suffix
            meter.create_observable_counter(name, [lambda _, n=name: samples(n)], description=metric.documentation)
