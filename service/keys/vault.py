"""The vault: private keys in Postgres, encrypted; opened only here. The journal holds their public halves."""

from __future__ import annotations

from typing import Any

from service.journal.postgres import PostgresJournal
from service.keys.material import KeyPair, unwrap, wrap


class Vault:
    """Keeps and opens private keys. `wrapping_key` is 32 bytes, derived from the master key."""

    def __init__(self, journal: PostgresJournal, wrapping_key: bytes) -> None:
        self._journal = journal
        self._wrapping_key = wrapping_key

    async def put(self, pair: KeyPair) -> None:
        """Keep a private key. Raises JournalUnavailable."""
        await self._journal.fetch(
            "INSERT INTO vault.keys (kid, wrapped) VALUES ($1, $2)", pair.kid, wrap(pair, self._wrapping_key)
        )

    async def get(self, kid: str) -> Any:
        """The private key object, or None if it is not kept. Raises JournalUnavailable or UnwrapError."""
        rows = await self._journal.fetch("SELECT wrapped FROM vault.keys WHERE kid = $1", kid)
        return unwrap(kid, rows[0]["wrapped"], self._wrapping_key) if rows else None

    async def forget(self, kid: str) -> None:
        """Destroy a private key. Raises JournalUnavailable."""
        await self._journal.fetch("DELETE FROM vault.keys WHERE kid = $1", kid)
