"""A running Tallystick with the clients that other people's programs use, and a person with an account."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.ports import free_port
from tests.product import Product, running_product
from tests.visitor import PASSWORD

API = "https://api.example.com/users"
_ACCESS = """
resources:
  - uri: {api}
    scopes: {{"read:users": Read users}}
clients:
  - id: web
    client_name: The web application
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, email, offline_access, "read:users"]
    resources: [{api}]
    redirect_uris: ["http://127.0.0.1:{port}/callback"]
    post_logout_redirect_uris: ["http://127.0.0.1:{port}/"]
    secret_file: web
  - id: native
    auth_method: none
    grants: [authorization_code, refresh_token]
    scopes: [openid, profile, offline_access, "read:users"]
    resources: [{api}]
    redirect_uris: ["http://127.0.0.1/callback"]
  - id: tv
    auth_method: none
    grants: [device_code, refresh_token]
    scopes: [openid, profile, offline_access]
  - id: worker
    auth_method: client_secret_post
    grants: [client_credentials]
    scopes: ["read:users"]
    resources: [{api}]
    secret_file: worker
  - id: users-api
    introspects: [{api}]
    secret_file: users-api
"""


class Running(NamedTuple):
    """The product, and the port that the web client's redirect URI has."""

    product: Product
    port: int


@contextlib.contextmanager
def running() -> Iterator[Running]:
    """Bring it up with an account `zoe`; take it down again."""
    port = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as access:
        access.write(_ACCESS.format(api=API, port=port))
        access.flush()
        with running_product(access=Path(access.name), env={"TALLYSTICK_DEVICE_INTERVAL": "1"}) as product:
            product.cli("account", "add", "zoe", "--email", "zoe@example.com", "--password-stdin", stdin=PASSWORD)
            yield Running(product, port)
