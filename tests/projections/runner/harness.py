"""Any history, however it comes and whenever runners stop, folded live and rebuilt: the tables must be the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
from hypothesis import strategies as st

from projections.runner import SqlProjection, rebuild
from schema.envelope import Fact
from tests.projections.runner.journals import commit, replace_journal
from tests.projections.runner.running import at_position, progress_of, running
from tests.servers import Database

Tables = dict[str, list[tuple[Any, ...]]]


class Stage(NamedTuple):
    """One runner's life: what is committed while it runs, its page, and whether the projection is rebuilt meanwhile."""

    commits: int
    page: int
    rebuilt: bool


stages = st.lists(st.builds(Stage, st.integers(0, 12), st.integers(1, 7), st.booleans()), min_size=1, max_size=3)


async def assert_rebuilt_equals_live(
    owner: asyncpg.Connection[Any],
    database: Database,
    projection: SqlProjection,
    history: Sequence[Fact],
    lives: Sequence[Stage],
) -> None:
    """Fold a history live, through runners that come and go; rebuild it in pages of another size; compare all tables.

    What the stages do not commit is committed in a last one.
    """
    await _begin(owner, projection)
    left = list(history)
    for stage in (*lives, Stage(len(history), 1 + len(history) // 3, rebuilt=False)):
        async with running(database.service_url, projection, page=stage.page):
            now, left = left[: stage.commits], left[stage.commits :]
            for fact in now:
                await commit(owner, [fact])
            if stage.rebuilt:
                await rebuild(database.service_url, projection, _unheard, page=stage.page + 1)
            await at_position(owner, len(history) - len(left), projection.name)
    live = await tables_of(owner, projection)
    await rebuild(database.service_url, projection, _unheard, page=5)
    row = await progress_of(owner, projection.name)
    assert (row["position"], row["rebuilt"]) == (len(history), None)
    assert live == await tables_of(owner, projection)


async def tables_of(owner: asyncpg.Connection[Any], projection: SqlProjection) -> Tables:
    """Every row of the slot that is read, without the slot's number, which is the first column."""
    slot = (await progress_of(owner, projection.name))["slot"]
    found: Tables = {}
    for table in projection.tables:
        rows = await owner.fetch(f"SELECT * FROM {table} WHERE slot = $1", slot)  # noqa: S608 our tables
        found[table] = sorted((tuple(row)[1:] for row in rows), key=repr)
    return found


async def _begin(owner: asyncpg.Connection[Any], projection: SqlProjection) -> None:
    await replace_journal(owner, [])
    await owner.execute("DELETE FROM projection.progress WHERE name = $1", projection.name)
    for table in projection.tables:
        await owner.execute(f"TRUNCATE {table}")


def _unheard(_: int, __: int) -> None:
    """Nobody asks how far it is."""
