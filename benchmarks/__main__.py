"""`python -m benchmarks`: rates of the hot endpoints, with Postgres, NATS, service and relay pinned to one core.

The load is `wrk` on another core. Every answer is looked at, and at the end `tallystick audit check` has to be
clean: each issuance that was counted is committed, published and equal in both places.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from benchmarks.load import Case, Measured, measure
from benchmarks.people import CLIENT, add_person, refresh_tokens
from benchmarks.stack import family, pin
from tests.load import USERS
from tests.product import Product, running_product

TOKENS = 2_000


class Options(NamedTuple):
    """How long and how wide; cores are numbers as `taskset` takes them."""

    seconds: int
    connections: int
    rounds: int
    json: Path | None
    stack_core: str = "0"
    load_core: str = "1"


def main() -> int:
    """Run all cases in turn, `rounds` times, and print what was measured."""
    options = _options()
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            sys.stderr.write(f"the benchmarks need {tool} (Debian: apt-get install wrk util-linux)\n")
            return 2
    with running_product(workers=1) as product, tempfile.TemporaryDirectory() as folder:
        pin(product, options.stack_core)
        add_person(product)
        cases = _cases(product, Path(folder))
        results: list[Measured] = []
        for _ in range(options.rounds):
            results += [_run(product, case, options) for case in [*cases, _refresh(product, Path(folder), options)]]
        checked = product.cli("audit", "check", check=False)
        print(checked.stdout.strip())
    if options.json is not None:
        measured = [result._asdict() | {"cpu": dict(result.cpu)} for result in results]
        options.json.write_text(json.dumps({"machine": describe_machine(), "measured": measured}, indent=2))
    return checked.returncode


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each case (8)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--rounds", type=int, default=2, help="how often each case is run, in turn (2)")
    parser.add_argument("--json", type=Path, help="write the results there")
    return Options(**vars(parser.parse_args()))


def _cases(product: Product, folder: Path) -> list[Case]:
    """Issuance of both formats, introspection of distinct live tokens, refusals."""
    grant = f"grant_type=client_credentials&resource={USERS}"
    tokens = [_token(product) for _ in range(TOKENS)]
    introspections = folder / "introspections"
    introspections.write_text("\n".join(f"token={token}" for token in tokens))
    url, secret = product.url, product.secret
    return [
        Case("issuance, ES256 JWT", f"{url}/oauth2/token", ("worker", secret("worker")), grant),
        Case("issuance, opaque", f"{url}/oauth2/token", ("opaque-worker", secret("opaque-worker")), grant),
        Case("introspection, hot", f"{url}/oauth2/introspect", ("users-api", secret("users-api")), introspections),
        Case("refusal, wrong secret", f"{url}/oauth2/token", ("worker", "wrong"), grant, good=401),
    ]


def _refresh(product: Product, folder: Path, options: Options) -> Case:
    """Rotation: more refresh tokens of fresh grants than there are connections; each answer's token is used next."""
    forms = folder / "refreshes"
    tokens = refresh_tokens(product, options.connections * 2)
    forms.write_text("\n".join(f"grant_type=refresh_token&refresh_token={token}" for token in tokens))
    login = (CLIENT, product.secret(CLIENT))
    return Case("refresh rotation, ES256", f"{product.url}/oauth2/token", login, forms, rotating=True)


def _token(product: Product) -> str:
    answer = _http.post(
        f"{product.url}/oauth2/token",
        data={"grant_type": "client_credentials", "resource": USERS},
        auth=("worker", product.secret("worker")),
    )
    return str(answer.json()["access_token"])


_http = httpx.Client()


def _run(product: Product, case: Case, options: Options) -> Measured:
    before = _cpu(product)
    began = time.monotonic()
    measured = measure(case, options.seconds, options.connections, options.load_core)
    seconds = time.monotonic() - began
    used = {name: spent - before.get(name, 0.0) for name, spent in _cpu(product).items()}
    shares = {name: round(spent / seconds, 2) for name, spent in sorted(used.items())}
    measured = measured._replace(cpu=shares)
    print(
        f"{measured.case:24} {measured.rate:8.0f}/s   p50 {measured.p50_ms:6.2f} ms   p99 {measured.p99_ms:6.2f} ms   "
        f"bad {measured.bad}   cpu {shares}",
        flush=True,
    )
    return measured


def _cpu(product: Product) -> dict[str, float]:
    """CPU seconds spent so far, by role."""
    spent: dict[str, float] = defaultdict(float)
    for process in family(product):
        try:
            times, command = process.cpu_times(), " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        spent[_role(command)] += times.user + times.system
    return dict(spent)


def _role(command: str) -> str:
    for mark, role in (("nats-server", "nats"), ("postgres", "postgres"), (" relay", "relay"), (" serve ", "service")):
        if mark in command:
            return role
    return "supervisor"


def describe_machine() -> dict[str, Any]:
    """What it ran on."""
    return {"cores": os.cpu_count(), "python": sys.version.split()[0], "kernel": os.uname().release}


if __name__ == "__main__":
    sys.exit(main())
