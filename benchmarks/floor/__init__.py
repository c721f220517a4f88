"""The limit: what any durable implementation in this language has to do for each case, and nothing else.

One process on uvicorn: parse, authenticate the client, sign or look up, commit one event in PostgreSQL with `fsync` in
group commits, publish it to NATS, answer. No limits, no metrics, no checks beyond these, no state that outlives it.
What a server does besides is to be worth the rest of its time.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.load import Case, Mixed
from benchmarks.peers.assertions import Signer
from benchmarks.peers.clients import OPAQUE_WORKER, WORKER, Clients, new_secrets
from benchmarks.peers.code_flow import code_flow
from benchmarks.peers.day import day
from benchmarks.peers.peer import (
    DAY,
    ISSUANCE_ASSERTION,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    LIFETIME,
    REVOCATION,
    ROTATION_JWT,
    SCOPE,
    USERS,
    Fresh,
    Round,
)
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from tests.ports import free_port

_ROOT = Path(__file__).parents[2]
_GRANTS = 4_096
_SESSIONS = 32


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
        self._clients = Clients(f"{url}/token", f"{url}/introspect", folder, new_secrets(), revocation=f"{url}/revoke")
        self._signer = Signer()
        self._grants = [secrets.token_urlsafe(32) for _ in range(_GRANTS)]
        self._sessions = [f"session={secrets.token_urlsafe(32)}" for _ in range(_SESSIONS)]
        configuration = folder / "configuration.json"
        known = {"secrets": self._clients.secrets, "audience": USERS, "scope": SCOPE, "lifetime": LIFETIME}
        there = {"jwks": self._signer.jwks, "grants": self._grants, "sessions": self._sessions}
        configuration.write_text(json.dumps({**known, **there, "home": str(folder / "home")}))
        command = [sys.executable, "-m", "benchmarks.floor", str(port), str(configuration)]
        self._server = Server(command, folder, core, cwd=_ROOT)
        self._server.wait(self.keys())

    def keys(self) -> str:
        """Its public key."""
        return f"{self._url}/keys"

    def cases(self, tokens: int) -> list[Case]:
        """Those that can be asked again and again."""
        introspection = self._clients.introspection_of(WORKER, tokens)
        sessions, scope = self._sessions, f"openid {SCOPE}"
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            introspection,
            self._clients.unknown(secrets.token_urlsafe(32) for _ in range(tokens)),
            self._clients.revoked(WORKER, tokens),
            self._clients.refusal(WORKER),
            self._clients.verification(f"{self._url}/verify", introspection),
            code_flow(self._clients, f"{self._url}/authorize", scope, sessions, tokens),
        ]

    def fresh(self) -> Mapping[str, Fresh]:
        """All but what comes of a restart: nothing here outlives it."""
        return {
            ROTATION_JWT: self._rotate,
            ISSUANCE_ASSERTION: lambda to_use: self._clients.issuance_by_assertion(
                self._signer, self._url, to_use.uses
            ),
            REVOCATION: lambda to_use: self._clients.revocation_of(WORKER, to_use.uses),
            DAY: self._day,
        }

    def _rotate(self, to_use: Round) -> Case:
        """Of grants that were there from the start."""
        begun, self._grants = self._grants[: to_use.connections], self._grants[to_use.connections :]
        return self._clients.rotation(ROTATION_JWT, begun)

    def _day(self, to_use: Round) -> Mixed:
        return day(self._clients, to_use, WORKER, self._rotate(to_use), f"{self._url}/verify")
