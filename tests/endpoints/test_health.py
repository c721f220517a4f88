from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.journal.port import JournalUnavailable
from tests.endpoints.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ready(world: World) -> tuple[int, dict[str, Any]]:
    """Status and body of the readiness answer."""
    response = await world.http.get("/health/ready")
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


async def relay_says(world: World, state: str, reason: str) -> None:
    """What the relay reported just now."""
    await world.core.journal.fetch("SELECT journal.report_relay(0, $1, $2)", state, reason)
    await world.core.follower.refresh()


async def beside_says(world: World, state: str, reason: str, silent: float = 0.0, name: str = "usage") -> None:
    """What a projection reported some seconds ago; the partition of the anomaly consumers runs, and nothing else."""
    await forget_beside(world)
    for each, now, why, late in ((name, state, reason, silent), ("anomalies-1", "running", "", 0.0)):
        await world.core.journal.fetch(
            "INSERT INTO projection.progress (name, position, state, reason, seen_at)"
            " VALUES ($1, 7, $2, $3, clock_timestamp() - make_interval(secs => $4))"
            " ON CONFLICT (name) DO UPDATE SET state = $2, reason = $3, seen_at = excluded.seen_at",
            each,
            now,
            why,
            late,
        )


async def forget_beside(world: World) -> None:
    """Nothing beside the workers has ever run."""
    await world.core.journal.fetch("DELETE FROM projection.progress")


async def test_live_process_says_so(world: World) -> None:
    """Liveness asks nothing of other parts."""
    response = await world.http.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_worker_with_all_its_parts_is_ready(world: World) -> None:
    """Ready, with what each part does."""
    await relay_says(world, "running", "")
    await beside_says(world, "running", "")
    status, body = await ready(world)
    assert (status, body["status"]) == (200, "ready")
    assert {"journal", "feed", "keys", "relay", "projections", "anomalies", "webhooks"} == body["parts"].keys()
    assert all(part["status"] == "ready" and part["reason"] for part in body["parts"].values())
    kid = (await world.core.ring.signer()).kid
    assert f"key {kid} signs" == body["parts"]["keys"]["reason"]


@pytest.mark.parametrize("state", ["starting", "degraded", "halted"])
async def test_relay_that_does_not_run_is_degraded(world: World, state: str) -> None:
    """Issuance goes on without NATS: degraded, 200, with the relay's own reason."""
    await relay_says(world, state, "NATS does not answer")
    status, body = await ready(world)
    assert (status, body["status"]) == (200, "degraded")
    assert {"status": "degraded", "reason": f"the relay is {state}: NATS does not answer"} == body["parts"]["relay"]
    await relay_says(world, "running", "")


@pytest.mark.parametrize(
    ("name", "part", "said", "reason"),
    [
        ("usage", "projections", ("halted", "event 7 cannot be folded", 0.0), "usage halted: event 7 cannot be folded"),
        ("usage", "projections", ("running", "", 42.0), "usage has been silent for 42 s"),
        (
            "anomalies-2",
            "anomalies",
            ("starting", "learning", 0.0),
            "anomalies-2 is starting: learning; anomalies-1 at 7",
        ),
        ("webhook:siem", "webhooks", ("degraded", "HTTP 500", 0.0), "webhook:siem is degraded: HTTP 500"),
    ],
)
async def test_what_runs_beside_and_does_not_is_degraded(
    world: World, name: str, part: str, said: tuple[str, str, float], reason: str
) -> None:
    """Tokens go on without figures, findings and webhooks: degraded, 200, with what is wrong."""
    await relay_says(world, "running", "")
    await beside_says(world, *said, name=name)
    status, body = await ready(world)
    assert (status, body["status"]) == (200, "degraded")
    assert body["parts"][part] == {"status": "degraded", "reason": reason}


@pytest.mark.parametrize(
    ("state", "reason", "count", "expected"),
    [
        ("running", "", 1, ("ready", "webhook:siem at 7; webhook:siem gave up 1 event")),
        (
            "degraded",
            "HTTP 500",
            12,
            ("degraded", "webhook:siem is degraded: HTTP 500; webhook:siem gave up 12 events"),
        ),
    ],
)
async def test_what_a_webhook_gave_up_is_counted(
    world: World, state: str, reason: str, count: int, expected: tuple[str, str]
) -> None:
    """Each webhook's dead letters are told beside how it is. They wait for a person, and are no trouble of now."""
    await relay_says(world, "running", "")
    await beside_says(world, state, reason, name="webhook:siem")
    dead = """
        INSERT INTO webhook.dead_letters (name, position, attempts, reason)
        SELECT $1, number, 10, 'HTTP 500' FROM generate_series(1, $2) AS number
    """
    for name, letters in (("siem", count), ("removed", 3)):
        await world.core.journal.fetch(dead, name, letters)
    part = (await ready(world))[1]["parts"]["webhooks"]
    await world.core.journal.fetch("DELETE FROM webhook.dead_letters")
    assert expected == (part["status"], part["reason"])


async def test_one_in_trouble_hides_none_that_is_well(world: World) -> None:
    """All are named, those in trouble first."""
    await relay_says(world, "running", "")
    await forget_beside(world)
    await world.core.journal.fetch("""
        INSERT INTO projection.progress (name, position, state, reason, seen_at) VALUES
            ('webhook:a', 7, 'running', '', clock_timestamp()),
            ('webhook:b', 3, 'degraded', 'HTTP 500', clock_timestamp()),
            ('webhook:c', 8, 'running', '', clock_timestamp()),
            ('webhook:d', 4, 'halted', 'event 5', clock_timestamp())
    """)
    reason = "webhook:b is degraded: HTTP 500; webhook:d halted: event 5; webhook:a at 7, webhook:c at 8"
    assert (await ready(world))[1]["parts"]["webhooks"] == {"status": "degraded", "reason": reason}


async def test_what_never_ran_beside_is_said(world: World) -> None:
    """An operator who forgot a role is told which command it is."""
    await forget_beside(world)
    _, body = await ready(world)
    assert "(tallystick project)" in body["parts"]["projections"]["reason"]
    assert "(tallystick consume)" in body["parts"]["anomalies"]["reason"]
    assert body["parts"]["webhooks"] == {"status": "ready", "reason": "none is registered"}


async def test_silent_relay_is_degraded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that has not reported for long is not believed to run."""
    await relay_says(world, "running", "")
    refresh = world.core.follower.refresh

    async def refresh_late() -> None:
        await refresh()
        world.core.follower.relay.silent = 42.0

    with monkeypatch.context() as patch:
        patch.setattr(world.core.follower, "refresh", refresh_late)
        status, body = await ready(world)
    assert (status, body["status"]) == (200, "degraded")
    assert body["parts"]["relay"]["reason"] == "the relay has been silent for 42 s"


def break_journal(world: World, patch: pytest.MonkeyPatch) -> str:
    """Postgres does not answer."""

    async def fail() -> None:
        raise JournalUnavailable("Postgres: connection refused")

    patch.setattr(world.core.follower, "refresh", fail)
    return "journal"


def fill_queue(world: World, patch: pytest.MonkeyPatch) -> str:
    """The commit queue is at its limit."""
    patch.setattr(world.core.journal._group, "_in_flight", world.core.settings.commit_queue_limit)
    return "journal"


def poison_feed(world: World, patch: pytest.MonkeyPatch) -> str:
    """An event could not be folded."""

    async def fine() -> None:
        return

    patch.setattr(world.core.follower, "refresh", fine)
    patch.setattr(world.core.follower, "poison", "event 7 cannot be folded: KeyError: 'x'")
    return "feed"


def lose_keys(world: World, patch: pytest.MonkeyPatch) -> str:
    """There is no signing key."""
    patch.setattr(world.core.state.keys, "keys", {})
    return "keys"


@pytest.mark.parametrize("fault", [break_journal, fill_queue, poison_feed, lose_keys])
async def test_worker_that_cannot_answer_is_unready(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[World, pytest.MonkeyPatch], str]
) -> None:
    """503, and the part that is broken says why."""
    await relay_says(world, "running", "")
    with monkeypatch.context() as patch:
        part = fault(world, patch)
        status, body = await ready(world)
    assert (status, body["status"]) == (503, "unready")
    assert {part} == {name for name, each in body["parts"].items() if each["status"] == "unready"}
    assert body["parts"][part]["reason"]
    assert (await ready(world))[0] == 200
