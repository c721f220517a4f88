"""What introspection leaves behind: counts of active tokens, and where tokens were seen to come from."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import jwt
import pytest

from schema.envelope import RecordedEvent
from schema.events import AGE_BOUNDS, encode
from service.journal.port import Append, Appended, JournalUnavailable
from service.usage.counting import IntrospectionCounts
from tests.endpoints.world import USERS, World

HOME, AWAY, FAR = "127.0.0.9", "192.0.2.7", "2001:db8:1::7"
ZONED = ("fe80::1%eth0", f"fe80::1%{'x' * 2_000}")


async def recorded(world: World, event_type: str, after: int) -> list[tuple[RecordedEvent, dict[str, Any]]]:
    """The events of a type after a position, with their data."""
    await world.core.observer.stop()
    return [
        (event, json.loads(event.data))
        for event in await world.core.journal.read(after, 100)
        if event.type == event_type
    ]


async def test_active_introspections_become_one_event_a_client_and_minute(fresh: World) -> None:
    """Each active answer is counted once, by what the token is for and who asked; an inactive one is not."""
    token = await fresh.issue(fresh.service, scope="read:users")
    for _ in range(3):
        await fresh.introspect(token)
    await fresh.introspect(token + "x")
    head = await fresh.core.journal.head()
    await fresh.core.introspections.record()
    await fresh.core.introspections.record()
    counted = [(event.client, data["introspections"]) for event, data in await recorded(fresh, "usage.recorded", head)]
    kind = {"resource": USERS, "scope": "read:users", "grant_type": "client_credentials", "introspector": "users-api"}
    kinds = [{name: each[name] for name in kind} for _, each_of in counted for each in each_of]
    assert {"billing-worker"} == {client for client, _ in counted}
    assert sum(each["count"] for _, each_of in counted for each in each_of) == 3
    assert all(each == kind for each in kinds)
    assert all(each["ages"] == [each["count"]] + len(AGE_BOUNDS) * [0] for _, each_of in counted for each in each_of)


async def test_a_worker_that_stops_records_what_it_counted(fresh: World) -> None:
    """A graceful stop loses no count."""
    await fresh.introspect(await fresh.issue(fresh.service))
    head = await fresh.core.journal.head()
    await fresh.core.introspections.record()
    assert len(await recorded(fresh, "usage.recorded", head)) == 1


async def test_counts_that_cannot_be_committed_are_kept(fresh: World) -> None:
    """What Postgres did not take is recorded the next time, added to what came since."""
    journal = _Refusing(fresh)
    counts = IntrospectionCounts(journal, 60)  # type: ignore[arg-type]  # it appends alone
    token = next(iter(fresh.core.state.grants.get(await _grant(fresh)).tokens.values()))  # type: ignore[union-attr]
    counts.count(token, "users-api", token.issued_at + 1)
    await counts.record()
    counts.count(token, "users-api", token.issued_at + 1)
    journal.refuses = False
    await counts.record()
    (only,) = journal.taken
    assert only["introspections"][0]["count"] == 2


async def test_a_source_that_is_new_for_a_grant_is_journalled_once(fresh: World) -> None:
    """An address of another network than that of issuance is one event, and the next one of its network is none."""
    token = await fresh.issue(fresh.service)
    head = await fresh.core.journal.head()
    for address in (HOME, AWAY, "192.0.2.200", AWAY, FAR, "2001:db8:1:2::1"):
        await fresh.introspect(token, source_address=address, user_agent="curl/8")
        await fresh.core.observer.stop()
    seen = await recorded(fresh, "token.source_observed", head)
    assert [(data["source"], data["issued_from"], data["introspector"]) for _, data in seen] == [
        (AWAY, "127.0.0.1", "users-api"),
        (FAR, "127.0.0.1", "users-api"),
    ]
    assert {("billing-worker", "users-api")} == {(event.client, event.actor) for event, _ in seen}
    assert {"curl/8"} == {data["user_agent"] for _, data in seen}


async def test_an_inactive_token_is_observed_nowhere(fresh: World) -> None:
    """Who asks about a token that is not active notes no source."""
    token = await fresh.issue(fresh.service)
    await fresh.revoke(token)
    head = await fresh.core.journal.head()
    await fresh.introspect(token, source_address=AWAY)
    assert await recorded(fresh, "token.source_observed", head) == []


@pytest.mark.parametrize(
    "address", ["", " ", "192.0.2", "host.example.com", "192.0.2.7:80", "192.0.2.0/24", "٣.1.1.1", *ZONED]
)
async def test_what_is_no_address_is_refused(fresh: World, address: str) -> None:
    """A `source_address` that is not an IP address is `invalid_request`, but an empty one is as none."""
    token = await fresh.issue(fresh.service)
    answer = await fresh.introspect(token, source_address=address)
    if address:
        assert answer.error == (400, "invalid_request", "bad_source_address")
    else:
        assert answer.body["active"] is True


async def test_a_source_that_could_not_be_journalled_is_observed_again(
    fresh: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer does not depend on the observation, and the next one makes up for it."""
    token = await fresh.issue(fresh.service)
    head = await fresh.core.journal.head()
    journal = _Refusing(fresh)
    monkeypatch.setattr(fresh.core.observer, "_journal", journal)
    assert (await fresh.introspect(token, source_address=AWAY)).body["active"] is True
    await fresh.core.observer.stop()
    journal.refuses = False
    await fresh.introspect(token, source_address=AWAY)
    await fresh.core.observer.stop()
    assert [data["source"] for data in journal.taken] == [AWAY]
    assert await recorded(fresh, "token.source_observed", head) == []


class _Refusing:
    """A journal that is away until `refuses` is unset; `taken` is what it took after that."""

    def __init__(self, world: World) -> None:
        self.refuses = True
        self.taken: list[dict[str, Any]] = []

    async def append(self, request: Append) -> Appended:
        if self.refuses:
            raise JournalUnavailable("away")
        self.taken += [json.loads(encode(event)) for event in request.events]
        return Appended(1, 1, None)  # type: ignore[arg-type]


async def _grant(world: World) -> Any:
    token = await world.issue(world.service)
    return UUID(jwt.decode(token, options={"verify_signature": False})["grant_id"])
