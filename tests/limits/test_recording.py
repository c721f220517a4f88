"""What was throttled is told in one event for each caller and window, whatever happens to the workers that counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.journal.port import JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.limits.recording import record, tell
from service.limits.windows import Throttled, What, Who
from tests.journal.benches import open_journal
from tests.servers import Database

SOURCE = Who("source", source="192.0.2.7")
SITE = Who("source", source="2001:db8:1:2::/64")
CLIENT = Who("client_refusals", client_id="users-api")
FLOOD = What("token", "too_many_requests", "too_many_requests", 429)
JUNK = What("introspect", "inactive_token", "token_unknown", 200)
DAY = 86_400
PAST = "UPDATE runtime.throttled SET starts = starts - 2 * seconds"


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[PostgresJournal]:
    """A worker's journal."""
    async with open_journal(database.service_url) as running:
        yield running


async def told(journal: PostgresJournal) -> list[dict[str, Any]]:
    """The events, with their envelopes' source and client."""
    events = await journal.read(0, 1_000)
    assert {event.type for event in events} <= {"access.throttled"}
    return [{"source": event.source, "client": event.client} | json.loads(event.data) for event in events]


async def test_counts_of_all_workers_are_one_event(journal: PostgresJournal) -> None:
    """Two workers count; once the window is over, there is one event for each caller, with the sum of each kind."""
    for _ in range(2):
        throttled = Throttled()
        throttled.count(SOURCE, FLOOD, 40)
        throttled.count(SOURCE, What("revoke", "too_many_requests", "too_many_requests", 429), 2)
        throttled.count(CLIENT, JUNK)
        await record(journal, throttled, DAY)
        await record(journal, throttled, DAY)  # nothing is counted twice
    assert await tell(journal) == 0
    assert await told(journal) == []
    await journal.fetch(PAST)
    assert await tell(journal) == 2
    client, source = await told(journal)
    assert (source["limit"], source["network"], source["source"], source["count"]) == (
        "source", "192.0.2.7", "192.0.2.7", 84,
    )  # fmt: skip
    assert [(kind["endpoint"], kind["status"], kind["count"]) for kind in source["requests"]] == [
        ("token", 429, 80),
        ("revoke", 429, 4),
    ]
    assert (client["limit"], client["client"], client["client_id"], client["count"]) == (
        "client_refusals", "users-api", "users-api", 2,
    )  # fmt: skip
    assert source["window_seconds"] == DAY
    assert source["window_starts_at"] % DAY == 0
    assert await tell(journal) == 0


async def test_workers_that_tell_at_once_tell_once(journal: PostgresJournal) -> None:
    """Any number of workers may see that a window is over: there is one event of it."""
    throttled = Throttled()
    for number in range(20):
        throttled.count(Who("source", source=f"192.0.2.{number}"), FLOOD, 7)
    await record(journal, throttled, DAY)
    await journal.fetch(PAST)
    await asyncio.gather(*(tell(journal) for _ in range(3)))
    assert sorted(event["network"] for event in await told(journal)) == sorted(f"192.0.2.{n}" for n in range(20))
    assert await journal.fetch("SELECT 1 FROM runtime.throttled") == []


async def test_a_worker_that_dies_after_the_event_leaves_nothing_to_tell_twice(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is committed, its counts are not yet removed: whoever comes next removes them and tells nothing."""
    throttled = Throttled()
    throttled.count(SITE, FLOOD, 3)
    await record(journal, throttled, DAY)
    await journal.fetch(PAST)
    whole = journal.fetch

    async def dies(query: str, *arguments: object) -> list[Any]:
        if query.startswith("DELETE"):
            raise JournalUnavailable("away")
        return await whole(query, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(journal, "fetch", dies)
        with pytest.raises(JournalUnavailable):
            await tell(journal)
    assert await tell(journal) == 1
    (event,) = await told(journal)
    assert (event["network"], event["source"], event["count"]) == ("2001:db8:1:2::/64", "2001:db8:1:2::", 3)


async def test_counts_wait_while_postgres_is_away(journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be recorded is recorded later, with what came in between."""
    throttled = Throttled()
    throttled.count(SOURCE, FLOOD, 5)

    async def away(*_: object) -> list[Any]:
        raise JournalUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "fetch", away)
        await record(journal, throttled, DAY)
    throttled.count(SOURCE, FLOOD, 2)
    await record(journal, throttled, DAY)
    (row,) = await journal.fetch("SELECT times FROM runtime.throttled")
    assert row["times"] == 7


def test_callers_without_number_are_counted_together() -> None:
    """Beyond the bound callers are told as nobody's, so that many sources make no more events than a few."""
    throttled = Throttled(most=3)
    for number in range(10):
        throttled.count(Who("source", source=f"192.0.2.{number}"), FLOOD)
        throttled.count(Who("source", source="192.0.2.0"), FLOOD)
    counts = throttled.take()
    assert {who.source: times for (who, _), times in counts.items()} == {
        "192.0.2.0": 11, "192.0.2.1": 1, "192.0.2.2": 1, None: 7,
    }  # fmt: skip
    assert not throttled.take()
