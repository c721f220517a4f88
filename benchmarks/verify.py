"""How many requests a second `/verify` answers on one core: `make bench-verify`. Requirement: at least 10,000.

The whole stack (Postgres, NATS, service, relay) is pinned to one core, `wrk` to another; it asks for distinct tokens
in turn, as a gateway does. On a busy machine the CPU time that it took says more than the rate. What a request costs
the application alone is printed, too: CPU time of the ASGI application, without the HTTP server.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from benchmarks.load import Case, measure
from benchmarks.programs import can_load
from benchmarks.stack import cpu_seconds, pin
from service.bootstrap import open_worker
from service.http.app import create_app
from service.settings import Settings
from tests.load import USERS
from tests.product import Product, running_product

NEEDS = urlencode({"audience": USERS, "scope": "read:users"})
ROUNDS = 9
CALLS = 5_000


class Options(NamedTuple):
    """How long and how wide; cores are numbers as `taskset` takes them."""

    seconds: int
    connections: int
    rounds: int
    tokens: int
    stack_core: str = "0"
    load_core: str = "1"


def main() -> int:
    """Print what was measured."""
    options = _options()
    with running_product() as product, tempfile.TemporaryDirectory() as folder:
        tokens = [_token(product) for _ in range(options.tokens)]
        asyncio.run(in_process(product, tokens))
        if not can_load():
            return 0
        pin(product, options.stack_core)
        bearers = Path(folder) / "bearers"
        bearers.write_text("\n".join(f"Bearer {token}" for token in tokens))
        case = Case("/verify", f"{product.url}/verify?{NEEDS}", ("", ""), bearers, bearer=True)
        return max(over_http(product, case, options) for _ in range(options.rounds))


def over_http(product: Product, case: Case, options: Options) -> int:
    """One run of wrk; 1 where an answer was not 200."""
    before = cpu_seconds(product)
    measured = measure(case, options.seconds, options.connections, options.load_core)
    spent = sum(cpu_seconds(product).values()) - sum(before.values())
    cost = spent / (measured.rate * options.seconds) * 1e6
    print(
        f"over HTTP: {measured.rate:8.0f}/s   p50 {measured.p50_ms:6.2f} ms   p99 {measured.p99_ms:6.2f} ms   "
        f"bad {measured.bad}   CPU of the stack {cost:.0f} µs a request: {1e6 / cost:.0f}/s for a core of its own",
        flush=True,
    )
    return int(measured.bad > 0)


async def in_process(product: Product, tokens: list[str]) -> None:
    """Print the CPU time of a request of a worker of this process, on the product's journal."""
    run = product.run_info()
    settings = Settings(
        database_url=run["database_url"],
        owner_database_url=run["database_url"],
        nats_url=run["nats_url"],
        issuer=product.url,
        home=product.home,
    )
    async with open_worker(settings) as core:
        app = create_app(core)
        requests = [_request(token) for token in tokens]
        first = await _seconds(app, requests, len(requests))
        rounds = [await _seconds(app, requests, CALLS) for _ in range(ROUNDS)]
    print(f"in process, a token that is not known yet: {first * 1e6:.0f} µs")
    print(
        f"in process, a token that is known: {statistics.median(rounds) * 1e6:.1f} µs over {ROUNDS} rounds of {CALLS}"
    )


def _request(token: str) -> dict[str, Any]:
    """A request as the HTTP server hands it over, with what a gateway sends."""
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/verify",
        "raw_path": b"/verify",
        "query_string": NEEDS.encode(),
        "headers": [
            (b"host", b"127.0.0.1:8080"),
            (b"user-agent", b"python-httpx/0.28"),
            (b"accept", b"*/*"),
            (b"x-original-uri", b"/users/7?page=2"),
            (b"x-forwarded-for", b"203.0.113.7"),
            (b"x-forwarded-proto", b"https"),
            (b"authorization", f"Bearer {token}".encode()),
        ],
        "client": ("127.0.0.1", 40_000),
    }


async def _seconds(app: Any, requests: list[dict[str, Any]], calls: int) -> float:
    """What a request takes, of CPU; each must be answered 200."""

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200, message

    began = time.process_time()
    for number in range(calls):
        await app(dict(requests[number % len(requests)]), None, send)
    return (time.process_time() - began) / calls


def _token(product: Product) -> str:
    answer = _http.post(
        f"{product.url}/oauth2/token",
        data={"grant_type": "client_credentials", "resource": USERS},
        auth=("worker", product.secret("worker")),
    )
    return str(answer.raise_for_status().json()["access_token"])


_http = httpx.Client()


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="make bench-verify", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each run (8)")
    parser.add_argument("--connections", type=int, default=32, help="at once (32)")
    parser.add_argument("--rounds", type=int, default=3, help="how many runs (3)")
    parser.add_argument("--tokens", type=int, default=500, help="how many distinct tokens (500)")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
