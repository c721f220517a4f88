"""A Tallystick that trusts the gateways, an API, and each gateway in front of both."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from service.http.tls import self_signed
from tests.gateways.client import Answer, Headers, ask
from tests.gateways.running import KINDS, running_gateway
from tests.gateways.upstream import Upstream, upstream
from tests.product import Product, running_product

USERS = "https://api.example.com/users"
_SECONDS = 30.0


class Rejected(NamedTuple):
    """An `access.rejected` event: where the request came from, and its data."""

    source: str | None
    data: dict[str, Any]


class Behind:
    """A Tallystick, the API, and one gateway in front of them."""

    def __init__(self, gateway: str, product: Product, api: Upstream, port: int) -> None:
        self.gateway = gateway
        self.product = product
        self.api = api
        self.port = port
        self._journal = psycopg.connect(product.run_info()["database_url"], autocommit=True)

    def close(self) -> None:
        """Leave the journal."""
        self._journal.close()

    def ask(self, target: str, *headers: tuple[str, str], method: str = "GET", body: bytes | None = None) -> Answer:
        """What a caller from outside is answered."""
        return ask(self.port, target, headers, method, body)

    def served(self, target: str, *headers: tuple[str, str], method: str = "GET", body: bytes | None = None) -> Any:
        """The same for a request that must pass: what the API was asked."""
        before = len(self.api.asked)
        answer = self.ask(target, *headers, method=method, body=body)
        assert (answer.status, answer.body) == (200, b"served" if method != "HEAD" else b"")
        (asked,) = self.api.asked[before:]
        return asked

    def refused(self, target: str, headers: Headers) -> tuple[Answer, Rejected]:
        """The same for a request that must not: the answer, and the event of the refusal."""
        before, head = len(self.api.asked), self.head()
        answer = self.ask(target, *headers)
        assert answer.status != 200
        assert self.api.asked[before:] == []
        return answer, self.rejected(head)

    def rejected(self, after: int) -> Rejected:
        """The one refusal after a position, once it is there."""
        until = time.monotonic() + _SECONDS
        query = "SELECT source, data FROM journal.events WHERE position > %s AND type = 'access.rejected'"
        while time.monotonic() < until:
            found = self._journal.execute(query, (after,)).fetchall()
            if found:
                ((source, data),) = found
                return Rejected(source, data if isinstance(data, dict) else json.loads(data))
            time.sleep(0.02)
        raise AssertionError("the refusal has no event")

    def head(self) -> int:
        """The last position of the journal."""
        row = self._journal.execute("SELECT position FROM journal.head").fetchone()
        assert row is not None
        return int(row[0])

    def token(self, scope: str = "read:users", client: str = "worker", resource: str = USERS) -> str:
        """An access token."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        answer = httpx.post(f"{self.product.url}/oauth2/token", data=form, auth=self._login(client))
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def revoke(self, token: str, client: str = "worker") -> None:
        """Revoke a token."""
        answer = httpx.post(f"{self.product.url}/oauth2/revoke", data={"token": token}, auth=self._login(client))
        assert answer.status_code == 200, answer.text

    def _login(self, client: str) -> tuple[str, str]:
        return client, self.product.secret(client)


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """A running Tallystick that believes what 127.0.0.1 says of who asks, and nobody else."""
    env = {"TALLYSTICK_TRUSTED_PROXIES": "127.0.0.1"}
    with running_product(access=Path(__file__).with_name("access.yaml"), env=env) as running:
        yield running


@pytest.fixture(scope="session")
def api() -> Iterator[Upstream]:
    """The API that the gateways protect."""
    with upstream() as running:
        yield running


@pytest.fixture(scope="session")
def certificates() -> Iterator[Path]:
    """A folder with a certificate and its key, as gateways want them: two files, and both in one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as text:
        folder = Path(text)
        files = self_signed(folder, "localhost")
        cert, key = files.certificate.read_text(), files.key.read_text()
        for name, content in (("cert.pem", cert), ("key.pem", key), ("both.pem", cert + key)):
            (folder / name).write_text(content)
        yield folder


@pytest.fixture(scope="session", params=KINDS)
def behind(request: pytest.FixtureRequest, product: Product, api: Upstream, certificates: Path) -> Iterator[Behind]:
    """Each gateway in turn."""
    tallystick = int(product.url.rpartition(":")[2])
    with running_gateway(request.param, tallystick, api.port, certificates) as port:
        running = Behind(request.param, product, api, port)
        yield running
        running.close()
