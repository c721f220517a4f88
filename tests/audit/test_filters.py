from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from schema.envelope import RecordedEvent
from schema.streams import client_stream, new_stream
from service.audit import journal_reader
from service.audit.filters import _GLOBS, FILTERS, REPEATABLE, Filters, read_filters
from service.audit.journal_reader import BY_GRANT, BY_POSITION, FIRST_FROM, LOOKED_THROUGH, JournalReader
from service.http.query import read_query
from tests.servers import Database, Servers, fresh_database

COUNT = 300
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TYPES = ("token.issued", "token.revoked", "access.rejected", "login.failed")
CLIENTS = ("a", "b", "_")
SUBJECTS = ("zoe", "ann", None)
SOURCES = ("192.0.2.7", "192.0.2.200", "::ffff:192.0.2.7", "2001:db8::1", "fe80::1%eth0", "testclient", None)
STREAMS = tuple(new_stream(1_767_225_600_000 + number) for number in range(5))
INSERT = """
    INSERT INTO journal.events (position, stream, version, type, client, data, actor, source, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'test', $7, $8)
"""


async def fill(url: str) -> list[RecordedEvent]:
    """A journal of mixed events, whose clock was set back now and then; returns what is in it."""
    chance, versions, rows = random.Random(3), dict.fromkeys(STREAMS, 0), []
    for position in range(1, COUNT + 1):
        stream = chance.choice(STREAMS)
        versions[stream] += 1
        subject = chance.choice(SUBJECTS)
        moment = START + dt.timedelta(minutes=position, seconds=-chance.choice([0, 0, 0, 90]))
        data = json.dumps({} if subject is None else {"subject": subject})
        kind, client, source = chance.choice(TYPES), chance.choice(CLIENTS), chance.choice(SOURCES)
        rows.append((position, stream, versions[stream], kind, client, data, source, moment))
    connection = await asyncpg.connect(url)
    await connection.executemany(INSERT, rows)
    await connection.execute("UPDATE journal.head SET position = $1", COUNT)
    recorded = await connection.fetch("SELECT *, data::text AS data FROM journal.events ORDER BY position")
    await connection.close()
    return [RecordedEvent(**{name: row[name] for name in RecordedEvent.__struct_fields__}) for row in recorded]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mixed(servers: Servers) -> AsyncIterator[tuple[JournalReader, list[RecordedEvent]]]:
    """A reader of a journal of mixed events, and these."""
    with fresh_database(servers) as database:
        recorded = await fill(database.owner_url)
        reader = JournalReader(database.service_url, 10.0)
        yield reader, recorded
        await reader.stop()


def moments() -> st.SearchStrategy[str]:
    """Times around those of the journal, in some zone."""
    zones = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
    seconds = st.integers(-600, COUNT * 60 + 600)
    times = st.builds(lambda second, zone: (START + dt.timedelta(seconds=second)).astimezone(zone), seconds, zones)
    return times.map(dt.datetime.isoformat)


QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.lists(
            st.sampled_from(["token.*", "token.issued", "*.failed", "acc?ss.*", "key.*"]), min_size=1, max_size=_GLOBS
        ),
        "client": st.sampled_from([*CLIENTS, "c"]),
        "subject": st.sampled_from(["zoe", "ann", "bob"]),
        "grant": st.sampled_from([*map(str, STREAMS), str(client_stream("a"))]),
        "source": st.sampled_from(
            ["192.0.2.7", "192.0.2.0/25", "192.0.2.9/24", "::ffff:192.0.2.0/120", "2001:db8::/32", "0.0.0.0/0", "::/0"]
        ),
        "since": moments(),
        "until": moments(),
    },
)


def filters_of(query: dict[str, Any]) -> Filters:
    """What the server makes of a query."""
    values = {name: tuple(value) if isinstance(value, list) else (value,) for name, value in query.items()}
    assert read_query(b"", FILTERS, REPEATABLE) == {}
    return read_filters(values)


def asked_for(event: RecordedEvent, query: dict[str, Any]) -> bool:
    """The same judged naively, one filter after the other."""
    prefixes = {"token.*": "token.", "*.failed": "login.failed", "acc?ss.*": "access.", "key.*": "key."}
    return all(
        (
            "type" not in query or any(event.type.startswith(prefixes.get(glob, glob)) for glob in query["type"]),
            query.get("client", event.client) == event.client,
            "subject" not in query or json.loads(event.data).get("subject") == query["subject"],
            UUID(query.get("grant", str(event.stream))) == event.stream,
            "source" not in query or from_network(event.source, query["source"]),
            "since" not in query or event.recorded_at >= dt.datetime.fromisoformat(query["since"]),
            "until" not in query or event.recorded_at < dt.datetime.fromisoformat(query["until"]),
        )
    )


def from_network(source: str | None, text: str) -> bool:
    """Whether an address is in a network, IPv4 within IPv6 being IPv4."""
    if source in {None, "testclient", "fe80::1%eth0"}:
        return False
    plain = str(source).removeprefix("::ffff:")
    network = "192.0.2.0/24" if text == "::ffff:192.0.2.0/120" else text
    return ip_address(plain) in ip_network(network, strict=False)


@pytest.mark.asyncio(loop_scope="session")
@given(QUERIES, st.integers(1, 40), st.integers(1, 120), st.integers(0, COUNT))
async def test_pages_are_the_journal_filtered(
    mixed: tuple[JournalReader, list[RecordedEvent]], query: dict[str, Any], limit: int, looked_through: int, after: int
) -> None:
    """Page by page, whatever the filters, the bounds and the start: exactly what a naive look at each event finds."""
    reader, recorded = mixed
    filters, found, position = filters_of(query), list[RecordedEvent](), after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_reader, "LOOKED_THROUGH", looked_through)
        while position < COUNT:
            page = await reader.page(position, limit, filters)
            assert position < page.next <= page.head == COUNT
            assert len(page.events) <= limit
            found += page.events
            position = page.next
    expected = [event for event in recorded if event.position > after and asked_for(event, query)]
    assert [event.position for event in expected] == [event.position for event in found]
    assert expected == [event for event in recorded if event.position > after and filters.match(event)]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_clock_that_was_set_back_hides_nothing(mixed: tuple[JournalReader, list[RecordedEvent]]) -> None:
    """Whatever moment reading begins at, the first event from then on is found."""
    reader, recorded = mixed
    for event in recorded:
        page = await reader.page(0, 1, Filters(since=event.recorded_at))
        first = next(one for one in recorded if one.recorded_at >= event.recorded_at)
        assert [first.position] == [one.position for one in page.events]


SPREAD = """
    INSERT INTO journal.events (position, stream, version, type, client, data, actor, source, recorded_at)
    SELECT n, ('019b76da-a800-7000-8000-' || lpad(to_hex(n / 4), 12, '0'))::uuid, 1 + n % 4, 'token.issued', 'a',
           '{"subject": "zoe"}', 'test', '192.0.2.7', now() + n * interval '1 second'
    FROM generate_series(1, 200000) n
"""


@pytest.mark.parametrize("analyzed", [False, True])
async def test_no_query_scans_the_journal(database: Database, analyzed: bool) -> None:
    """With 200,000 events a page is read by the index of positions, or of its stream, with or without statistics; a
    filter that matches nothing looks through no more than its bound.
    """
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(SPREAD)
    if analyzed:
        await owner.execute("ANALYZE journal.events")
    await owner.execute(
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan"
    )
    stream = UUID("019b76da-a800-7000-8000-000000004e20")
    rare = (100_000, 100_000 + LOOKED_THROUGH, 100, ["key.retired"], None, "ann", ["192.0.2.0/24"], None, None)
    for query, arguments in ((BY_POSITION, rare), (BY_GRANT, (*rare, stream)), (FIRST_FROM, (100_000,))):
        rows = await owner.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {query}", *arguments)
        plan = "\n".join(row[0] for row in rows)
        assert "Seq Scan" not in plan, plan
        removed = [int(line.rpartition(" ")[2]) for line in plan.splitlines() if "Rows Removed by Filter" in line]
        assert sum(removed) <= LOOKED_THROUGH, plan
        assert "position_idx" in plan or query == BY_GRANT, plan
    await owner.close()
