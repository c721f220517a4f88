"""The Tallystick that is fuzzed, and what must be true of it afterwards."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import psycopg

from schema.events import decode
from tests.product import Product, running_product

ACCESS = Path(__file__).with_name("access.yaml")
API = "https://api.example.com/users"
OWN_API = "urn:tallystick:api"
CONFIDENTIAL = ("worker", "opaque-worker", "users-api", "web-app")
_ENVIRONMENT = {
    "TALLYSTICK_HEADER_TIMEOUT": "3",
    "TALLYSTICK_BODY_TIMEOUT": "3",
    # A machine that is busy with other things is no fault of what is fuzzed.
    "TALLYSTICK_COMMIT_DEADLINE": "60",
    "TALLYSTICK_ACCESS_TOKEN_LIFETIME": "86400",
    # Every refusal is to go all the way.
    "TALLYSTICK_SOURCE_RATE": "0",
    "TALLYSTICK_CLIENT_RATE": "0",
    "TALLYSTICK_ACCOUNT_RATE": "0",
    "TALLYSTICK_REFUSAL_RATE": "0",
    "TALLYSTICK_LOGIN_FAILURES_PER_SOURCE": "1000000",
}
_GROWTH = 400 * 1_024 * 1_024
"""Bytes: what a worker takes for caches of grants, and no more."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Credentials(NamedTuple):
    """What good requests carry."""

    secrets: dict[str, str]
    token: str
    opaque: str
    own: str


class Target:
    """A running product with its credentials; `close_look` fails where the requests left a trace."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.url = product.url
        secrets = {name: product.secret(name) for name in CONFIDENTIAL}
        with httpx.Client(base_url=product.url) as http:
            self.credentials = Credentials(
                secrets,
                _token(http, API, "worker", secrets["worker"]),
                _token(http, API, "opaque-worker", secrets["opaque-worker"], post=True),
                _token(http, OWN_API, "users-api", secrets["users-api"]),
            )
        self._workers = product.processes("serve")
        self._memory = [worker.memory_info().rss for worker in self._workers]

    def is_alive(self) -> bool:
        """Whether the same workers run as at the beginning, and answer."""
        ready = httpx.get(f"{self.url}/health/ready", timeout=30)
        same: list[psutil.Process] = self.product.processes("serve")
        return ready.status_code == 200 and [one.pid for one in same] == [one.pid for one in self._workers]

    def growth(self) -> list[int]:
        """By how many bytes each worker's memory has grown."""
        return [worker.memory_info().rss - before for worker, before in zip(self._workers, self._memory, strict=True)]

    def close_look(self) -> list[str]:
        """What is wrong with it now: its workers, log, memory, journal."""
        faults = [] if self.is_alive() else ["a worker died, or is not ready"]
        log = self.product.log()
        faults += [f"in the log: {line}" for line in log.splitlines() if _tells_of_a_fault(line)][:10]
        faults += [f"a worker grew by {grown} bytes" for grown in self.growth() if grown > _GROWTH]
        checked = self.product.cli("audit", "check", check=False)
        if checked.returncode:
            faults.append(f"audit check: {checked.stdout}{checked.stderr}")
        return faults + list(self._odd_events()) + [f"a secret is in the log: {one}" for one in self._told(log)]

    def _odd_events(self) -> Iterator[str]:
        url = self.product.run_info()["owner_database_url"]
        with psycopg.connect(url) as connection, connection.cursor("events") as events:
            events.execute("SELECT position, type, client, data::text, actor, source, trace FROM journal.events")
            for position, kind, client, data, *rest in events:
                decode(kind, data.encode())
                for text in (kind, client, *rest):
                    if text is not None and _CONTROLS.search(str(text)):
                        yield f"event {position} has {text!r}"
                yield from (f"event {position} has a secret of {name}" for name in self._told(data))

    def _told(self, text: str) -> list[str]:
        known = self.credentials.secrets | {
            "a token": self.credentials.token,
            "an opaque token": self.credentials.opaque,
        }
        return [name for name, secret in known.items() if secret in text]


@contextlib.contextmanager
def running_target() -> Iterator[Target]:
    """A product of one worker."""
    with running_product(access=ACCESS, env=_ENVIRONMENT) as product:
        yield Target(product)


def _token(http: httpx.Client, resource: str, client: str, secret: str, *, post: bool = False) -> str:
    form = {"grant_type": "client_credentials", "resource": resource}
    if post:
        answered = http.post("/oauth2/token", data=form | {"client_id": client, "client_secret": secret})
    else:
        answered = http.post("/oauth2/token", data=form, auth=(client, secret))
    return str(answered.raise_for_status().json()["access_token"])


def _tells_of_a_fault(line: str) -> bool:
    return "Traceback" in line or '"level":"error"' in line.replace(" ", "").lower()
