"""From counts of what was throttled to `access.throttled` events: one for each caller and window.

Workers add their counts up in Postgres, in the window that is open by its clock. A window that is over becomes events
in streams of its own, named by window and caller: whichever worker tells of it, and however often, it is told once.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

from schema.envelope import Context
from schema.events import AccessThrottled, ThrottledRequests
from schema.streams import derived_stream
from service.journal.port import Append, JournalUnavailable, VersionConflict
from service.journal.postgres import PostgresJournal
from service.limits.windows import Throttled, What, Who

log = logging.getLogger(__name__)

_RECORD = """
    INSERT INTO runtime.throttled AS t
        (starts, seconds, who, "limit", source, client, account, endpoint, error, reason, status, times)
    SELECT floor(extract(epoch FROM clock_timestamp()) / $1)::bigint * $1, $1, r.*
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::int[], $11::bigint[])
        AS r(who, "limit", source, client, account, endpoint, error, reason, status, times)
    ORDER BY r.who, r.endpoint, r.error, r.reason, r.status
    ON CONFLICT (starts, seconds, who, endpoint, error, reason, status) DO UPDATE SET times = t.times + excluded.times
"""
# Ten seconds later: a worker may have begun to record in a window just before its end.
_CLOSED = """
    SELECT starts, seconds, who, "limit", source, client, account, sum(times)::bigint AS times,
           json_agg(json_build_object('endpoint', endpoint, 'error', error, 'reason', reason, 'status', status,
                                      'count', times) ORDER BY times DESC, endpoint, error, reason, status) AS requests
    FROM runtime.throttled
    WHERE starts + seconds + 10 <= extract(epoch FROM clock_timestamp())
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 3 LIMIT 200
"""
_TOLD = "DELETE FROM runtime.throttled WHERE starts = $1 AND seconds = $2 AND who = $3"
_NAMED_KINDS = 64


async def record(journal: PostgresJournal, throttled: Throttled, window: int) -> None:
    """Add what was counted to the open window, of `window` seconds; what cannot be added now is kept."""
    counts = throttled.take()
    if not counts:
        return
    try:
        await journal.fetch(_RECORD, window, *_columns(counts))
    except JournalUnavailable as error:
        log.warning("what was throttled is recorded later: %s", error)
        for (who, what), times in counts.items():
            throttled.count(who, what, times)


async def tell(journal: PostgresJournal) -> int:
    """Commit the events of windows that are over; returns how many. Raises JournalUnavailable."""
    rows = await journal.fetch(_CLOSED)
    for row in rows:
        event, context = _event(row), Context(source=_address(row["source"]))
        stream = derived_stream(row["starts"] * 1_000, f"throttled {row['seconds']} {row['who']}")
        try:
            await journal.append(Append(stream, 0, (event,), context))
        except VersionConflict:
            log.debug("another worker told of it")
        await journal.fetch(_TOLD, row["starts"], row["seconds"], row["who"])
    return len(rows)


def _columns(counts: Counter[tuple[Who, What]]) -> list[list[Any]]:
    rows = [(_name(who), *who, *what, times) for (who, what), times in counts.items()]
    return [list(column) for column in zip(*rows, strict=True)]


def _name(who: Who) -> str:
    return " ".join((who.limit, who.source or "_", who.client_id or "_", who.account or "_"))


def _event(row: Any) -> AccessThrottled:
    return AccessThrottled(
        limit=row["limit"],
        window_starts_at=row["starts"],
        window_seconds=row["seconds"],
        count=row["times"],
        network=row["source"],
        client_id=row["client"],
        account=row["account"],
        requests=tuple(ThrottledRequests(**kind) for kind in json.loads(row["requests"])[:_NAMED_KINDS]),
    )


def _address(network: str | None) -> str | None:
    """The address of a source, of a network its first."""
    return None if network is None else network.partition("/")[0]
