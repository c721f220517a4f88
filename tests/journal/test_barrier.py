import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from service.journal.barrier import Barrier
from service.journal.port import JournalUnavailable

OWN, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


class Readers:
    """The table of readers, as the barrier asks for it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def at(self, reader: UUID, position: int, lease: float = 60.0) -> None:
        """A reader says how far it is."""
        self.rows = [row for row in self.rows if row["id"] != reader]
        self.rows.append({"id": reader, "position": position, "lease_seconds": lease})

    async def fetch(self, *_: object) -> list[Any]:
        """What the query gives."""
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return self.rows


async def test_nobody_behind_is_no_wait() -> None:
    """Readers that folded the position, and the caller's own, are not waited for."""
    readers = Readers()
    readers.at(OWN, 0)
    readers.at(OTHER, 7)
    async with asyncio.timeout(30):
        await Barrier(readers.fetch, OWN).wait(7)


async def test_waits_until_every_reader_has_folded_it() -> None:
    """It returns when the last reader that was behind says that it has folded the position, and not before."""
    readers = Readers()
    for reader in (OTHER, THIRD):
        readers.at(reader, 6)
    barrier = Barrier(readers.fetch, OWN)
    waiting = asyncio.create_task(barrier.wait(7))
    for reader in (OTHER, THIRD):
        assert not (await asyncio.wait([waiting], timeout=0.15))[0]
        readers.at(reader, 7)
        barrier.reader_moved()
    async with asyncio.timeout(30):
        await waiting


async def test_a_silent_reader_is_waited_for_as_long_as_its_lease() -> None:
    """It returns once the longest lease of those behind has run out since it began, with a tenth for slow clocks."""
    readers = Readers()
    readers.at(OTHER, 6, lease=0.1)
    readers.at(THIRD, 6, lease=0.4)
    began = time.monotonic()
    async with asyncio.timeout(30):
        await Barrier(readers.fetch).wait(7)
    assert time.monotonic() - began >= 0.44


async def test_without_the_table_nothing_is_known() -> None:
    """When the readers cannot be asked for, the caller is told so."""
    readers = Readers()
    readers.error = JournalUnavailable("away")
    with pytest.raises(JournalUnavailable):
        await Barrier(readers.fetch).wait(7)


async def test_many_wait_at_once() -> None:
    """Any number of waiters return together when the reader they wait for has moved."""
    readers = Readers()
    readers.at(OTHER, 0)
    barrier = Barrier(readers.fetch)
    waiting = [asyncio.create_task(barrier.wait(position)) for position in range(1, 50)]
    assert not (await asyncio.wait(waiting, timeout=0.15))[0]
    readers.at(OTHER, 30)
    barrier.reader_moved()
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting[:30])
    assert not any(one.done() for one in waiting[30:])
    readers.at(OTHER, 50)
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
