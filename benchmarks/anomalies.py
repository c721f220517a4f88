"""`python -m benchmarks.anomalies`: how many events a second the anomaly engine judges on one core.

The journal is filled with a mix as a service of many clients and people has it, and relayed. Its times are spread over
some hours: over one it is dense, though 20,000 events a second would be denser by far; over a week (`--hours 168`) it
is sparse, and rules spend a quarter of their time on turning the hour of clients that had one event in it. Then one
partition begins at its first event: it reads the stream, compares it with the journal, judges it with all the rules,
tells what it finds and keeps snapshots, as in production. It has one core, Postgres and NATS have another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psutil
import uvloop

from benchmarks.mix import Mix, batches
from consumers.anomalies.judge import Share, State, encode
from consumers.anomalies.ledger import Ledger
from consumers.anomalies.partition import Partition
from consumers.anomalies.rule import all_rules
from consumers.anomalies.thresholds import Thresholds
from service.anomalies.deeds import Deeds
from service.anomalies.telling import Teller
from service.embedded.servers import embedded_servers
from service.journal.append_batch import arrays_of
from service.journal.leader import Leader
from service.journal.postgres import APPEND, PostgresJournal
from service.journal.relay import Relay
from service.journal.stream import Stream
from tests.servers import Database, Servers, _make_template, fresh_database

MONTH = 2_592_000.0
_SPREAD = "UPDATE journal.events SET recorded_at = now() - make_interval(secs => $1 * (1 - position / $2::float8))"
# So that the engine begins there and not at the journal's head.
_FROM_THE_START = "INSERT INTO projection.anomaly_snapshots (parts, part, position, data) VALUES (1, 1, 0, $1)"

_FOUND = "SELECT data->>'rule' AS rule, count(*) FROM journal.events WHERE type = 'anomaly.detected' GROUP BY 1"


class Options(NamedTuple):
    """How much; cores are numbers as `taskset` takes them."""

    events: int
    hours: int
    seed: int
    servers_core: int = 0
    core: int = 1


def main() -> None:
    """Fill, relay, judge; print the rate."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder, asyncio.Runner() as runner:
        opened = embedded_servers(Path(folder) / "home", discard=True)
        urls = runner.run(opened.__aenter__())
        try:
            servers = Servers(urls.owner_database_url, urls.database_url, urls.nats_url)
            _make_template(servers)
            with fresh_database(servers) as database:
                uvloop.run(_run(database, servers.nats_url, options))
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _run(database: Database, nats_url: str, options: Options) -> None:
    owner: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    filled = await _fill(owner, options)
    await owner.execute(_SPREAD, options.hours * 3_600, filled)
    await owner.execute("VACUUM ANALYZE journal.events")
    await owner.execute(_FROM_THE_START, zlib.compress(encode(State())))
    await _relay(database, nats_url, filled)
    _pin(options)
    journal = PostgresJournal(database.service_url, deadline=10.0, limit=10_000, batch=256)
    await journal.start()
    try:
        await _judge(database, nats_url, journal, filled)
    finally:
        await journal.stop()
    found = await owner.fetch(_FOUND)
    print("findings: " + (", ".join(f"{row['rule']} {row['count']}" for row in found) or "none"))
    size = await owner.fetchval("SELECT max(length(data)) FROM projection.anomaly_snapshots")
    print(f"snapshot: {size / 1_000_000:.1f} MB")
    await owner.close()


async def _judge(database: Database, nats_url: str, journal: PostgresJournal, filled: int) -> None:
    ledger = await Ledger.take(database.service_url, Share())
    assert ledger is not None
    deliver = Teller(journal, Deeds(database.service_url, journal), {}).deliver
    rules = partial(all_rules, Thresholds())
    partition = Partition(ledger, nats_url, rules, deliver, quiet=3_600.0, relearn=MONTH)
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # as `tallystick consume` does
    cpu, began = time.process_time(), time.perf_counter()
    running = asyncio.create_task(partition.run())
    await _until(lambda: partition.position >= filled or running.done())
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert partition.state == "running", (partition.state, partition.reason)
    print(f"{filled:,} events judged in {took:.1f} s: {filled / took:,.0f} a second", flush=True)
    print(f"of its core it took {cpu:.1f} s: {filled / cpu:,.0f} events for each second of it", flush=True)


async def _fill(owner: asyncpg.Connection[Any], options: Options) -> int:
    began, filled = time.perf_counter(), 0
    await owner.execute("SET synchronous_commit = off")
    append = await owner.prepare(APPEND)
    for batch in batches(Mix(options.seed), options.events):
        await append.fetchrow(*arrays_of(batch))
        filled += sum(len(request.events) for request in batch)
    print(f"{filled:,} events appended in {time.perf_counter() - began:.0f} s", flush=True)
    return filled


async def _relay(database: Database, nats_url: str, filled: int) -> None:
    began = time.perf_counter()
    relay = Relay(
        partial(Leader.elect, database.service_url),
        partial(Stream.connect, nats_url),
        issuer="https://auth.example.com",
    )
    relaying = asyncio.create_task(relay.run())
    await _until(lambda: relay.position >= filled)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    print(f"relayed in {time.perf_counter() - began:.0f} s", flush=True)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def _pin(options: Options) -> None:
    """The servers are the children of this process, and theirs."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.cpu_affinity([options.servers_core])
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {options.core})


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--hours", type=int, default=1, help="that the events are spread over (1)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return Options(given.events, given.hours, given.seed)


if __name__ == "__main__":
    main()
