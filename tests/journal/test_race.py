import asyncio
from contextlib import AsyncExitStack

from schema.streams import client_stream, new_stream
from service.journal.port import Append, Appended, VersionConflict
from service.journal.postgres import PostgresJournal
from tests.journal.benches import open_journal
from tests.journal.contract import all_events, enabled, outcome_of, request
from tests.servers import Database

WRITERS = 6
ROUNDS = 25


async def test_exactly_one_writer_wins_each_version(database: Database) -> None:
    """Writers on connections of their own race for each version of one stream: one wins, the others conflict."""
    stream = client_stream("alpha")
    async with AsyncExitStack() as stack:
        journals = [await stack.enter_async_context(open_journal(database.service_url)) for _ in range(WRITERS)]
        noise = [asyncio.create_task(append_alone(journal)) for journal in journals]
        for version in range(ROUNDS):
            outcomes = await asyncio.gather(
                *(
                    outcome_of(journal.append(Append(stream, version, (enabled(f"writer-{number}"),))))
                    for number, journal in enumerate(journals * 2)
                )
            )
            winners = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Appended)]
            losers = [outcome for outcome in outcomes if isinstance(outcome, VersionConflict)]
            assert (len(winners), len(losers)) == (1, 2 * WRITERS - 1)
            latest = (await journals[0].read_stream(stream))[-1]
            assert (version + 1, enabled(f"writer-{winners[0]}")) == (latest.version, latest.fact().event)
        appended = await asyncio.gather(*noise)
        recorded = await all_events(journals[0])
    assert ROUNDS + sum(appended) == len(recorded)
    assert list(range(1, ROUNDS + 1)) == [event.version for event in recorded if event.stream == stream]


async def test_one_key_is_used_by_one_of_many_writers(database: Database) -> None:
    """A single-use key that many connections try at once is used by exactly one."""
    async with AsyncExitStack() as stack:
        journals = [await stack.enter_async_context(open_journal(database.service_url)) for _ in range(WRITERS)]
        for key in (b"one", b"two", b"three", b"four"):
            outcomes = await asyncio.gather(
                *(outcome_of(journal.append(request(once=key))) for journal in journals * 2)
            )
            assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 1
        assert len(await all_events(journals[0])) == 4


async def append_alone(journal: PostgresJournal) -> int:
    """Append to streams of one's own beside the race; returns how many events."""
    for _ in range(20):
        await journal.append(Append(new_stream(), 0, (enabled(),)))
    return 20
