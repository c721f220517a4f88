"""Processes share the partitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumers.anomalies.ledger import Ledger
from consumers.anomalies.partitions import Partitions
from tests.nats_server import NatsServer
from tests.relay.support import until
from tests.servers import Database


@asynccontextmanager
async def process(
    database: Database, nats: NatsServer, parts: int, mistaken: tuple[int, ...] = ()
) -> AsyncIterator[Partitions]:
    """One that works on nothing in particular, for as long as it has the ledger; on some it fails."""

    async def work(ledger: Ledger) -> None:
        if ledger.share.part in mistaken:
            raise ValueError("a mistake")
        await ledger.report(None, "running", "")
        await ledger.lost.wait()

    partitions = Partitions(database.service_url, nats.url, parts, work, look=0.05)
    running = asyncio.create_task(partitions.run())
    try:
        yield partitions
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_processes_share_and_take_over(database: Database, nats: NatsServer) -> None:
    """One has all; of two each has half; of what one leaves the other takes all. No two have the same."""
    async with process(database, nats, 4) as one:
        await until(lambda: one.mine == (1, 2, 3, 4))
        async with process(database, nats, 4) as two:
            await until(lambda: len(one.mine) == len(two.mine) == 2)
            assert tuple(sorted((*one.mine, *two.mine))) == (1, 2, 3, 4)
        await until(lambda: one.mine == (1, 2, 3, 4))


async def test_more_processes_than_partitions_stand_by(database: Database, nats: NatsServer) -> None:
    """Of two processes one has the only partition; when it ends, the other has it."""
    async with process(database, nats, 1) as two:
        async with process(database, nats, 1) as one:
            await until(lambda: len(one.mine) + len(two.mine) == 1)
        await until(lambda: two.mine == (1,))


async def test_a_mistake_in_one_partition_ends_no_other(
    database: Database, nats: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged and tried again after a while, and may be taken by another process meanwhile."""
    async with process(database, nats, 2, mistaken=(1,)) as one:
        await until(lambda: "partition 1 stopped; it is tried again" in caplog.text and one.mine == (2,))
        async with process(database, nats, 2) as two:
            await until(lambda: (one.mine, two.mine) == ((2,), (1,)))
