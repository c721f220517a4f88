"""`tallystick doctor` against a product as it is started, and once faults are planted in it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.doctor.ask_database import ask_use
from service.doctor.gather import GROUPS
from tests.product import COMMAND, Product, running_product

CLIENTS = """
resources:
  - uri: https://api.example.com/users
    scopes: {"read:users": Read users, "write:users": Change users}
clients:
  - id: long-lived
    grants: [client_credentials]
    scopes: ["read:users"]
    resources: [https://api.example.com/users]
    access_token_lifetime: 24h
    secret_file: long-lived
  - id: careless-app
    auth_method: none
    first_party: true
    grants: [authorization_code]
    scopes: [openid]
    redirect_uris: ["http://localhost:3000/callback", "https://app.example.com/callback?next=/"]
"""
PLANTED = {
    ("database-role-superuser", "fail"),
    ("access-token-long", "fail"),
    ("secret-file-open", "fail"),
    ("redirect-uri-localhost", "warn"),
    ("redirect-uri-open", "warn"),
    ("client-public-first-party", "warn"),
    ("settings-differ", "warn"),
}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """A product of this module's own, for it is spoilt."""
    with running_product() as running:
        yield running


def _doctor(product: Product, **variables: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the findings and all that was printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")}
    result = subprocess.run(
        [*COMMAND, "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=env | {"TALLYSTICK_HOME": str(product.home)} | variables,
    )
    assert result.stderr == ""
    return result.returncode, json.loads(result.stdout), result.stdout


def _secrets(product: Product) -> set[str]:
    """Every secret of the home."""
    generated = json.loads((product.home / "secrets.json").read_text())
    files = (*(product.home / "secrets").iterdir(), product.home / "master.key")
    generated.pop("home_id")
    return {*generated.values(), *(each.read_text().strip() for each in files)}


def test_a_product_as_it_is_started_is_well(product: Product) -> None:
    """A trial has no failure; every check was made, none in vain, and no secret is in what is printed."""
    code, findings, printed = _doctor(product)
    told = {each["id"] for each in findings}

    assert [each for each in findings if each["severity"] == "fail"] == []
    assert code == 0
    skipped = {check.id for group in GROUPS if group.name == "tls" for check in group.checks}
    assert told == {check.id for group in GROUPS for check in group.checks} - skipped
    assert {each["id"] for each in findings if each["severity"] == "unknown"} == set()
    assert not [secret for secret in _secrets(product) if secret in printed]


async def test_clients_that_nobody_used(product: Product) -> None:
    """Seen from tomorrow, a client that got no token is unused, and so are its scopes; one that introspects is not."""
    url = product.run_info()["database_url"]
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    async with asyncio.timeout(60):
        while "opaque-worker" not in {use.client for use in (await ask_use(url, tomorrow))[1]}:
            await asyncio.sleep(0.1)
    folded, clients, scopes = await ask_use(url, tomorrow)

    assert folded
    assert "users-api" not in {use.client for use in clients}
    assert ("opaque-worker", "read:users") in {(use.client, use.scope) for use in scopes}
    assert (await ask_use(url, tomorrow - dt.timedelta(days=90)))[1:] == ((), ())


def test_planted_faults_are_found(product: Product, tmp_path: Path) -> None:
    """Each fault put into the running product is found, and nothing fails besides."""
    access = tmp_path / "access.yaml"
    access.write_text(CLIENTS)
    product.cli("apply", str(access))
    (product.home / "secrets.json").chmod(0o644)
    with psycopg.connect(product.run_info()["owner_database_url"], autocommit=True) as owner:
        owner.execute("ALTER ROLE tallystick_service SUPERUSER")

    code, findings, printed = _doctor(product, TALLYSTICK_ACCESS_TOKEN_LIFETIME="60")
    seen = {(each["id"], each["severity"]) for each in findings}

    assert code == 1
    assert seen >= PLANTED
    assert {each for each in seen if each[1] == "fail"} == {each for each in PLANTED if each[1] == "fail"}
    assert not [secret for secret in _secrets(product) if secret in printed]
