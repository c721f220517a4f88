"""The projection `usage`: pages of facts into the tables of the schema `usage_data`, of which analysts have views.

All of a page adds up, in any order: sums, the last of times, the bits of hours. Its place in the journal matters for
one thing only, that nothing is counted twice or left out; each slot has a clock that tells.
"""

from __future__ import annotations

from collections.abc import Sequence

from projections.sql_projection import Link, SqlProjection
from projections.usage.access import fold_access
from projections.usage.ended import add_ended
from projections.usage.page import Page
from projections.usage.write import write
from schema.envelope import Fact

TABLES = tuple(
    f"usage_data.{name}"
    for name in (
        "clock",
        "series",
        "latest",
        "per_minute",
        "per_hour",
        "per_day",
        "places",
        "subjects",
        "sources",
        "chains",
        "clients",
        "roles",
        "resources",
    )
)

# A plan that was made while the tables were small is kept by the session: it would scan those that have grown.
_BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
_CLOCK = "SELECT position, newest FROM usage_data.clock WHERE slot = $1"
_MOVE_CLOCK = """
    INSERT INTO usage_data.clock (slot, position, newest) VALUES ($1, $2, $3)
    ON CONFLICT (slot) DO UPDATE SET position = excluded.position, newest = excluded.newest
"""
_FORGET_MINUTES = "DELETE FROM usage_data.per_minute WHERE slot = $1 AND at < to_timestamp($2::bigint)"


def usage_projection(minutes_kept: int) -> SqlProjection:
    """The projection. Figures by minute are kept for `minutes_kept` seconds before the newest of them."""
    return _Usage(minutes_kept)


class _Usage:
    """See SqlProjection."""

    name = "usage"
    version = 1
    tables = TABLES

    def __init__(self, minutes_kept: int) -> None:
        self._minutes_kept = minutes_kept

    async def fold(self, connection: Link, slot: int, facts: Sequence[Fact]) -> None:
        """See SqlProjection. Facts that the slot has are left aside. Raises LookupError for a gap."""
        await connection.execute(_BY_INDEX)
        position, newest = await connection.fetchrow(_CLOCK, slot) or (0, 0)
        facts = facts[_overlap(facts, position) :]
        if not facts:
            return
        page = Page()
        page.add(facts)
        await add_ended(connection, page)
        latest = max((minute for minute, _ in page.counts), default=newest)
        newest, before = max(newest, latest), newest
        await write(connection, slot, page, newest - self._minutes_kept)
        await fold_access(connection, slot, page.access)
        if newest > before:
            await connection.execute(_FORGET_MINUTES, slot, newest - self._minutes_kept)
        await connection.execute(_MOVE_CLOCK, slot, facts[-1].position, newest)


def _overlap(facts: Sequence[Fact], position: int) -> int:
    """How many of the facts are folded already. Raises LookupError where some are missing before them."""
    if not facts:
        return 0
    if facts[0].position > position + 1:
        raise LookupError(f"the facts up to {position} are folded, and then come those from {facts[0].position} on")
    return max(0, position + 1 - facts[0].position)
