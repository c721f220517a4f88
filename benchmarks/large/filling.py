"""Fills the journal of a home with millions of valid events, as fast as PostgreSQL takes them.

The rows are those that `journal.append` would have made of the same requests, one position after the other, and the
head row moves with them; they come by COPY, and without `fsync`, which is all that is faster than life. The home is one
that `tallystick up` then runs on: what it publishes, folds and judges is all of it, from position 1.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.large.population import registrations
from benchmarks.mix import Mix, batches
from schema.envelope import client_of
from schema.events import encode
from service.embedded.home import Home
from service.embedded.servers import embedded_servers
from service.journal.migrate import migrate
from service.journal.port import Append
from service.keys.master import load_keys
from service.settings import Settings

COLUMNS = "position, stream, version, type, client, data, actor, source, trace, recorded_at"
EVENTS_A_COMMIT = 20_000
_AHEAD = 4


class Filling(NamedTuple):
    """How much: `events` in all, told by a journal of the last `hours`, by `accounts` people; `seed` is the mix's."""

    events: int
    hours: float
    accounts: int
    seed: int


class Chunk(NamedTuple):
    """Rows in the text format of COPY, and the position of the last of them."""

    rows: bytes
    last: int


def fill(home: Path, filling: Filling, say: Callable[[str], None]) -> int:
    """Fill the journal of a home that has none yet; returns the position of its last event.

    A home that was filled before stays as it is. Raises EmbeddedError or psycopg.Error.
    """
    return asyncio.run(_fill(home, filling, say))


async def _fill(home: Path, filling: Filling, say: Callable[[str], None]) -> int:
    async with embedded_servers(home, say=say, fsync=False) as urls:
        load_keys(Settings(home=home), create=True)
        await asyncio.to_thread(migrate, urls.owner_database_url)
        last = await asyncio.to_thread(_copy, urls.owner_database_url, filling, say)
        files = await asyncio.to_thread(_files, urls.owner_database_url)
    _forget_room(Home(home).postgres_link, files)
    return last


def _files(url: str) -> list[str]:
    """Of the journal's table, with all its parts, below the data directory."""
    with psycopg.connect(url) as owner:
        found = owner.execute(
            "SELECT pg_relation_filepath(relid) FROM pg_partition_tree('journal.events') WHERE isleaf"
        )
        return [path for (path,) in found]


def _forget_room(postgres: Path, files: list[str]) -> None:
    """Remove the free space maps, which PostgreSQL makes anew (it is stopped).

    COPY leaves room at the end of most pages, and VACUUM makes it known: the first events that come then go there, each
    into another page, whose full image is written to the WAL first. A journal that was appended to has no such room.
    """
    for path in files:
        (postgres / f"{path}_fsm").unlink(missing_ok=True)


def _copy(url: str, filling: Filling, say: Callable[[str], None]) -> int:
    with psycopg.connect(url, autocommit=True) as owner:
        head = _head(owner)
        if head:
            say(f"the journal has {head:,} events already")
            return head
        began = time.perf_counter()
        for last in _written(owner, chunks(filling)):
            if last % (25 * EVENTS_A_COMMIT) < EVENTS_A_COMMIT:
                say(f"{last:,} events, {last / (time.perf_counter() - began):,.0f} a second")
        owner.execute("VACUUM (ANALYZE, PARALLEL 0) journal.events")
        owner.execute("CHECKPOINT")
        return _head(owner)


def _written(owner: psycopg.Connection[tuple[int]], made: Iterator[Chunk]) -> Iterator[int]:
    """Write chunks, a commit each, while the next ones are made; gives the last position of each."""
    ahead: queue.Queue[Chunk | BaseException | None] = queue.Queue(_AHEAD)
    threading.Thread(target=_make, args=(made, ahead), daemon=True).start()
    while (chunk := ahead.get()) is not None:
        if isinstance(chunk, BaseException):
            raise chunk
        with owner.transaction():
            with owner.cursor().copy(f"COPY journal.events ({COLUMNS}) FROM STDIN") as copy:
                copy.write(chunk.rows)
            owner.execute("UPDATE journal.head SET position = %s", [chunk.last])
        yield chunk.last


def _make(made: Iterator[Chunk], ahead: queue.Queue[Chunk | BaseException | None]) -> None:
    try:
        for chunk in made:
            ahead.put(chunk)
    except BaseException as error:  # noqa: BLE001 the writing thread raises it
        ahead.put(error)
    ahead.put(None)


def chunks(filling: Filling) -> Iterator[Chunk]:
    """All events as rows, from position 1 on: first who is registered, then the mix."""
    position, rows = 0, list[str]()
    began = time.time() - filling.hours * 3_600
    for request in _requests(filling):
        moment = _moment(min(began + position / filling.events * filling.hours * 3_600, time.time()))
        for version, event in enumerate(request.events, start=request.expected_version + 1):
            position += 1
            data = encode(event).decode().replace("\\", "\\\\")
            source = request.context.source or "\\N"
            rows.append(
                f"{position}\t{request.stream}\t{version}\t{event.TYPE}\t{client_of(event)}\t{data}"
                f"\t{request.context.actor}\t{source}\t\\N\t{moment}\n"
            )
        if len(rows) >= EVENTS_A_COMMIT:
            yield Chunk("".join(rows).encode(), position)
            rows = []
    yield Chunk("".join(rows).encode(), position)


def _requests(filling: Filling) -> Iterator[Append]:
    people = list(registrations(filling.accounts))
    yield from people
    left = filling.events - sum(len(request.events) for request in people)
    for batch in batches(Mix(filling.seed), left):
        yield from batch


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _head(owner: psycopg.Connection[tuple[int]]) -> int:
    row = owner.execute("SELECT position FROM journal.head").fetchone()
    assert row is not None
    return row[0]
