"""`make bench-relay`: how long after its commit an event reaches a subscriber, at full issuance load and at half of it.

Full load is what `wrk` gets out of the token endpoint with all that the stack takes, which is pinned to one core; wrk
and the subscriber, in a process of its own that notes when each event arrives, have the other. At half load half as
many tokens a second are asked for at an even pace. `recorded_at` is taken just before the commit, so that the delay
shown is an upper bound: it has the commit itself in it. Meanwhile it is asked several times a second how far the
projection and anomaly rules are behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import multiprocessing as mp
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from typing import NamedTuple

from benchmarks.lags import Lags
from benchmarks.load import LOAD_CORE, Case, measure
from benchmarks.programs import can_load
from benchmarks.stack import pin
from consumers.subscriber import Subscriber
from schema.envelope import RecordedEvent
from tests.http_client import Connection
from tests.load import USERS
from tests.product import Product, running_product

BAR_MS = {"full": 100.0, "half": 50.0}
CORE = "0"
FORM = {"grant_type": "client_credentials", "resource": USERS}

Ask = Callable[[], tuple[float, float]]
"""Asks for tokens for some seconds; gives how many there were, and in how many seconds."""


class Delays(NamedTuple):
    """Milliseconds from `recorded_at` to arrival."""

    events: int
    p50: float
    p99: float
    most: float


def main() -> int:
    """Measure some rounds at full load and at half of it, and print them."""
    options = _options()
    if not can_load():
        return 2
    with running_product(workers=1) as product:
        pin(product, CORE)
        os.sched_setaffinity(0, {int(LOAD_CORE)})
        rate = _full(product, options)()[0] / options.seconds  # what comes first warms it up, too
        asked = {"full": _full(product, options), "half": _half(product, rate / 2, options)}
        rounds = {load: [_round(product, load, ask) for _ in range(options.rounds)] for load, ask in asked.items()}
    for load, found in rounds.items():
        median = statistics.median(each.p99 for each in found)
        print(f"{load} load: median p99 {median:.1f} ms, to be at most {BAR_MS[load]:.0f} ms")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-relay", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each round (8)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--rounds", type=int, default=3, help="at full load, and at half (3)")
    return parser.parse_args()


def _full(product: Product, options: argparse.Namespace) -> Ask:
    body = "&".join(f"{name}={value}" for name, value in FORM.items())
    case = Case("issuance", f"{product.url}/oauth2/token", ("worker", product.secret("worker")), body)

    def ask() -> tuple[float, float]:
        measured = measure(case, options.seconds, options.connections, LOAD_CORE)
        assert not measured.bad, measured
        return measured.rate * options.seconds, options.seconds

    return ask


def _half(product: Product, rate: float, options: argparse.Namespace) -> Ask:
    return lambda: asyncio.run(_paced(product, rate, options.seconds, options.connections))


def _round(product: Product, load: str, ask: Ask) -> Delays:
    info = product.run_info()
    here, there = mp.Pipe()
    subscriber = mp.get_context("spawn").Process(target=_subscribe, args=(info["audit_nats_url"], there))
    subscriber.start()
    try:
        assert here.recv() == "ready"
        with Lags(info["database_url"]) as lags:
            sent, seconds = ask()
        here.send("stop")
        delays = here.recv()
    finally:
        subscriber.join(30)
    cuts = statistics.quantiles(delays, n=100)
    found = Delays(len(delays), cuts[49], cuts[98], max(delays))
    print(
        f"{load} load: {sent / seconds:6.0f} tokens/s, {found.events} events arrived: commit to delivery"
        f" p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms, max {found.most:.1f} ms; behind at most: {lags}",
        flush=True,
    )
    return found


async def _paced(product: Product, rate: float, seconds: int, connections: int) -> tuple[float, float]:
    """Ask for tokens at an even pace; returns how many were given, and in how many seconds."""
    login = ("worker", product.secret("worker"))
    began, sent = time.monotonic(), 0

    async def caller(number: int) -> None:
        nonlocal sent
        http, turn = Connection(product.url), 0
        while (due := (turn * connections + number) / rate) < seconds:
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            assert (await http.post("/oauth2/token", FORM, login)).status == 200
            turn, sent = turn + 1, sent + 1
        await http.close()

    await asyncio.gather(*(caller(number) for number in range(connections)))
    return sent, time.monotonic() - began


def _subscribe(url: str, parent: Pipe) -> None:
    asyncio.run(_note_delays(url, parent))


async def _note_delays(url: str, parent: Pipe) -> None:
    """Follow from where the stream ends, until told to stop and all that had come by then was noted."""
    delays: list[float] = []
    following = asyncio.create_task(_follow(url, delays, parent))
    await asyncio.to_thread(parent.recv)
    await asyncio.sleep(1)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    parent.send(delays)


async def _follow(url: str, delays: list[float], parent: Pipe) -> None:
    from consumers.stream_reader import stream_ends  # noqa: PLC0415 the subscriber's process alone needs it

    ends = await stream_ends(url)
    assert ends is not None
    parent.send("ready")
    async with contextlib.aclosing(Subscriber(url, ends.last_seq).events()) as events:
        async for event in events:
            _note(delays, event)


def _note(delays: list[float], event: RecordedEvent) -> None:
    delays.append((dt.datetime.now(dt.UTC) - event.recorded_at).total_seconds() * 1e3)


if __name__ == "__main__":
    sys.exit(main())
