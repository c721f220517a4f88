"""Grants and their tokens: what introspection answers from, in memory, bounded.

The cache holds grants issued while this process lives; any other is read from its own stream on demand. While a
stream is being read, events of it that arrive by the feed are kept beside and folded after, so that a load never
hides a revocation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from uuid import UUID

import msgspec

from schema import events
from schema.envelope import Fact


class Token(msgspec.Struct, gc=False):
    """An access token of a grant. Times are in seconds; `digest` is there for opaque tokens."""

    client_id: str
    subject: str
    audience: str
    scope: str
    issued_at: int
    expires_at: int
    digest: str | None
    revoked: bool = False


class Grant(msgspec.Struct):
    """A grant: the version of its stream, its tokens by number, and whether all of it is revoked."""

    version: int = 0
    revoked: bool = False
    tokens: dict[int, Token] = {}

    def active(self, number: int, now: float) -> bool:
        """Whether a token of this grant is neither revoked nor expired."""
        token = self.tokens.get(number)
        return token is not None and not self.revoked and not token.revoked and token.expires_at > now

    def apply(self, fact: Fact) -> None:
        """Fold one event of this grant's stream; one that was folded before changes nothing."""
        if fact.version <= self.version:
            return
        match fact.event:
            case events.TokenIssued() as issued:
                self.tokens[issued.number] = _token(issued)
            case events.TokenRevoked() as revoked:
                self.tokens[revoked.number].revoked = True
            case events.GrantRevoked():
                self.revoked = True
        self.version = fact.version

    def expired(self, now: float) -> bool:
        """Whether no token of this grant is alive by its own lifetime."""
        return all(token.expires_at <= now for token in self.tokens.values())


class GrantCache:
    """The most recently issued grants, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._grants: dict[UUID, Grant] = {}
        self._order: deque[UUID] = deque()
        self._arriving: dict[UUID, list[Fact]] = {}

    def __len__(self) -> int:
        return len(self._grants)

    def get(self, grant_id: UUID) -> Grant | None:
        """The grant, if it is in the cache."""
        return self._grants.get(grant_id)

    def apply(self, fact: Fact) -> None:
        """Fold one event; one of a grant that is not in the cache is left to the next load of it."""
        grant = self._grants.get(fact.stream)
        if grant is not None:
            grant.apply(fact)
        elif isinstance(fact.event, events.TokenIssued) and fact.version == 1:
            self._add(fact.stream, fold_grant([fact]), fact.event.issued_at)
        if fact.stream in self._arriving:
            self._arriving[fact.stream].append(fact)

    def begin_load(self, grant_id: UUID) -> None:
        """From now on keep this grant's events beside, until `finish_load`."""
        self._arriving.setdefault(grant_id, [])

    def finish_load(self, grant_id: UUID, facts: Iterable[Fact], now: float) -> Grant | None:
        """Take in a grant that was read from its stream, with what arrived meanwhile; None if it has no events."""
        arrived = self._arriving.pop(grant_id, [])
        known = self._grants.get(grant_id)
        if known is not None:
            return known
        grant = fold_grant([*facts, *arrived])
        if not grant.version:
            return None
        if not grant.expired(now):
            self._add(grant_id, grant, int(now))
        return grant

    def abandon_load(self, grant_id: UUID) -> None:
        """A load that failed: forget what was kept beside."""
        self._arriving.pop(grant_id, None)

    def _add(self, grant_id: UUID, grant: Grant, now: int) -> None:
        self._sweep(now)
        self._grants[grant_id] = grant
        self._order.append(grant_id)

    def _sweep(self, now: int) -> None:
        """Look at the two that were looked at longest ago: an expired one goes, a live one stays unless the cache is
        full.
        """
        for _ in range(min(2, len(self._order))):
            oldest = self._order.popleft()
            if self._grants[oldest].expired(now) or len(self._order) >= self._limit - 1:
                del self._grants[oldest]
            else:
                self._order.append(oldest)


def fold_grant(facts: Iterable[Fact]) -> Grant:
    """The grant that a stream's events make; its version is 0 if there are none."""
    grant = Grant()
    for fact in facts:
        grant.apply(fact)
    return grant


def _token(issued: events.TokenIssued) -> Token:
    return Token(
        client_id=issued.client_id,
        subject=issued.subject,
        audience=issued.audience,
        scope=issued.scope,
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
        digest=issued.digest,
    )
