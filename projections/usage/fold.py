"""The projection `usage`: pages of facts into the tables of the schema `usage_data`, of which analysts have views.

All that is gathered adds up, in any order: sums, the last of times, the bits of hours. Its place in the journal matters
for one thing only, that nothing is counted twice or left out; each slot has a clock that tells.
"""

from __future__ import annotations

from collections.abc import Sequence

from projections.sql_projection import Gathered, Link, SqlProjection
from projections.usage.access import fold_access
from projections.usage.ended import add_ended
from projections.usage.gather import gather
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
# Of a slot that is rebuilt, minutes that are forgotten when it takes the place of the one that is read are not written.
_CLOCK = """
    SELECT coalesce(max(position) FILTER (WHERE slot = $1), 0), coalesce(max(newest) FILTER (WHERE slot = $1), 0),
           coalesce(max(newest) FILTER (WHERE slot = (SELECT slot FROM projection.progress WHERE name = 'usage')), 0)
    FROM usage_data.clock
"""
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
    version = 2
    tables = TABLES

    def __init__(self, minutes_kept: int) -> None:
        self._minutes_kept = minutes_kept

    def gather(self) -> Gathered:
        """See SqlProjection."""
        return _Sums(self._minutes_kept)


class _Sums:
    """See Gathered."""

    def __init__(self, minutes_kept: int) -> None:
        self._minutes_kept = minutes_kept
        self._facts: list[Fact] = []
        self._page = Page()

    def add(self, facts: Sequence[Fact]) -> None:
        """See Gathered."""
        self._facts.extend(facts)
        gather(self._page, facts)

    async def write(self, connection: Link, slot: int) -> None:
        """See Gathered. Facts that the slot has are left aside. Raises LookupError for a gap."""
        await connection.execute(_BY_INDEX)
        position, newest, live = await connection.fetchrow(_CLOCK, slot) or (0, 0, 0)
        page = self._after(position)
        if page is None:
            return
        await add_ended(connection, page)
        latest = max((minute for minute, _ in page.counts), default=newest)
        newest, before = max(newest, latest), newest
        await write(connection, slot, page, max(newest, live) - self._minutes_kept)
        await fold_access(connection, slot, sorted(page.access))
        if newest > before:
            await connection.execute(_FORGET_MINUTES, slot, newest - self._minutes_kept)
        await connection.execute(_MOVE_CLOCK, slot, self._facts[-1].position, newest)

    def _after(self, position: int) -> Page | None:
        """What follows the position, None where nothing does. Raises LookupError where some are missing before."""
        first, last = self._facts[0].position, self._facts[-1].position
        if first > position + 1:
            raise LookupError(f"the facts up to {position} are folded, and then come those from {first} on")
        if last <= position:
            return None
        if first <= position:
            page = Page()
            gather(page, self._facts[position + 1 - first :])
            return page
        return self._page
