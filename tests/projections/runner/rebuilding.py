"""What the tests of a rebuild have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from projections.runner import being_rebuilt, rebuild
from projections.sql_projection import Link
from schema.envelope import Fact
from tests.projections.runner.counting import Counting, Hook
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.running import at_position, running
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"
PAGE = 50


async def rebuild_counting(database: Database, projection: Counting) -> list[tuple[int, int]]:
    """Rebuild, PAGE facts at once; what was told of the progress."""
    told: list[tuple[int, int]] = []
    await rebuild(database.service_url, projection, lambda done, total: told.append((done, total)), page=PAGE)
    return told


async def folded(owner: Owner, database: Database, last: int) -> None:
    """A journal of so many facts, folded live."""
    await commit(owner, some_facts(1, last))
    async with running(database.service_url, Counting()):
        await at_position(owner, last)


def at_page(number: int, do: Hook) -> Hook:
    """Do something in one write alone."""
    pages = [0]

    async def hook(connection: Link, facts: Sequence[Fact]) -> None:
        pages[0] += 1
        if pages[0] == number:
            await do(connection, facts)

    return hook


async def nobody_rebuilds(owner: Owner) -> bool:
    """Whether the lock of the rebuild is free."""
    return not await being_rebuilt(owner, "counting")
