"""What the gauges tell of the database and of the worker."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from prometheus_client import REGISTRY

from schema.events import AnomalyAnswered, AnomalyDetected, AnomalyExtended
from schema.streams import new_stream
from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.endpoints.gauges import Gauges
from service.journal.port import Append, JournalUnavailable
from service.settings import Settings
from service.telemetry import metrics

FINDING: dict[str, Any] = {
    "rule": "secret_guessing",
    "technique": "T1110.001",
    "about": "client worker",
    "summary": "",
    "first_at": 1,
    "last_at": 2,
    "count": 3,
    "evidence": (1,),
    "sources": (),
}


def value(metric: str, **labels: str) -> float | None:
    """What a gauge says now; None where it never said anything."""
    return REGISTRY.get_sample_value("tallystick_" + metric, labels)


@pytest.fixture
async def still(core: Core) -> Core:
    """A worker whose gauges nobody sets but the test."""
    (own,) = [task for task in asyncio.all_tasks() if task.get_name() == "gauges"]
    own.cancel()
    await asyncio.gather(own, return_exceptions=True)
    return core


async def report(core: Core, name: str, position: int, state: str = "running") -> None:
    """What a projection, partition or webhook says of itself."""
    await core.journal.fetch(
        "INSERT INTO projection.progress (name, position, state) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE"
        " SET position = $2, state = $3, seen_at = clock_timestamp()",
        name,
        position,
        state,
    )


async def find(core: Core, severity: str, *grown: str) -> None:
    """A finding that begins with a severity, and is told again with others."""
    events = [AnomalyDetected(severity=severity, **FINDING)]  # type: ignore[arg-type]  # by text
    more = [AnomalyExtended(severity=each, **FINDING) for each in grown]  # type: ignore[arg-type]  # by text
    await core.journal.append(Append(new_stream(), 0, (*events, *more)))


async def test_lag_is_that_of_the_oldest_event_that_is_not_done(still: Core) -> None:
    """A projection at the head has none, one behind has the age of what comes next, and the relay likewise."""
    head = await still.journal.head()
    await report(still, "usage", head)
    await report(still, "anomalies-1", head - 1, "degraded")
    await still.journal.fetch("SELECT journal.report_relay($1, 'running', '')", head - 1)
    await Gauges(still).note()
    age = (
        await still.journal.fetch(
            "SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 AS age FROM journal.events"
            " WHERE position = $1",
            head,
        )
    )[0]["age"]

    assert (value("fold_position", name="usage"), value("fold_lag_seconds", name="usage")) == (head, 0)
    assert (value("fold_running", name="usage"), value("fold_running", name="anomalies-1")) == (1, 0)
    for lag in (value("fold_lag_seconds", name="anomalies-1"), value("relay_lag_seconds")):
        assert lag is not None
        assert 0 < lag <= age


async def test_what_is_no_more_has_no_figure(still: Core) -> None:
    """A partition or webhook that was removed is neither behind nor ahead of anything."""
    gauges = Gauges(still)
    await report(still, "anomalies-2", 1)
    await report(still, "webhook:siem", 1)
    await gauges.note()
    assert (value("fold_running", name="anomalies-2"), value("webhook_waiting", name="siem")) == (1, 0)
    assert value("fold_running", name="webhook:siem") is None

    await still.journal.fetch("DELETE FROM projection.progress")
    await gauges.note()
    for gauge in ("fold_running", "fold_position", "fold_lag_seconds"):
        assert math.isnan(value(gauge, name="anomalies-2") or 0)
    for gauge in ("webhook_delivered", "webhook_waiting", "webhook_failing", "webhook_dead_letters"):
        assert math.isnan(value(gauge, name="siem") or 0)


async def test_findings_of_the_whole_journal_count_once(still: Core) -> None:
    """Those of before the worker began, and those that came since; by severity, as they began and as they grew."""
    await find(still, "low", "high", "high")
    first = Gauges(still)
    await first.note()
    await find(still, "low")
    answered = AnomalyAnswered(rule="secret_guessing", response="revoke_grant", target="g", done=True)
    await still.journal.append(Append(new_stream(), 0, (answered,)))
    for gauges in (first, first, Gauges(still)):
        await gauges.note()

        assert value("anomalies", rule="secret_guessing", severity="low", told="detected") == 2
        assert value("anomalies", rule="secret_guessing", severity="high", told="extended") == 2
        assert value("anomaly_answers", response="revoke_grant", done="true") == 1


async def test_webhooks_are_counted_by_what_became_of_their_events(still: Core) -> None:
    """What it took, what waits, what of that failed before, and what was given up."""
    await report(still, "webhook:billing", 9)
    for statement in (
        "INSERT INTO webhook.endpoints (name, since, delivered) VALUES ('billing', 0, 5)",
        "INSERT INTO webhook.pending (name, position, attempts) VALUES ('billing', 1, 0), ('billing', 2, 3)",
        "INSERT INTO webhook.dead_letters (name, position, attempts, reason) VALUES ('billing', 3, 9, 'HTTP 500')",
    ):
        await still.journal.fetch(statement)
    await Gauges(still).note()

    figures = [value(f"webhook_{each}", name="billing") for each in ("delivered", "waiting", "failing", "dead_letters")]
    assert figures == [5, 2, 1, 1]


async def test_readiness_is_that_of_each_part(still: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 ready, 0.5 degraded, 0 unready, as /health/ready has it."""
    await report(still, "usage", 1)
    await Gauges(still).note()
    parts = [value("readiness", part=each) for each in ("journal", "feed", "keys", "projections", "anomalies")]
    assert parts == [1, 1, 1, 1, 0.5]

    monkeypatch.setattr(still.follower, "poison", "event 7 cannot be folded")
    monkeypatch.setattr(still.ring, "_signing", {})
    await Gauges(still).note()
    assert (value("readiness", part="feed"), value("feed_halted")) == (0, 1)


async def test_worker_whose_lease_ran_out_is_not_ready(still: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Postgres it may not answer; what the database told last stays."""
    await report(still, "usage", 1)
    gauges = Gauges(still)
    await gauges.note()

    async def silent(*_: object) -> list[Any]:
        raise JournalUnavailable("Postgres does not answer")

    monkeypatch.setattr(still.journal, "fetch", silent)
    monkeypatch.setattr(type(still.follower), "fresh", False)
    await gauges.note()
    assert (value("readiness", part="journal"), value("readiness", part="projections")) == (0, 0.5)
    assert value("fold_position", name="usage") == 1


async def test_worker_tells_what_it_takes(still: Core) -> None:
    """Processor time only grows; memory and open files are there."""
    gauges, before = Gauges(still), value("cpu_seconds_total") or 0
    await gauges.note()
    after = value("cpu_seconds_total") or 0
    await gauges.note()

    assert before < after <= (value("cpu_seconds_total") or 0)
    assert (value("open_files") or 0) > 3
    assert value("workers") == 1
    assert value("journal_queue_limit") == still.settings.commit_queue_limit


async def test_what_was_counted_is_written_where_the_node_sees_it(still: Core) -> None:
    """With each look at the gauges: another worker shows then what this one counted."""
    counted = metrics.VERIFIED.labels("written-by-gauges")
    counted.inc()
    assert counted._value.get() == 0
    await Gauges(still).note()
    assert counted._value.get() == 1


async def test_what_was_counted_last_is_written_when_the_worker_ends(settings: Settings) -> None:
    """What it counted while nobody looked at the gauges."""
    counted = metrics.VERIFIED.labels("written-at-the-end")
    async with open_worker(settings):
        (own,) = [task for task in asyncio.all_tasks() if task.get_name() == "gauges"]
        own.cancel()
        await asyncio.gather(own, return_exceptions=True)
        counted.inc()
    assert counted._value.get() == 1
