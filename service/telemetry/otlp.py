"""Traces and metrics to an OpenTelemetry collector, by OTLP over HTTP."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import REGISTRY

from service.telemetry.trace_context import work_within

_OWN = "tallystick_"
_STOP_SECONDS = 3.0
_SAMPLES_OF = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
_traceparent = TraceContextTextMapPropagator()


class Exporter:
    """Sends spans as they end and metrics at intervals, in the background."""

    def __init__(self) -> None:
        instance = f"{socket.gethostname()}:{os.getpid()}"
        resource = Resource.create({"service.name": "tallystick", "service.instance.id": instance})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._meters = MeterProvider(
            [PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource, shutdown_on_exit=False
        )
        self._tracer = self._traces.get_tracer("tallystick")
        _observe_prometheus(self._meters.get_meter("tallystick"))

    @contextmanager
    def span(self, name: str, traceparent: str | None) -> Iterator[None]:
        """A server span, child of the caller's where it named one, within which the request works."""
        parent = _traceparent.extract({"traceparent": traceparent} if traceparent else {})
        with self._tracer.start_as_current_span(name, context=parent, kind=SpanKind.SERVER):
            own: dict[str, str] = {}
            _traceparent.inject(own)
            work_within(own.get("traceparent", traceparent))
            yield

    def stop(self) -> None:
        """Send what is left, for 3 s at most: a collector that does not answer keeps no worker from ending."""
        until = time.monotonic() + _STOP_SECONDS
        sending = [threading.Thread(target=part.shutdown, daemon=True) for part in (self._traces, self._meters)]
        for thread in sending:
            thread.start()
        for thread in sending:
            thread.join(max(0.0, until - time.monotonic()))


def _observe_prometheus(meter: Meter) -> None:
    """Observe every sample that Prometheus would see under the same name: one count on the hot path serves both."""
    for metric in REGISTRY.collect():
        if not metric.name.startswith(_OWN):
            continue
        if metric.type == "gauge":
            meter.create_observable_gauge(metric.name, [_samples(metric.name)], description=metric.documentation)
        for suffix in _SAMPLES_OF.get(metric.type, ()):
            name = metric.name + suffix
            meter.create_observable_counter(name, [_samples(name)], description=metric.documentation)


def _samples(name: str) -> Callable[[CallbackOptions], list[Observation]]:
    def observe(_: CallbackOptions) -> list[Observation]:
        return [
            Observation(sample.value, dict(sample.labels))
            for metric in REGISTRY.restricted_registry([name]).collect()
            for sample in metric.samples
        ]

    return observe
