"""`make bench-flood`: what a good client notices of a flood of bad requests, and what the flood leaves behind.

One source sends requests with a wrong client secret as fast as wrk can on one core, by way of a proxy that is trusted;
a good client on this machine goes on asking for tokens and introspecting them at an even pace. Shown are its times
before and during the flood, by how many events the journal grew beside its own, and the memory of the worker.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks.programs import can_load
from tests.http_client import Connection
from tests.load import USERS
from tests.product import Product, running_product

FLOOD = "203.0.113.66"
LIMITS = {f"TALLYSTICK_{limit}_RATE": "" for limit in ("SOURCE", "CLIENT", "ACCOUNT", "REFUSAL")}
"""As shipped: the tests' product has none."""
PACE = 0.02
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["X-Forwarded-For"] = "{source}"
wrk.headers["X-Forwarded-Proto"] = "https"
wrk.body = "grant_type=client_credentials&client_id=worker&client_secret=wrong"
"""


def main() -> int:
    """Measure, and print it."""
    options = _options()
    if not can_load():
        return 2
    with running_product(workers=1, env=LIMITS | {"TALLYSTICK_TRUSTED_PROXIES": "127.0.0.1"}) as product:
        asyncio.run(_good(product, 3))
        quiet = asyncio.run(_good(product, options.seconds / 2))
        head, memory = _head(product), _memory(product)
        print(f"quiet: p50 {_at(quiet, 50):.2f} ms, p99 {_at(quiet, 99):.2f} ms of {len(quiet)} requests", flush=True)
        flood, told = _flood(product, options)
        noisy = asyncio.run(_good(product, options.seconds - 4))
        flood.wait()
        print(f"flood: p50 {_at(noisy, 50):.2f} ms, p99 {_at(noisy, 99):.2f} ms of {len(noisy)} requests")
        print(f"p99 during the flood / quiet: {_at(noisy, 99) / _at(quiet, 99):.2f}")
        print(told.read_text())
        own = len(noisy) // 2
        print(f"the journal grew by {_head(product) - head - own} events beside the {own} of the good client")
        print(f"memory of the worker: {memory:.0f} MiB, after it {_memory(product):.0f} MiB")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-flood", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of the flood (60)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    return parser.parse_args()


def _flood(product: Product, options: argparse.Namespace) -> tuple[subprocess.Popen[bytes], Path]:
    folder = Path(tempfile.mkdtemp(prefix="tallystick-flood-"))
    script, told = folder / "flood.lua", folder / "told"
    script.write_text(_SCRIPT.format(source=FLOOD))
    load = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}", "-s", str(script)]
    with told.open("wb") as out:
        return subprocess.Popen(["taskset", "-c", "1", *load, f"{product.url}/oauth2/token"], stdout=out), told


async def _good(product: Product, seconds: float) -> list[float]:
    """Milliseconds of each answer: a token, then its introspection, at an even pace."""
    worker, api = ("worker", product.secret("worker")), ("users-api", product.secret("users-api"))
    http, times = Connection(product.url), []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        form = {"grant_type": "client_credentials", "resource": USERS}
        issued = await http.post("/oauth2/token", form, worker)
        half = time.perf_counter()
        found = await http.post("/oauth2/introspect", {"token": str(issued.json()["access_token"])}, api)
        done = time.perf_counter()
        assert found.json()["active"] is True
        times += [(half - began) * 1e3, (done - half) * 1e3]
        await asyncio.sleep(max(0.0, began + PACE - time.perf_counter()))
    await http.close()
    return times


def _at(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


def _head(product: Product) -> int:
    with psycopg.connect(product.run_info()["owner_database_url"]) as connection:
        row = connection.execute("SELECT position FROM journal.head").fetchone()
    assert row is not None
    return int(row[0])


def _memory(product: Product) -> float:
    (worker,) = product.processes("serve")
    return float(worker.memory_info().rss) / 2**20


if __name__ == "__main__":
    sys.exit(main())
