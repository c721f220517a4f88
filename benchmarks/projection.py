"""`python -m benchmarks.projection`: how fast the usage projection folds a journal, live and in a rebuild.

The journal is filled by `journal.append` with a mix as a service of many clients and people has it, then folded by the
runner itself: Postgres is on one core, the projection on another. The journal is folded as it was filled, at full load
within minutes. Then it is rebuilt with its times spread over an hour: dense, though 20,000 events a second would be
denser by far; and over a day and a month: sparse, hardly two events in a row of the figures by minute.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import time
from typing import Any, NamedTuple

import asyncpg
import psutil
import uvloop

from benchmarks.mix import Mix, batches
from projections.runner import Runner, rebuild
from projections.usage import usage_projection
from service.journal.append_batch import arrays_of
from service.journal.postgres import APPEND
from tests.servers import Database, fresh_database, running_servers

KEPT = 7 * 86_400


class Options(NamedTuple):
    """How much; cores are numbers as `taskset` takes them."""

    events: int
    hours: list[int]
    seed: int
    postgres_core: str = "0"
    core: str = "1"


def main() -> int:
    """Fill, fold, spread, rebuild; print the rates."""
    options = _options()
    with running_servers() as servers, fresh_database(servers) as database:
        pinned = _pin_postgres(options.postgres_core)
        gc.freeze()
        gc.set_threshold(200_000, 20, 100)  # as `tallystick project` does
        os.sched_setaffinity(0, {int(options.core)})
        print(f"{pinned} processes of Postgres on core {options.postgres_core}, the projection on {options.core}")
        uvloop.run(_run(database, options))
    return 0


async def _run(database: Database, options: Options) -> None:
    owner: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    filled = await _fill(owner, options)
    await _said("live", filled, _follow(database, owner, filled))
    await _sizes(owner)
    for hours in options.hours:
        await owner.execute(_SPREAD, hours * 3_600, filled)
        await owner.execute("VACUUM ANALYZE journal.events")
        what = f"rebuild, {hours} h"
        await _said(what, filled, rebuild(database.service_url, usage_projection(KEPT), lambda _, __: None))
        await _sizes(owner)
    await owner.close()


async def _fill(owner: asyncpg.Connection[Any], options: Options) -> int:
    began, filled = time.perf_counter(), 0
    append = await owner.prepare(APPEND)
    for batch in batches(Mix(options.seed), options.events):
        await append.fetchrow(*arrays_of(batch))
        filled += sum(len(request.events) for request in batch)
    await owner.execute("VACUUM ANALYZE journal.events")
    print(f"{filled:,} events in {time.perf_counter() - began:.0f} s: {await _mix(owner)}", flush=True)
    return filled


async def _follow(database: Database, owner: asyncpg.Connection[Any], head: int) -> None:
    """The runner, from nothing to the head."""
    task = asyncio.create_task(Runner(database.service_url, [usage_projection(KEPT)]).run())
    while (await owner.fetchval("SELECT position FROM projection.progress WHERE name = 'usage'") or 0) < head:
        assert not task.done(), task.result()
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _said(what: str, events: int, work: Any) -> None:
    began, python, postgres = time.perf_counter(), time.process_time(), _postgres_seconds()
    await work
    await asyncio.sleep(0.2)  # for the server to see that its sessions are gone
    seconds, python, postgres = (
        time.perf_counter() - began - 0.2,
        (time.process_time() - python) / events * 1e6,
        (_postgres_seconds() - postgres) / events * 1e6,
    )
    print(
        f"{what:14} {events / seconds:8,.0f} events/s   {seconds:6.1f} s   "
        f"CPU an event: python {python:5.1f} µs, Postgres {postgres:5.1f} µs",
        flush=True,
    )


async def _sizes(owner: asyncpg.Connection[Any]) -> None:
    rows = await owner.fetch(_SIZES)
    shown = ", ".join(f"{row['name']} {row['rows']:,} ({row['bytes'] / 1e6:.0f} MB)" for row in rows)
    print(f"         {shown}", flush=True)


async def _mix(owner: asyncpg.Connection[Any]) -> str:
    rows = await owner.fetch("SELECT type, count(*) AS times FROM journal.events GROUP BY 1 ORDER BY 2 DESC")
    return ", ".join(f"{row['type']} {row['times']:,}" for row in rows)


def _pin_postgres(core: str) -> int:
    """Pin every process of our Postgres with all it will start; returns how many there are."""
    ours = _postgres()
    for process in ours:
        subprocess.run(["taskset", "-acp", core, str(process.pid)], check=True, capture_output=True)
    return len(ours)


def _postgres() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if "postgres" in each.name()]


def _postgres_seconds() -> float:
    """CPU seconds that Postgres spent so far, its sessions that have ended with it."""
    return sum(sum(process.cpu_times()[:4]) for process in _postgres())


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="make bench-projection", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="in the journal (300000)")
    parser.add_argument("--hours", type=int, nargs="*", default=[1, 24, 720], help="of a rebuilt journal (1 24 720)")
    parser.add_argument("--seed", type=int, default=1, help="of the mix (1)")
    return Options(**vars(parser.parse_args()))


_SPREAD = """
    UPDATE journal.events SET recorded_at = now() - make_interval(secs => $1 * (1 - position / $2::float8))
"""
_SIZES = """
    SELECT c.relname AS name, sum(s.n_live_tup)::bigint AS rows, sum(pg_total_relation_size(s.relid))::bigint AS bytes
    FROM pg_class c JOIN pg_inherits i ON i.inhparent = c.oid JOIN pg_stat_user_tables s ON s.relid = i.inhrelid
    WHERE c.relnamespace = 'usage_data'::regnamespace AND c.relkind = 'p'
    GROUP BY 1 HAVING sum(s.n_live_tup) > 1000 ORDER BY 3 DESC
"""


if __name__ == "__main__":
    sys.exit(main())
