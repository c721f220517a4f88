"""Adds a page's sums to the tables of a slot, from parallel arrays.

Arrays go as text, which Postgres parses faster than Python can encode them element by element. What is counted has a
digest for its words: once they are known, the digest alone goes over. Rows are found by the index of the conflict that
they make or by a scalar subquery: a join's plan, made while the tables were small, would scan those that have grown.
What is known already is looked up first, since to find it by a conflict locks, and so writes, the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from projections.sql_projection import Link
from projections.usage.page import BOUNDS, Page, Place, Seen, Series
from schema.networks import network_of


async def write(connection: Link, slot: int, page: Page, oldest: int) -> None:
    """Add the sums; minutes before the second `oldest` are not kept. Within a transaction only."""
    await _write_counts(connection, slot, page, oldest)
    await _write_places(connection, slot, page)
    await _write_seen(connection, slot, page)
    if page.chains:
        await connection.execute(_CHAINS, slot, *zip(*_chain_rows(page), strict=True))


@lru_cache(maxsize=65_536)
def id_of(words: Series | Place) -> str:
    """The digest that stands for the words: 128 bits in hex."""
    return blake2b("\0".join(map(str, words)).encode(), digest_size=16).hexdigest()


async def _write_counts(connection: Link, slot: int, page: Page, oldest: int) -> None:
    ages = _ages(page)
    if not page.counts and not ages:
        return
    missing = await connection.fetch(_COUNTS, slot, oldest, *_summed(page.counts), *_summed(ages))
    if missing:
        wanted = {row["series"].hex for row in missing}
        words = {series for _, series in (*page.counts, *ages) if id_of(series) in wanted}
        await connection.execute(_SERIES, slot, _array(map(id_of, words)), *map(_array, zip(*words, strict=True)))


def _ages(page: Page) -> dict[tuple[int, Series], int]:
    """By day and series, one for each bound."""
    return {
        (day, ("age", client, resource, "", grant_type, "", "", "", bound)): times
        for (day, client, resource, grant_type), ages in page.ages.items()
        for bound, times in zip(BOUNDS, ages, strict=True)
        if times
    }


def _summed(counts: Mapping[tuple[int, Series], int]) -> tuple[str, str, str]:
    """The three arrays: when, what, how often."""
    at, series = zip(*counts, strict=True) if counts else ((), ())
    return _array(at), _array(map(id_of, series)), _array(counts.values())


async def _write_places(connection: Link, slot: int, page: Page) -> None:
    places = {place for _, place, _ in page.subjects}
    places.update(place for _, place, _ in page.sources)
    if places:
        clients, resources = zip(*places, strict=True)
        await connection.execute(_PLACES, slot, _array(map(id_of, places)), _array(clients), _array(resources))


async def _write_seen(connection: Link, slot: int, page: Page) -> None:
    if page.subjects:
        await connection.execute(_SUBJECTS, slot, *_arrays_of(page.subjects))
    if page.sources:
        networks = _array([network_of(source) for _, _, source in page.sources])
        await connection.execute(_SOURCES, slot, *_arrays_of(page.sources), networks)


def _arrays_of(seen: Seen) -> tuple[str, str, str, str]:
    days, places, names = zip(*seen, strict=True)
    return _array(days), _array(map(id_of, places)), _array(names), _array(seen.values())


def _chain_rows(page: Page) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for grant_id, chain in page.chains.items():
        client, resource = chain.place or (None, None)
        begun = (client, resource, chain.started, chain.expires)
        rows.append((grant_id, *begun, chain.rotations, chain.refreshes, chain.retries, chain.reused, chain.revoked))
    return rows


def _array(values: Iterable[Any]) -> str:
    """An array as Postgres writes one. Every element is quoted: whatever it has in it, it ends nothing."""
    texts = [*map(str, values)]
    if not texts:
        return "{}"
    inner = '","'.join(texts)
    if "\\" in inner or inner.count('"') != 2 * (len(texts) - 1):
        inner = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return f'{{"{inner}"}}'


# Hours and days are made of the minutes here. What comes back are series whose words are not known yet.
_COUNTS = """
    WITH added AS MATERIALIZED (
        SELECT at, series, times
        FROM unnest($3::text::bigint[], $4::text::uuid[], $5::text::bigint[]) AS a(at, series, times)
    ), ages AS MATERIALIZED (
        SELECT at, series, times
        FROM unnest($6::text::bigint[], $7::text::uuid[], $8::text::bigint[]) AS a(at, series, times)
    ), minutes AS (
        INSERT INTO usage_data.per_minute AS t (slot, at, series, times)
        SELECT $1, to_timestamp(at), series, times FROM added WHERE at >= $2::bigint
        ON CONFLICT (slot, at, series) DO UPDATE SET times = t.times + excluded.times
    ), hours AS (
        INSERT INTO usage_data.per_hour AS t (slot, at, series, times)
        SELECT $1, to_timestamp(at - at % 3600), series, sum(times) FROM added GROUP BY at - at % 3600, series
        ON CONFLICT (slot, at, series) DO UPDATE SET times = t.times + excluded.times
    ), days AS (
        INSERT INTO usage_data.per_day AS t (slot, at, series, times)
        SELECT $1, to_timestamp(at - at % 86400), series, sum(times) FROM added GROUP BY at - at % 86400, series
        UNION ALL
        SELECT $1, to_timestamp(at), series, times FROM ages
        ON CONFLICT (slot, at, series) DO UPDATE SET times = t.times + excluded.times
    ), latest AS (
        INSERT INTO usage_data.latest AS t (slot, series, at)
        SELECT $1, a.series, to_timestamp(a.at) FROM (SELECT series, max(at) AS at FROM added GROUP BY series) a
        WHERE (SELECT k.at >= to_timestamp(a.at) FROM usage_data.latest k WHERE k.slot = $1 AND k.series = a.series)
            IS NOT TRUE
        ON CONFLICT (slot, series) DO UPDATE SET at = excluded.at
    )
    SELECT a.series FROM (SELECT series FROM added UNION SELECT series FROM ages) a
    WHERE (SELECT true FROM usage_data.series s WHERE s.slot = $1 AND s.id = a.series) IS NULL
"""
_SERIES = """
    INSERT INTO usage_data.series (slot, id, what, client, resource, scope, grant_type, via, error, reason, seconds)
    SELECT $1, * FROM unnest(
        $2::text::uuid[], $3::text::text[], $4::text::text[], $5::text::text[], $6::text::text[], $7::text::text[],
        $8::text::text[], $9::text::text[], $10::text::text[], $11::text::int[]
    )
"""
_PLACES = """
    INSERT INTO usage_data.places (slot, id, client, resource)
    SELECT $1, * FROM unnest($2::text::uuid[], $3::text::text[], $4::text::text[])
    ON CONFLICT DO NOTHING
"""
_SUBJECTS = """
    INSERT INTO usage_data.subjects AS s (slot, day, place, subject, hours)
    SELECT $1, to_timestamp(a.day), a.place, a.subject, a.hours
    FROM unnest($2::text::bigint[], $3::text::uuid[], $4::text::text[], $5::text::int[])
        AS a(day, place, subject, hours)
    WHERE (SELECT k.hours | a.hours = k.hours FROM usage_data.subjects k
        WHERE k.slot = $1 AND k.day = to_timestamp(a.day) AND k.place = a.place AND k.subject = a.subject) IS NOT TRUE
    ON CONFLICT (slot, day, place, subject) DO UPDATE SET hours = s.hours | excluded.hours
"""
_SOURCES = """
    INSERT INTO usage_data.sources AS s (slot, day, place, source, network, hours)
    SELECT $1, to_timestamp(a.day), a.place, a.source, a.network, a.hours
    FROM unnest($2::text::bigint[], $3::text::uuid[], $4::text::text[], $5::text::int[], $6::text::text[])
        AS a(day, place, source, hours, network)
    WHERE (SELECT k.hours | a.hours = k.hours FROM usage_data.sources k
        WHERE k.slot = $1 AND k.day = to_timestamp(a.day) AND k.place = a.place AND k.source = a.source) IS NOT TRUE
    ON CONFLICT (slot, day, place, source) DO UPDATE SET hours = s.hours | excluded.hours
"""
# A chain that goes on has its row, whose beginning stays as it is; other grants that go on have none.
_CHAINS = """
    INSERT INTO usage_data.chains AS c
        (slot, grant_id, client, resource, started, expires, rotations, refreshes, retries, reused, revoked)
    SELECT $1, a.grant_id, coalesce(a.client, ''), coalesce(a.resource, ''), to_timestamp(a.started),
           to_timestamp(a.expires), a.rotations, a.refreshes, a.retries, a.reused, a.revoked
    FROM unnest(
        $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
        $7::int[], $8::int[], $9::int[], $10::bool[], $11::text[]
    ) AS a(grant_id, client, resource, started, expires, rotations, refreshes, retries, reused, revoked)
    WHERE a.client IS NOT NULL
       OR (SELECT true FROM usage_data.chains k WHERE k.slot = $1 AND k.grant_id = a.grant_id)
    ON CONFLICT (slot, grant_id) DO UPDATE SET
        rotations = greatest(c.rotations, excluded.rotations), refreshes = c.refreshes + excluded.refreshes,
        retries = c.retries + excluded.retries, reused = c.reused OR excluded.reused,
        revoked = coalesce(c.revoked, excluded.revoked)
"""
