"""How many requests a second `/verify` answers on one core: `make bench-verify`. Requirement: at least 10,000.

The whole stack (Postgres, NATS, service, relay) is pinned to one core, `wrk` to another; it asks for distinct tokens
in turn, as a gateway does. On a busy machine the CPU time that it took says more than the rate. What a request costs
the application alone is printed, too: CPU time of the ASGI application, without the HTTP server.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import psutil

from benchmarks.stack import family, pin
from service.bootstrap import open_worker
from service.http.app import create_app
from service.settings import Settings
from tests.load import USERS
from tests.product import Product, running_product

NEEDS = urlencode({"audience": USERS, "scope": "read:users"})
ROUNDS = 9
CALLS = 5_000
_SCRIPT = """
local tokens, next = {{}}, 0
for line in io.lines("{tokens}") do tokens[#tokens + 1] = "Bearer " .. line end
request = function()
  next = next % #tokens + 1
  wrk.headers["Authorization"] = tokens[next]
  return wrk.format("GET", nil)
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), summary.errors.status))
end
"""
_RESULT = re.compile(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)")


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
        if shutil.which("wrk") is None or shutil.which("taskset") is None:
            print("over HTTP: not measured, for that needs wrk (Debian: apt-get install wrk util-linux)")
            return 0
        pin(product, options.stack_core)
        script = Path(folder) / "verify.lua"
        (Path(folder) / "tokens").write_text("\n".join(tokens))
        script.write_text(_SCRIPT.format(tokens=Path(folder) / "tokens"))
        return max(over_http(product, script, options) for _ in range(options.rounds))


def over_http(product: Product, script: Path, options: Options) -> int:
    """One run of wrk; 1 where an answer was not 200."""
    before = _cpu(product)
    ran = subprocess.run(
        [
            *("taskset", "-c", options.load_core, "wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}"),
            *("-s", str(script), f"{product.url}/verify?{NEEDS}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    spent = _cpu(product) - before
    found = _RESULT.search(ran.stdout)
    assert found is not None, ran.stdout
    requests, micros, p50, p99, bad = (int(number) for number in found.groups())
    rate, cost = requests / micros * 1e6, spent / requests * 1e6
    print(f"over HTTP: {rate:8.0f}/s   p50 {p50 / 1e3:6.2f} ms   p99 {p99 / 1e3:6.2f} ms   bad {bad}", end="   ")
    print(f"CPU of the stack {cost:.0f} µs a request: {1e6 / cost:.0f}/s for a core of its own", flush=True)
    return int(bad > 0)


def _cpu(product: Product) -> float:
    """CPU seconds that the stack has spent so far."""
    spent = 0.0
    for process in family(product):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return spent


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
