"""From the text of a token to its grant: by its signature (JWT) or its digest (opaque), then by the grant's own
events.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from projections.grants import Grant
from service.errors import TokenNotActive
from service.journal.load import StreamLoader
from service.keys.ring import KeyRing
from service.tokens.digest import Digester
from service.tokens.handles import ACCESS_TOKEN, MalformedHandle, parse_access_token
from service.tokens.jwt import NotOurToken, read_claims

_VERIFIED_LIMIT = 100_000
_NAMES_KEPT = 16_384
_MAX_LENGTH = 8_192


class FoundToken(NamedTuple):
    """A token of ours: its grant and its number in it. Nothing is said yet of whether it is active."""

    grant_id: UUID
    number: int
    grant: Grant
    token_id: str
    """The `jti`: `<grant id>.<number>`."""


@lru_cache(maxsize=_NAMES_KEPT)
def _token_id(grant_id: UUID, number: int) -> str:
    """Writing a UUID takes longer than all else that is done with a token that is known."""
    return f"{grant_id}.{number}"


class TokenFinder:
    """Finds tokens that this server issued. A JWT once verified is known by its SHA-256 for as long as the published
    keys stay the same. `hits` and `misses` count whether it was.
    """

    def __init__(self, grants: StreamLoader[Grant], ring: KeyRing, digester: Digester, issuer: str) -> None:
        self._grants = grants
        self._ring = ring
        self._digester = digester
        self._issuer = issuer
        self.hits = self.misses = 0
        self._verified: OrderedDict[bytes, tuple[UUID, int, str]] = OrderedDict()
        self._verified_by = ring.verifiers()

    async def find(self, token: str) -> FoundToken:
        """The token's grant and number.

        Raises TokenNotActive for a text that is no token of ours, JournalUnavailable when its grant cannot be read.
        """
        if token.startswith(ACCESS_TOKEN):
            return await self._find_opaque(token)
        grant_id, number, token_id = self._verify(token)
        grant = await self._grants.get(grant_id)
        if grant is not None and number > grant.last_number:
            # The grant is known here, but another worker issued this token of it a moment ago.
            grant = await self._grants.newest(grant_id)
        if grant is None:
            raise self._unknown(token, "token_unknown")
        return FoundToken(grant_id, number, grant, token_id)

    async def _find_opaque(self, token: str) -> FoundToken:
        try:
            grant_id = parse_access_token(token)
        except MalformedHandle:
            raise self._unknown(token, "token_malformed") from None
        grant = await self._grants.get(grant_id)
        if grant is not None and self._among(grant, token) is None:
            grant = await self._grants.newest(grant_id)
        number = None if grant is None else self._among(grant, token)
        if grant is None or number is None:
            raise self._unknown(token, "token_unknown")
        return FoundToken(grant_id, number, grant, _token_id(grant_id, number))

    def _among(self, grant: Grant, token: str) -> int | None:
        """The number of an opaque token among those of a grant, by its keyed digest."""
        for number, kept in grant.tokens.items():
            if kept.digest is not None and self._digester.matches(token, kept.digest):
                return number
        return None

    def _verify(self, token: str) -> tuple[UUID, int, str]:
        keys = self._ring.verifiers()
        if keys is not self._verified_by:
            self._verified.clear()
            self._verified_by = keys
        seen = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._verified.get(seen)
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        try:
            if len(token) > _MAX_LENGTH:
                raise NotOurToken
            claims = read_claims(token, keys)
            if claims.iss != self._issuer:
                raise NotOurToken
        except NotOurToken:
            raise self._unknown(token, "token_unknown") from None
        grant_id, number = UUID(claims.grant_id), int(claims.jti.rpartition(".")[2])
        found = (grant_id, number, _token_id(grant_id, number))
        self._verified[seen] = found
        if len(self._verified) > _VERIFIED_LIMIT:
            self._verified.popitem(last=False)
        return found

    def _unknown(self, token: str, reason: str) -> TokenNotActive:
        return TokenNotActive(reason, "The token is not active.", token_digest=self._digester.digest(token))
