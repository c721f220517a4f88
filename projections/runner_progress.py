"""The row of a projection in `projection.progress`: the only place where the runner's SQL on it stands."""

from __future__ import annotations

from typing import NamedTuple

from projections.runner_session import Moved
from projections.sql_projection import Link, SqlProjection


class Row(NamedTuple):
    """How far a projection is, in which slot it is read, and up to where the other one is rebuilt."""

    position: int
    slot: int
    version: int
    rebuilt: int | None
    state: str
    reason: str


async def ensure(connection: Link, projection: SqlProjection) -> Row:
    """The row of a projection, made if there is none."""
    await connection.execute(_ENSURE, projection.name, projection.version)
    return await read(connection, projection.name)


async def read(connection: Link, name: str) -> Row:
    """The row of a projection. Raises Moved if it was removed."""
    return _row(await connection.fetchrow(_READ, name))


async def read_locked(connection: Link, name: str) -> Row:
    """The same, held until the transaction ends: nobody folds meanwhile."""
    return _row(await connection.fetchrow(_READ + " FOR UPDATE", name))


async def move(connection: Link, projection: SqlProjection, before: int, after: int) -> int:
    """Move the checkpoint, which holds the row until the transaction ends; the slot to write to.

    Raises Moved when another has moved it, so nothing is ever folded twice.
    """
    slot = await connection.fetchval(_MOVE, projection.name, projection.version, before, after)
    if slot is None:
        raise Moved(f"{projection.name} is not at position {before} any more")
    return int(slot)


async def report(connection: Link, name: str, seen: Row, state: str, reason: str) -> None:
    """Say that the projection is alive, and how it is. Raises Moved when the row is not what was seen of it."""
    arguments = (name, seen.version, seen.position, seen.slot, state, reason)
    if await connection.fetchval(_REPORT, *arguments) is None:
        raise Moved(f"{name} is not at position {seen.position} any more")


async def say_stopped(connection: Link, name: str) -> None:
    """Say that the leader of the projection has been stopped."""
    await connection.execute(_STOPPED, name)


async def begin_rebuild(connection: Link, name: str) -> None:
    """Note that the idle slot is empty."""
    await connection.execute("UPDATE projection.progress SET rebuilt = 0 WHERE name = $1", name)


async def move_rebuilt(connection: Link, name: str, before: int, after: int) -> int:
    """Move the checkpoint of the idle slot; where the live one is. Raises Moved when another has moved it."""
    live = await connection.fetchval(_MOVE_REBUILT, name, before, after)
    if live is None:
        raise Moved(f"{name} is not rebuilt up to position {before} any more")
    return int(live)


async def swap(connection: Link, projection: SqlProjection, slot: int, position: int) -> None:
    """From the end of the transaction on, the rebuilt slot is the one that is read and folded into."""
    await connection.execute(_SWAP, projection.name, projection.version, slot, position)


def _row(record: object) -> Row:
    if record is None:
        raise Moved("the projection's row was removed")
    return Row(*record)  # type: ignore[misc]  # a record of these columns


_ENSURE = "INSERT INTO projection.progress (name, version) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_READ = "SELECT position, slot, version, rebuilt, state, reason FROM projection.progress WHERE name = $1"
_MOVE = """
    UPDATE projection.progress SET position = $4, state = 'running', reason = '', seen_at = clock_timestamp()
    WHERE name = $1 AND version = $2 AND position = $3 RETURNING slot
"""
_REPORT = """
    UPDATE projection.progress SET state = $5, reason = $6, seen_at = clock_timestamp()
    WHERE name = $1 AND version = $2 AND position = $3 AND slot = $4 RETURNING position
"""
_STOPPED = "UPDATE projection.progress SET state = 'starting', reason = 'stopped' WHERE name = $1 AND state <> 'halted'"
_MOVE_REBUILT = "UPDATE projection.progress SET rebuilt = $3 WHERE name = $1 AND rebuilt = $2 RETURNING position"
_SWAP = """
    UPDATE projection.progress SET slot = $3, position = $4, version = $2, rebuilt = NULL,
        state = CASE state WHEN 'running' THEN 'running' ELSE 'starting' END,
        reason = CASE state WHEN 'running' THEN reason ELSE 'rebuilt' END
    WHERE name = $1
"""
