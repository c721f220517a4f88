"""Commands against a running product: when one returns, every worker acts on the change."""

from __future__ import annotations

import json
import re
import time

import httpx
import pytest

from tests.http_client import PLAIN
from tests.load import USERS
from tests.product import Product

ASKED = 24
PATIENCE = 30.0


def _token(product: Product, client: str, secret: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "resource": USERS}
    return httpx.post(f"{product.url}/oauth2/token", data=form, auth=(client, secret), verify=PLAIN)


def _active(product: Product, token: str) -> set[bool]:
    """What the workers say, each asked over a connection of its own."""
    login = ("users-api", product.secret("users-api"))
    url, form = f"{product.url}/oauth2/introspect", {"token": token}
    return {httpx.post(url, data=form, auth=login, verify=PLAIN).json()["active"] for _ in range(ASKED)}


def _keys(product: Product) -> dict[str, str]:
    """The status of each key."""
    return {key["kid"]: key["status"] for key in json.loads(product.cli("keys", "list", "--json").stdout)}


def _published(product: Product) -> set[str]:
    return {key["kid"] for key in httpx.get(f"{product.url}/.well-known/jwks.json").json()["keys"]}


def test_keys_rotate_and_retire(product: Product) -> None:
    """The next key is published before it signs; the old one's tokens stay active until it is retired."""
    secret = product.secret("worker")
    (first,) = _keys(product)
    old_token = _token(product, "worker", secret).json()["access_token"]
    product.cli("keys", "rotate")
    published_ahead = _published(product)
    (second,) = published_ahead - {first}
    before = _keys(product)
    product.cli("keys", "rotate", "--now")
    after, still_active = _keys(product), _active(product, old_token)
    refused = product.cli("keys", "retire", second, check=False)
    product.cli("keys", "retire", first)

    assert before == {first: "current", second: "next"}
    assert after == {first: "previous", second: "current"}
    assert still_active == {True}
    assert (refused.returncode, "rotate first" in refused.stderr) == (1, True)
    assert _active(product, old_token) == {False}
    assert _published(product) == {second}
    assert _active(product, _token(product, "worker", secret).json()["access_token"]) == {True}


def test_a_client_is_added_rotated_disabled_and_enabled(product: Product) -> None:
    """Both secrets work in the overlap; once disabled, no worker issues to it or calls a token of it active."""
    added = json.loads(
        product.cli(
            *("client", "add", "passing", "--grant", "client_credentials", "--scope", "read:users"),
            *("--resource", USERS, "--json"),
        ).stdout
    )
    first = added["client_secret"]
    token = _token(product, "passing", first).json()["access_token"]
    rotated = json.loads(product.cli("client", "rotate-secret", "passing", "--json").stdout)
    both = [_token(product, "passing", secret).status_code for secret in (first, rotated["client_secret"])]
    product.cli("client", "disable", "passing", "--reason", "leaked")
    disabled = {_token(product, "passing", rotated["client_secret"]).status_code for _ in range(ASKED)}
    inactive = _active(product, token)
    product.cli("client", "enable", "passing")

    assert added["client_id"] == "passing"
    assert both == [200, 200]
    assert disabled == {401}
    assert inactive == {False}
    assert _active(product, token) == {True}


def test_metrics_are_those_of_all_workers(product: Product) -> None:
    """One page counts what the four workers did, each within a second, and a stranger's name is no label."""

    def issued() -> float:
        page = httpx.get(f"{product.url}/metrics").text
        assert "stranger" not in page
        found = re.search(r'^tallystick_tokens_issued_total\{client="opaque-worker".*\} (\S+)$', page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = issued()
    for _ in range(ASKED):
        _token(product, "opaque-worker", product.secret("opaque-worker"))
        _token(product, "stranger", "x")

    deadline = time.monotonic() + PATIENCE
    while (told := issued()) < before + ASKED and time.monotonic() < deadline:
        time.sleep(0.1)
    assert told == issued() == before + ASKED


@pytest.mark.parametrize("group", ["keys list", "client list", "resource list", "role list"])
def test_lists_have_json(product: Product, group: str) -> None:
    """Every command that lists takes --json."""
    assert isinstance(json.loads(product.cli(*group.split(), "--json").stdout), list)
