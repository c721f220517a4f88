"""Postgres frozen, NATS gone: what goes on, what fails closed, and that all is well afterwards without a restart."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from tests.http_client import PLAIN
from tests.load import USERS
from tests.product import Product, running_product

SECONDS = 30.0
DEADLINE = 2.0


@pytest.fixture
def product() -> Iterator[Product]:
    """A product of the test's own: it is frozen and cut."""
    with running_product(workers=1) as running:
        yield running


def _token(product: Product) -> httpx.Response:
    return httpx.post(
        f"{product.url}/oauth2/token",
        data={"grant_type": "client_credentials", "resource": USERS},
        auth=("worker", product.secret("worker")),
        timeout=10,
        verify=PLAIN,
    )


def _introspect(product: Product, token: str) -> httpx.Response:
    return httpx.post(
        f"{product.url}/oauth2/introspect",
        data={"token": token},
        auth=("users-api", product.secret("users-api")),
        timeout=10,
        verify=PLAIN,
    )


def _ready(product: Product) -> dict[str, object]:
    found: dict[str, object] = httpx.get(f"{product.url}/health/ready", timeout=10, verify=PLAIN).json()
    return found


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def _send(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        process.send_signal(number)


def test_postgres_frozen(product: Product) -> None:
    """Tokens get 503 within the deadline, introspection goes on for the bound and then fails closed; SIGCONT heals."""
    token = _token(product).json()["access_token"]
    frozen = product.family("postgres")
    _send(frozen, signal.SIGSTOP)
    known = _introspect(product, token)
    began = time.monotonic()
    refused = _token(product)
    took = time.monotonic() - began
    _until(lambda: _introspect(product, token).status_code == 503)
    still = _introspect(product, token)
    _send(frozen, signal.SIGCONT)
    _until(lambda: _ready(product)["status"] == "ready")

    assert (known.status_code, known.json()["active"]) == (200, True)
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert took < 3 * DEADLINE
    assert still.status_code == 503
    assert _token(product).status_code == 200
    assert _introspect(product, token).json()["active"]
    assert product.cli("audit", "check", check=False).returncode == 0


def test_nats_frozen(product: Product) -> None:
    """Issuance goes on, readiness says degraded, and the stream is complete once NATS is back."""
    frozen = product.family("nats-server")
    _send(frozen, signal.SIGSTOP)
    issued = [_token(product).status_code for _ in range(20)]
    _until(lambda: _ready(product)["status"] == "degraded")
    later = _token(product).status_code
    _send(frozen, signal.SIGCONT)
    _until(lambda: _ready(product)["status"] == "ready")

    assert issued == [200] * 20
    assert later == 200
    assert product.cli("audit", "check", check=False).returncode == 0
