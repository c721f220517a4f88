"""The same figures by OTLP: names, kinds and values as docs/metrics.md has them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client import REGISTRY

from service.bootstrap import open_worker
from service.settings import Settings
from tests.endpoints.granting import app, first_tokens, person, refresh
from tests.endpoints.test_metrics import documented
from tests.endpoints.world import open_world
from tests.telemetry.conftest import Collector

_NAMES_OF = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No OTEL_* variable of the outside counts."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def last_export(collector: Collector) -> dict[str, Any]:
    """The metrics of the last export, by name."""
    request = ExportMetricsServiceRequest.FromString(collector.received["/v1/metrics"][-1])
    return {
        metric.name: metric
        for of_resource in request.resource_metrics
        for scope in of_resource.scope_metrics
        for metric in scope.metrics
    }


def points(metric: Any) -> dict[tuple[tuple[str, str], ...], float]:
    """The values of a metric by its attributes."""
    return {
        tuple(sorted((each.key, each.value.string_value) for each in point.attributes)): point.as_double
        for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points
    }


async def test_every_documented_figure_arrives_under_its_name(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters as monotonic sums, gauges as gauges, histograms by their samples, each with the value of `/metrics`."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    async with open_worker(settings) as core, open_world(core) as world:
        party, zoe = await app(world), await person(core)
        tokens = await first_tokens(world, party, zoe)
        await refresh(world, party, tokens["refresh_token"])
        for _ in range(2):
            core.metrics.throttled("source", "token")
    sent = last_export(collector)
    names = {name + suffix: kind for name, (kind, _) in documented().items() for suffix in _NAMES_OF[kind]}
    with_points = {
        sample.name for metric in REGISTRY.collect() for sample in metric.samples if sample.name.startswith("tally")
    }

    assert with_points <= names.keys()
    assert with_points - sent.keys() == set()
    for name in with_points:
        metric = sent[name]
        if names[name] == "gauge":
            assert metric.HasField("gauge"), name
        else:
            assert metric.sum.is_monotonic, name
    refreshed = points(sent["tallystick_tokens_refreshed_total"])
    assert refreshed[("client", party.client_id), ("use", "rotated")] == 1
    for name in ("tallystick_throttled_total", "tallystick_events_committed_total", "tallystick_build_info"):
        expected = {
            tuple(sorted(sample.labels.items())): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == name
        }
        assert points(sent[name]) == expected
