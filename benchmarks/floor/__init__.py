"""The limit: what any durable implementation in this language has to do for each case, and nothing else.

One process on uvicorn: parse, authenticate the client, sign or look up, commit one event in PostgreSQL with `fsync` in
group commits, publish it to NATS, answer. No limits, no metrics, no checks beyond these, no state that outlives it.
What a server does besides is to be worth the rest of its time.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

from benchmarks.load import Case
from benchmarks.peers.clients import OPAQUE_WORKER, WORKER, Clients, new_secrets
from benchmarks.peers.peer import ISSUANCE_JWT, ISSUANCE_OPAQUE, LIFETIME, ROTATION_JWT, SCOPE, USERS, VERIFY
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from tests.ports import free_port

_ROOT = Path(__file__).parents[2]
_GRANTS = 1_024


class Floor(Started):
    """The bare loops as a peer."""

    name = "floor"
    setting = "bare loops on uvicorn, PostgreSQL with fsync and group commits, NATS JetStream"
    differs: tuple[str, ...] = ("no more than the least of each case: a limit, and no server that anybody could run",)

    def version(self) -> str:
        """It has none."""
        return "of this repository"

    def install(self) -> None:
        """It is here."""

    def start(self, folder: Path, core: str) -> None:
        """With a cluster and a stream of its own."""
        self._url = url = f"http://127.0.0.1:{(port := free_port())}"
        self._clients = Clients(f"{url}/token", f"{url}/introspect", folder, new_secrets())
        self._grants = [secrets.token_urlsafe(32) for _ in range(_GRANTS)]
        configuration = folder / "configuration.json"
        known = {"secrets": self._clients.secrets, "audience": USERS, "scope": SCOPE, "lifetime": LIFETIME}
        configuration.write_text(json.dumps({**known, "home": str(folder / "home"), "grants": self._grants}))
        command = [sys.executable, "-m", "benchmarks.floor", str(port), str(configuration)]
        self._server = Server(command, folder, core, cwd=_ROOT)
        self._server.wait(self.keys())

    def keys(self) -> str:
        """Its public key."""
        return f"{self._url}/keys"

    def cases(self, tokens: int) -> list[Case]:
        """Those that there are loops for; `/verify` asks about the tokens that are introspected."""
        introspection = self._clients.introspection_of(WORKER, tokens)
        assert isinstance(introspection.body, Path)
        bearers = introspection.body.with_name("bearers")
        bearers.write_text(introspection.body.read_text().replace("token=", "Bearer "))
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            introspection,
            Case(VERIFY, f"{self._url}/verify", ("", ""), bearers, bearer=True),
        ]

    def rotation(self, grants: int) -> Case:
        """Of grants that were there from the start."""
        begun, self._grants = self._grants[:grants], self._grants[grants:]
        return self._clients.rotation(ROTATION_JWT, begun)
