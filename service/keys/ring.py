"""The key ring of a worker: which key signs now, and which verify, kept in step with the folded KeySet."""

from __future__ import annotations

import time

from projections.keyset import Key, KeySet
from service.journal.port import JournalUnavailable
from service.keys.vault import Vault
from service.tokens.jwt import ACCESS_TOKEN_TYP, ID_TOKEN_TYP, SigningKey, VerifyingKey, header_segment

_READ_BACK = (ACCESS_TOKEN_TYP, ID_TOKEN_TYP)


class KeyRing:
    """Signing and verifying keys, parsed once each."""

    def __init__(self, keys: KeySet, vault: Vault) -> None:
        self._keys = keys
        self._vault = vault
        self._signing: dict[str, SigningKey] = {}
        self._verifying: dict[str, dict[bytes, VerifyingKey]] = {}
        self._seen: list[Key] | None = None

    async def signer(self) -> SigningKey:
        """The key that signs now. Raises JournalUnavailable if there is none, or it cannot be read."""
        current = self._keys.current
        if current is None:
            raise JournalUnavailable("there is no signing key")
        ready = self._signing.get(current.kid)
        return ready if ready is not None else await self._open(current)

    def verifiers(self, typ: str = ACCESS_TOKEN_TYP) -> dict[bytes, VerifyingKey]:
        """The keys whose tokens of a type (access tokens, ID tokens) are accepted, by the header segment of those."""
        published = self._keys.published(time.time())
        if published is not self._seen:
            parsed = [(key, VerifyingKey(key.alg, key.jwk)) for key in published]
            self._verifying = {
                each: {header_segment(key.kid, key.alg, each): verifying for key, verifying in parsed}
                for each in _READ_BACK
            }
            self._seen = published
        return self._verifying[typ]

    async def _open(self, key: Key) -> SigningKey:
        private = await self._vault.get(key.kid)
        if private is None:
            raise JournalUnavailable(f"the private half of signing key {key.kid} is not in the vault")
        ready = SigningKey(key.kid, key.alg, private)
        self._signing = {key.kid: ready}
        return ready
