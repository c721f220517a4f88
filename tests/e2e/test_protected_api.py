"""The API of docs/protect-your-api.md, run as it says: what it serves, refuses, and tells Tallystick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.ports import free_port
from tests.product import Product

PROGRAM = Path(__file__).parents[2] / "examples" / "protected_api.py"
AUDIENCE = "https://api.example.com/users"
SECONDS = 30.0


class Running(NamedTuple):
    """The API at `url`, and a client with rights to it."""

    product: Product
    url: str
    auth: tuple[str, str]

    def token(self, scope: str = "read:users") -> str:
        """A token for the API."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": AUDIENCE}
        answer = httpx.post(f"{self.product.url}/oauth2/token", data=form, auth=self.auth)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def get(self, path: str, *tokens: str) -> httpx.Response:
        """What the API answers."""
        return httpx.get(f"{self.url}{path}", headers=[("authorization", f"Bearer {token}") for token in tokens])

    def refusals(self) -> list[dict[str, Any]]:
        """The events about what an API refused."""
        told = self.product.cli("audit", "tail", "--type", "access.rejected", "--from", "1", "--no-follow", "--json")
        events = [json.loads(line) for line in told.stdout.splitlines()]
        return [event["data"] for event in events if event["data"].get("api") == AUDIENCE]


@pytest.fixture(scope="module")
def api(product: Product) -> Iterator[Running]:
    """The program, as the client `things-api` of a running Tallystick."""
    grant = ("--grant", "client_credentials", "--json")
    reporting = ("--resource", "urn:tallystick:api", "--scope", "access:report")
    secret = added(product, "things-api", *grant, "--introspects", AUDIENCE, *reporting)
    rights = ("--resource", AUDIENCE, "--scope", "read:users", "--scope", "write:users")
    auth = ("things-caller", added(product, "things-caller", *grant, *rights))
    port = free_port()
    settings = {
        "TALLYSTICK_ISSUER": product.url,
        "CLIENT_ID": "things-api",
        "CLIENT_SECRET": secret,
        "AUDIT_NATS_URL": product.run_info()["audit_nats_url"],
    }
    process = subprocess.Popen([sys.executable, str(PROGRAM), str(port)], env=os.environ | settings)
    try:
        running = Running(product, f"http://127.0.0.1:{port}", auth)
        until(lambda: answers(running))
        yield running
    finally:
        process.terminate()
        assert process.wait(20) in {0, -15}


def added(product: Product, *arguments: str) -> str:
    """Add a client; its secret."""
    secret: str = json.loads(product.cli("client", "add", *arguments).stdout)["client_secret"]
    return secret


def answers(running: Running) -> bool:
    """Whether the API takes requests."""
    try:
        return running.get("/users").status_code == 401
    except httpx.ConnectError:
        return False


def until(holds: Any) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "the condition never came to hold"
        time.sleep(0.05)


def test_it_serves_who_may_and_refuses_the_others(api: Running) -> None:
    """Scope, sign-in, and a token of no kind."""
    good = api.token()
    assert api.get("/users", good).json() == {"users": ["zoe"], "asked_by": "things-caller"}
    assert api.get("/users").status_code == 401
    assert api.get("/users", good, good).status_code == 400
    assert api.get("/users", good[:-4] + "AAAA").status_code == 401
    assert api.get("/users", api.token("write:users")).status_code == 403
    step_up = api.get("/users/zoe/secrets", good)
    assert step_up.status_code == 401
    assert 'error="insufficient_user_authentication"' in step_up.headers["www-authenticate"]
    assert 'acr_values="2fa"' in step_up.headers["www-authenticate"]
    metadata = httpx.get(f"{api.url}/.well-known/oauth-protected-resource/users").json()
    assert metadata["authorization_servers"] == [api.product.url]


def test_revoked_token_is_refused_and_each_refusal_is_told(api: Running) -> None:
    """A JWT that nobody introspects: the audit stream tells the API, and the API tells the audit stream."""
    token = api.token()
    assert api.get("/users", token).status_code == 200
    revoked = httpx.post(f"{api.product.url}/oauth2/revoke", data={"token": token}, auth=api.auth)
    assert revoked.status_code == 200
    until(lambda: api.get("/users", token).status_code == 401)
    until(lambda: any(event["reason"] == "token_revoked" for event in api.refusals()))
    (told, *_) = [event for event in api.refusals() if event["reason"] == "token_revoked"]
    assert (told["client_id"], told["route"], told["required_scope"]) == ("things-caller", "/users", "read:users")
    assert told["token_id"]
