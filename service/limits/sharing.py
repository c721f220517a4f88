"""Tell the other workers, by way of Postgres, what callers took of their buckets here, and learn what they took there.

It is done a few times a second and never waited for by a request: between two times a caller may take from each worker
a little more than it should, and where Postgres is away each worker goes by what it knows itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from service.journal.port import JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.limits.buckets import Buckets, Taken

log = logging.getLogger(__name__)

# Keys are taken in order, so that two workers wait for each other and never for themselves. Postgres tells the time.
_SHARE = """
    INSERT INTO runtime.buckets AS b (key, lacking, at, rate, most)
    SELECT t.key, least(t.taken, t.most), clock_timestamp(), t.rate, t.most
    FROM unnest($1::text[], $2::float8[], $3::float8[], $4::float8[]) AS t(key, taken, rate, most)
    ORDER BY t.key
    ON CONFLICT (key) DO UPDATE SET
        lacking = least(excluded.most, excluded.lacking
            + greatest(0, b.lacking - greatest(0, extract(epoch FROM excluded.at - b.at)) * excluded.rate)),
        at = greatest(excluded.at, b.at), rate = excluded.rate, most = excluded.most
    RETURNING key, lacking
"""
_FORGET = "DELETE FROM runtime.buckets WHERE at < now() - make_interval(secs => most / rate)"


async def share(journal: PostgresJournal, all_buckets: Sequence[Buckets]) -> None:
    """Share what was taken and is not shared yet; what cannot be shared now is kept for the next time."""
    taken = {buckets: buckets.to_share() for buckets in all_buckets if buckets.on}
    if not any(taken.values()):
        return
    rows = [
        (_name(buckets, key), requests, buckets.limit.rate, buckets.limit.most * buckets.limit.rate)
        for buckets, each in taken.items()
        for key, requests in each
    ]
    try:
        told = dict(map(tuple, await journal.fetch(_SHARE, *map(list, zip(*rows, strict=True)))))
    except JournalUnavailable as error:
        log.warning("what callers took is not shared with other workers now: %s", error)
        _keep(taken)
        return
    now = time.monotonic()
    for buckets, each in taken.items():
        buckets.shared({key: told[_name(buckets, key)] for key, _ in each}, now)


async def forget_buckets(journal: PostgresJournal) -> None:
    """Forget the buckets that are full again. Raises JournalUnavailable."""
    await journal.fetch(_FORGET)


def _keep(taken: dict[Buckets, list[Taken]]) -> None:
    for buckets, each in taken.items():
        buckets.not_shared(each)


def _name(buckets: Buckets, key: str) -> str:
    return f"{buckets.limit.name} {key}"
