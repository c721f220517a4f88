"""A running Tallystick whose tokens other people's verifiers are shown: its clients, tokens, keys and events."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.product import Product, running_product
from tests.visitor import PASSWORD

API = "https://api.example.com/users"
OTHER_API = "https://api.example.com/payments"
CALLBACK = "http://127.0.0.1/callback"
_WORKER = f"""\
  - id: {{id}}
    grants: [client_credentials]
    scopes: ["read:users", "write:users", "read:payments"]
    resources: [{API}, {OTHER_API}]
    secret_file: {{id}}
    {{more}}
"""
_WORKERS = {"worker": "", "opaque": "token_format: opaque", "hasty": "access_token_lifetime: 1", "gone": ""}
_ACCESS = f"""
resources:
  - uri: {API}
    scopes: {{"read:users": Read users, "write:users": Change users}}
  - uri: {OTHER_API}
    scopes: {{"read:payments": Read payments}}
clients:
{"".join(_WORKER.format(id=name, more=more).rstrip(" ") for name, more in _WORKERS.items())}  - id: web
    grants: [authorization_code, refresh_token]
    scopes: [openid, offline_access, "read:users"]
    resources: [{API}]
    redirect_uris: [{CALLBACK}]
    secret_file: web
  - id: users-api
    introspects: [{API}]
    grants: [client_credentials]
    scopes: ["access:report"]
    resources: [urn:tallystick:api]
    secret_file: users-api
  - id: auditor
    grants: [client_credentials]
    scopes: ["audit:read"]
    resources: [urn:tallystick:api]
    secret_file: auditor
"""


class Issuing(NamedTuple):
    """The product, with an account `zoe`, and clients whose secrets it keeps in files."""

    product: Product

    def asked(self, client: str, form: Mapping[str, str]) -> dict[str, Any]:
        """What a client is given for a form."""
        auth = (client, self.product.secret(client))
        answer = httpx.post(f"{self.product.url}/oauth2/token", data=dict(form), auth=auth)
        assert answer.status_code == 200, answer.text
        given: dict[str, Any] = answer.json()
        return given

    def token(self, client: str, scope: str = "read:users", resource: str = API) -> str:
        """A token of a client's own."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        token: str = self.asked(client, form)["access_token"]
        return token

    def revoke(self, client: str, token: str) -> None:
        """Have a client take back a token of its own."""
        auth = (client, self.product.secret(client))
        answer = httpx.post(f"{self.product.url}/oauth2/revoke", data={"token": token}, auth=auth)
        assert answer.status_code == 200, answer.text

    def published(self) -> list[dict[str, Any]]:
        """The key set."""
        keys: list[dict[str, Any]] = httpx.get(f"{self.product.url}/.well-known/jwks.json").json()["keys"]
        return keys

    def signing(self) -> str:
        """The kid of the key that signs now."""
        keys = json.loads(self.product.cli("keys", "list", "--json").stdout)
        (current,) = [key["kid"] for key in keys if key["status"] == "current"]
        return str(current)

    def head(self) -> int:
        """The position of the last event."""
        return int(self._events({"after": "0", "limit": "1"})["head"])

    def refusals(self, after: int) -> list[dict[str, Any]]:
        """The `access.rejected` events after a position."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._events({"after": str(after), "limit": "1000", "type": "access.rejected"})
            found += page["events"]
            after = page["next"]
            if after >= page["head"]:
                return found

    def _events(self, query: Mapping[str, str]) -> dict[str, Any]:
        token = self.token("auditor", "audit:read", "urn:tallystick:api")
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.get(f"{self.product.url}/audit/events", params=dict(query), headers=headers)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


@contextlib.contextmanager
def issuing() -> Iterator[Issuing]:
    """Bring it up; take it down again."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as access:
        access.write(_ACCESS)
        access.flush()
        with running_product(access=Path(access.name), env={"TALLYSTICK_TRUSTED_PROXIES": "127.0.0.1"}) as product:
            product.cli("account", "add", "zoe", "--email", "zoe@example.com", "--password-stdin", stdin=PASSWORD)
            yield Issuing(product)
