"""`make bench-memory`: what a worker takes for a million live grants.

The grants are appended to the journal of a running product, and the worker folds them as it folds those of any other
worker; then many of their tokens are introspected and refreshed, so that what remembers tokens is full as well. Told is
what the worker has of its own (USS) and with its share of what is shared (PSS), and that every grant is in its memory.
Some grants are of clients by themselves, others of people, with a refresh token and a code that was redeemed. Relay,
projection and anomaly rules are held still meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import psutil

from benchmarks.holding import held
from benchmarks.live_grants import LiveGrants
from benchmarks.load import LOAD_CORE, Case, measure
from benchmarks.people import CLIENT, add_person
from benchmarks.programs import can_load
from service.journal.append_batch import arrays_of
from service.journal.postgres import APPEND
from service.keys.master import load_keys
from service.settings import Settings
from service.tokens.digest import Digester
from tests.product import Product, running_product

BAR_MB = 300.0
_BATCH = 1_000
_PATIENCE = 900.0


class Memory(NamedTuple):
    """Megabytes of a worker."""

    own: float
    with_its_share: float


def main() -> int:
    """Measure; 1 where it is more than the bar."""
    options = _options()
    if not can_load():
        return 2
    with ExitStack() as stack:
        product = stack.enter_context(running_product())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        add_person(product)
        stack.enter_context(held(product, "relay", "project", "consume"))
        _say("at first", memory_of(product))
        digester = Digester(load_keys(Settings(home=product.home)).digests)
        grants = LiveGrants(digester, _subject(product), options.seed)
        asyncio.run(_append(product, grants, options))
        known = grants_held(product, options.grants)
        _say(f"with {known:,} live grants", memory_of(product))
        _ask(product, grants, Path(folder), options)
        most = memory_of(product)
        _say("after that", most)
    print(f"{most.own:.0f} MB for {known:,} live grants, to be at most {BAR_MB:.0f} MB", flush=True)
    return 0 if known >= options.grants and most.own <= BAR_MB else 1


def memory_of(product: Product) -> Memory:
    """Of its one worker."""
    (worker,) = product.processes("serve")
    found = psutil.Process(worker.pid).memory_full_info()
    return Memory(found.uss / 1e6, found.pss / 1e6)


def grants_held(product: Product, wanted: int) -> int:
    """How many grants the worker has in memory, once it has as many as are wanted or is at the head."""
    until = time.monotonic() + _PATIENCE
    while True:
        lags = json.loads(product.cli("projections", "list", "--json").stdout)
        at_head = all(lag["lag_events"] == 0 for lag in lags if lag["name"].startswith("worker:"))
        held = _gauge(product, "tallystick_grants_cached")
        if held >= wanted or (at_head and time.monotonic() > until):
            return held
        assert time.monotonic() < until, f"it has {held:,} grants"
        time.sleep(1)


async def _append(product: Product, grants: LiveGrants, options: argparse.Namespace) -> None:
    owner: asyncpg.Connection[Any] = await asyncpg.connect(product.run_info()["owner_database_url"])
    append = await owner.prepare(APPEND)
    for start in range(0, options.grants, _BATCH):
        many = min(_BATCH, options.grants - start)
        row = await append.fetchrow(*arrays_of([grants.next(options.people) for _ in range(many)]))
        assert row is not None
        assert not row["refused"]
    await owner.close()


def _ask(product: Product, grants: LiveGrants, folder: Path, options: argparse.Namespace) -> None:
    """Introspect tokens and use refresh tokens, each of them once at least where there is the time."""
    introspections, refreshes = folder / "introspections", folder / "refreshes"
    introspections.write_text("\n".join(f"token={text}" for text in grants.access[: options.tokens]))
    refreshes.write_text("\n".join(f"grant_type=refresh_token&refresh_token={text}" for text in grants.refresh))
    url, secret = f"{product.url}/oauth2", product.secret
    for case in (
        Case("introspection", f"{url}/introspect", ("users-api", secret("users-api")), introspections),
        Case("rotation", f"{url}/token", (CLIENT, secret(CLIENT)), refreshes, rotating=True),
    ):
        measured = measure(case, options.seconds, 64, LOAD_CORE)
        assert not measured.bad, measured
        print(f"{case.name}: {measured.rate * options.seconds:,.0f} answers, all good", flush=True)


def _subject(product: Product) -> str:
    (account,) = json.loads(product.cli("account", "list", "--json").stdout)
    return str(account["subject"])


def _gauge(product: Product, name: str) -> int:
    lines = httpx.get(f"{product.url}/metrics").raise_for_status().text.splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)))


def _say(when: str, memory: Memory) -> None:
    print(
        f"{when}: a worker has {memory.own:.0f} MB of its own, {memory.with_its_share:.0f} MB with its share",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-memory", description=__doc__)
    parser.add_argument("--grants", type=int, default=1_000_000, help="that live (1000000)")
    parser.add_argument("--people", type=float, default=0.3, help="share of those that people gave (0.3)")
    parser.add_argument("--tokens", type=int, default=200_000, help="that are introspected in turn (200000)")
    parser.add_argument("--seconds", type=int, default=60, help="of introspection, and of rotation (60)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
