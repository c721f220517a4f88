"""Who follows the NATS stream, is killed and begins again at random, ends with exactly the positions of the journal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError

from consumers.subscriber import Subscriber
from schema.envelope import STREAM_NAME, SUBJECTS
from service.bootstrap import open_journal
from service.settings import Settings
from tests.nats_server import NatsServer, nats_server
from tests.relay.support import Relays
from tests.servers import Database
from tests.soak.following import Taken, followed

EVENTS = 50_000
_DURABLES = ("one", "two", "three")
_SECOND = 1.0


async def follow_by_subscriber(server: NatsServer, taken: Taken) -> None:
    """One life of this project's own subscriber, which goes on after what it took."""
    async with aclosing(Subscriber(server.audit_url, taken.last or None).events()) as events:
        async for event in events:
            taken.positions.append(event.position)


async def follow_by_durable(server: NatsServer, durable: str, taken: Taken) -> None:
    """One life of a durable consumer of nats-py, the server keeping how far it is."""
    link = await nats.connect(server.audit_url, allow_reconnect=False)
    try:
        pulled = await link.jetstream().pull_subscribe(SUBJECTS, durable=durable, stream=STREAM_NAME)
        while True:
            try:
                messages = await pulled.fetch(200, timeout=_SECOND)
            except TimeoutError:
                continue
            taken.positions += [message.metadata.sequence.stream for message in messages]
            for message in messages:
                await message.ack()
    except NatsError:
        return
    finally:
        await link.close()


async def assert_stream_is_followed(
    settings: Settings, database: Database, folder: Path, count: int, life: tuple[float, float]
) -> None:
    """Own subscribers take each position once and in order; durable ones each at least once."""
    async with nats_server(folder) as server, open_journal(settings) as journal:
        relays = Relays(database, server)
        try:
            relays.start()
            taken, head = await followed(
                journal, lambda each: follow_by_subscriber(server, each), count, seed=7, life=life
            )
            for reader in taken.values():
                assert list(range(1, head + 1)) == reader.up_to(head)
            names = iter(_DURABLES)
            own: dict[int, str] = {}

            async def follow(each: Taken) -> None:
                await follow_by_durable(server, own.setdefault(id(each), next(names, "")), each)

            taken, head = await followed(journal, follow, 2 * count, seed=8, life=life, whole=Taken.has_all)
            for reader in taken.values():
                assert reader.has_all(head)
        finally:
            await relays.stop()


async def test_a_subscriber_ends_with_the_journal(settings: Settings, database: Database, tmp_path: Path) -> None:
    """The same as below, in short."""
    await assert_stream_is_followed(settings, database, tmp_path / "nats", 600, (0.2, 0.5))


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_subscriber_ends_with_the_journal_of_a_long_load(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """A load of 50,000 events, twice."""
    async with asyncio.timeout(550):
        await assert_stream_is_followed(settings, database, tmp_path / "nats", EVENTS, (0.5, 3.0))
