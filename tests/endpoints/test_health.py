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


async def test_live_process_says_so(world: World) -> None:
    """Liveness asks nothing of other parts."""
    response = await world.http.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_worker_with_all_its_parts_is_ready(world: World) -> None:
    """Ready, with what each part does."""
    await relay_says(world, "running", "")
    status, body = await ready(world)
    assert (status, body["status"]) == (200, "ready")
    assert {"journal", "feed", "keys", "relay"} == body["parts"].keys()
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
