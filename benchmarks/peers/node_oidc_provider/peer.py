"""node-oidc-provider (npm: oidc-provider), in memory."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.load import Case
from benchmarks.peers.clients import OPAQUE_WORKER, WEB_APP, WORKER, Clients, new_secrets
from benchmarks.peers.code_flow import CodeFlow
from benchmarks.peers.installing import Stamp, run
from benchmarks.peers.peer import CALLBACK, ISSUANCE_JWT, ISSUANCE_OPAQUE, LIFETIME, SCOPE, USERS, Unavailable
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from benchmarks.programs import lacks
from tests.ports import free_port

_HERE = Path(__file__).parent
_STAMP = Stamp(_HERE, _HERE / "package-lock.json")


class NodeOidcProvider(Started):
    """One process of Node.js."""

    name = "node-oidc-provider"
    setting = "NODE_ENV=production, one process, all state in its memory, ES256 by Node's WebCrypto"
    differs: tuple[str, ...] = (
        "nothing is durable: a restart forgets every token and grant",
        "no record of what was issued, refused or used; nothing is published",
        (
            "signed access tokens are kept nowhere, so they can be neither introspected nor revoked: introspection is "
            "of opaque ones"
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
        self._clients = Clients(f"{url}/token", f"{url}/token/introspection", folder, new_secrets(), USERS)
        options = {"port": port, "secrets": self._clients.secrets, "resource": USERS, "scope": SCOPE}
        configuration = folder / "configuration.json"
        configuration.write_text(json.dumps(options | {"callback": CALLBACK, "lifetime": LIFETIME}))
        command: list[str | Path] = ["node", "--max-old-space-size=8192", _HERE / "server.mjs", configuration]
        self._server = Server(command, folder, core, {"NODE_ENV": "production"})
        self._server.wait(f"{url}/.well-known/openid-configuration")
        scope = f"offline_access {SCOPE}"
        extra = {"resource": USERS, "prompt": "consent"}
        self._flow = CodeFlow(f"{url}/auth", self._clients.token, self._clients.secrets[WEB_APP], scope, extra)

    def keys(self) -> str:
        """Its jwks_uri."""
        return f"{self._url}/jwks"

    def cases(self, tokens: int) -> list[Case]:
        """Both formats; opaque tokens are introspected."""
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            self._clients.introspection_of(OPAQUE_WORKER, tokens),
            self._clients.refusal(WORKER),
        ]
