"""node-oidc-provider (npm: oidc-provider), in memory."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from benchmarks.load import Case, Mixed
from benchmarks.peers.assertions import Signer
from benchmarks.peers.clients import OPAQUE_WORKER, WEB_APP, WORKER, Clients, new_secrets
from benchmarks.peers.code_flow import CodeFlow, code_flow
from benchmarks.peers.day import day
from benchmarks.peers.installing import Stamp, run
from benchmarks.peers.peer import (
    CALLBACK,
    DAY,
    ISSUANCE_ASSERTION,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    LIFETIME,
    REVOCATION,
    SCOPE,
    USERS,
    Fresh,
    Round,
    Unavailable,
)
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from benchmarks.programs import lacks
from tests.ports import free_port

_HERE = Path(__file__).parent
_SIGN_IN = f"openid {SCOPE}"
_SESSIONS = 32
_STAMP = Stamp(_HERE, _HERE / "package-lock.json")


class NodeOidcProvider(Started):
    """One process of Node.js."""

    name = "node-oidc-provider"
    setting = "NODE_ENV=production, one process, all state in its memory, ES256 by Node's WebCrypto"
    differs: tuple[str, ...] = (
        "nothing is durable: a restart forgets every token and grant",
        "no record of what was issued, refused or used; nothing is published",
        (
            "signed access tokens are kept nowhere, so they can be neither introspected nor revoked: introspection and "
            "revocation are of opaque ones"
        ),
        "client secrets are kept in plain text, and compared without a digest",
        "its own in-memory adapter keeps a thousand entries; the one used here forgets none",
    )

    def version(self) -> str:
        """From the lock."""
        packages = json.loads((_HERE / "package-lock.json").read_text())["packages"]
        return str(packages["node_modules/oidc-provider"]["version"])

    def install(self) -> None:
        """By `npm ci`."""
        if (lacking := lacks("node", "npm")) is not None:
            raise Unavailable(lacking)
        if _STAMP.current():
            return
        run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], _HERE)
        _STAMP.set()

    def start(self, folder: Path, core: str) -> None:
        """With keys and secrets of this run alone."""
        self._url = url = f"http://127.0.0.1:{(port := free_port())}"
        revocation = f"{url}/token/revocation"
        self._clients = Clients(
            f"{url}/token", f"{url}/token/introspection", folder, new_secrets(), USERS, revocation=revocation
        )
        self._signer = Signer()
        options = {"port": port, "secrets": self._clients.secrets, "resource": USERS, "scope": SCOPE}
        options["jwks"] = self._signer.jwks
        configuration = folder / "configuration.json"
        configuration.write_text(json.dumps(options | {"callback": CALLBACK, "lifetime": LIFETIME}))
        command: list[str | Path] = ["node", "--max-old-space-size=8192", _HERE / "server.mjs", configuration]
        self._server = Server(command, folder, core, {"NODE_ENV": "production"})
        self._server.wait(f"{url}/.well-known/openid-configuration")
        asked = (f"{url}/auth", self._clients.token, self._clients.secrets[WEB_APP])
        self._flow = CodeFlow(*asked, f"offline_access {SCOPE}", {"resource": USERS, "prompt": "consent"})
        self._sign_in = CodeFlow(*asked, _SIGN_IN, {"resource": USERS})

    def keys(self) -> str:
        """Its jwks_uri."""
        return f"{self._url}/jwks"

    def cases(self, tokens: int) -> list[Case]:
        """Both formats; opaque tokens are introspected."""
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            self._clients.introspection_of(OPAQUE_WORKER, tokens),
            self._clients.unknown(secrets.token_urlsafe(32) for _ in range(tokens)),
            self._clients.revoked(OPAQUE_WORKER, tokens),
            self._clients.refusal(WORKER),
            code_flow(self._clients, f"{self._url}/auth", _SIGN_IN, self._sign_in.sessions(_SESSIONS), tokens),
        ]

    def fresh(self) -> Mapping[str, Fresh]:
        """All."""
        return {
            **super().fresh(),
            ISSUANCE_ASSERTION: lambda to_use: self._clients.issuance_by_assertion(
                self._signer, self._url, to_use.uses
            ),
            REVOCATION: lambda to_use: self._clients.revocation_of(OPAQUE_WORKER, to_use.uses),
            DAY: self._day,
        }

    def _day(self, to_use: Round) -> Mixed:
        return day(self._clients, to_use, OPAQUE_WORKER, self._rotate(to_use))
