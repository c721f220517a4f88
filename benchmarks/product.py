"""Tallystick as one of those that are compared."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.load import Case, Mixed
from benchmarks.peers.assertions import SIGNING_WORKER, Signer
from benchmarks.peers.clients import NAMES, OPAQUE_WORKER, WORKER, Clients
from benchmarks.peers.code_flow import code_flow
from benchmarks.peers.day import day
from benchmarks.peers.peer import (
    DAY,
    INTROSPECTION_COLD,
    ISSUANCE_ASSERTION,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    REVOCATION,
    ROTATION_JWT,
    SCOPE,
    USERS,
    Fresh,
    Round,
)
from benchmarks.people import add_person, refresh_tokens, sessions
from benchmarks.stack import pin
from schema.streams import new_stream
from service.tokens.handles import ACCESS_TOKEN, new_handle
from tests.product import COMMAND, Product, running_product

_SESSIONS = 32
_NEEDS = urlencode({"audience": USERS, "scope": SCOPE})


class Tallystick:
    """The whole product: as `tallystick up` starts it, but for the limits of one source's rate."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def start(self, folder: Path, core: str) -> None:
        """With one worker and an empty journal."""
        self.ask(self._stack.enter_context(running_product()), folder, core)

    def ask(self, product: Product, folder: Path, core: str) -> None:
        """One that runs already; it gets an account, and a client that signs its assertions. Files lie in `folder`."""
        self.product, self._core = product, core
        pin(product, core)
        add_person(product)
        self._signer = Signer(f"{SIGNING_WORKER}-{secrets.token_hex(4)}")
        jwks = folder / "jwks.json"
        jwks.write_text(json.dumps(self._signer.jwks))
        asks = ["--grant", "client_credentials", "--scope", SCOPE, "--resource", USERS]
        proves = ["--auth-method", "private_key_jwt", "--jwks", str(jwks)]
        self.product.cli("client", "add", self._signer.client, *asks, *proves)
        endpoints = f"{self.product.url}/oauth2"
        known = {name: self.product.secret(name) for name in NAMES}
        self._clients = Clients(
            f"{endpoints}/token",
            f"{endpoints}/introspect",
            folder,
            known,
            USERS,
            revocation=f"{endpoints}/revoke",
        )

    def stop(self) -> None:
        """The one that was started; its data go with it."""
        self._stack.close()

    def keys(self) -> str:
        """Its jwks_uri."""
        return f"{self.product.url}/.well-known/jwks.json"

    def audit(self) -> str:
        """What `tallystick audit check` says. Raises AssertionError where it is not clean."""
        checked = self.product.cli("audit", "check", check=False)
        assert checked.returncode == 0, checked.stdout
        return checked.stdout.strip()

    def cases(self, tokens: int) -> list[Case]:
        """Those that can be asked again and again; the tokens are signed ones where both can be."""
        known = self._clients
        signed = known.introspection_of(WORKER, tokens)
        authorization = f"{self.product.url}/oauth2/authorize"
        return [
            known.issuance(ISSUANCE_JWT, WORKER),
            known.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            signed,
            known.unknown(new_handle(ACCESS_TOKEN, new_stream()) for _ in range(tokens)),
            known.revoked(WORKER, tokens),
            known.refusal(WORKER),
            known.verification(self._verify, signed),
            code_flow(known, authorization, f"openid {SCOPE}", sessions(self.product, min(_SESSIONS, tokens)), tokens),
        ]

    def fresh(self) -> Mapping[str, Fresh]:
        """Those that use something up."""
        return {
            ROTATION_JWT: self._rotation,
            ISSUANCE_ASSERTION: self._assertions,
            REVOCATION: lambda to_use: self._clients.revocation_of(WORKER, to_use.uses),
            DAY: self._day,
            INTROSPECTION_COLD: self._cold,
        }

    @property
    def _verify(self) -> str:
        """Where gateways ask."""
        return f"{self.product.url}/verify?{_NEEDS}"

    def _rotation(self, to_use: Round) -> Case:
        """Of grants that a person gave."""
        return self._clients.rotation(ROTATION_JWT, refresh_tokens(self.product, to_use.connections))

    def _assertions(self, to_use: Round) -> Case:
        return self._clients.issuance_by_assertion(self._signer, self.product.url, to_use.uses)

    def _day(self, to_use: Round) -> Mixed:
        return day(self._clients, to_use, WORKER, self._rotation(to_use), self._verify)

    def _cold(self, to_use: Round) -> Case:
        """It is restarted, so that no process knows any of the tokens."""
        tokens = self._clients.tokens(WORKER, to_use.uses)
        assert self.product.stop() == 0
        self.product.start()
        pin(self.product, self._core)
        return self._clients.asked_about(INTROSPECTION_COLD, tokens)._replace(once=True)


def python() -> str:
    """Which one the product runs on: version, and what built it."""
    asked = "import platform; print(platform.python_version(), *platform.python_compiler().split())"
    ran = subprocess.run([COMMAND[0], "-c", asked], check=True, capture_output=True, text=True)
    version, *compiler = ran.stdout.split()
    return f"{version} ({' '.join(compiler)})"
