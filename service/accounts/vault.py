"""What is kept of accounts beside the journal: hashes of passwords, secrets of authenticator apps.

docs/adr/0007-passwords-stay-in-the-vault.md says why.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from service.accounts.passwords import Kept
from service.journal.postgres import PostgresJournal
from service.keys.wrapping import unwrap_secret, wrap_secret

PASSWORD_HASH = "SELECT hash FROM vault.passwords WHERE subject = $1"

_KEEP_PASSWORD = """
    INSERT INTO vault.passwords (subject, hash) VALUES ($1, $2)
    ON CONFLICT (subject) DO UPDATE SET hash = excluded.hash
"""
_TOTP_SECRET = "SELECT wrapped FROM vault.totp WHERE subject = $1"
_KEEP_TOTP = """
    INSERT INTO vault.totp (subject, wrapped) VALUES ($1, $2)
    ON CONFLICT (subject) DO UPDATE SET wrapped = excluded.wrapped
"""
_FORGET_TOTP = "DELETE FROM vault.totp WHERE subject = $1"


class VaultWrite(NamedTuple):
    """A statement that changes the vault, to be run together with the event that says so."""

    statement: str
    arguments: tuple[object, ...]


async def kept_password(journal: PostgresJournal, subject: str) -> Kept | None:
    """The hash that is kept of an account's password, None where there is none. Raises JournalUnavailable."""
    rows = await journal.fetch(PASSWORD_HASH, UUID(subject))
    return Kept(subject, rows[0]["hash"]) if rows else None


def keeping_password(kept: Kept) -> VaultWrite:
    """How to keep a new hash; an older one is gone."""
    return VaultWrite(_KEEP_PASSWORD, (UUID(kept.subject), kept.hash))


def forgetting_totp(subject: str) -> VaultWrite:
    """How to forget the secret of an account's authenticator app."""
    return VaultWrite(_FORGET_TOTP, (UUID(subject),))


class TotpVault:
    """The secrets of authenticator apps, encrypted. `wrapping_key` is 32 bytes, derived from the master key."""

    def __init__(self, journal: PostgresJournal, wrapping_key: bytes) -> None:
        self._journal = journal
        self._wrapping_key = wrapping_key

    async def get(self, subject: str) -> bytes | None:
        """The secret of an account's authenticator app, None where none is kept.

        Raises JournalUnavailable, or NotWrapped for one that was kept under another master key.
        """
        rows = await self._journal.fetch(_TOTP_SECRET, UUID(subject))
        return unwrap_secret(rows[0]["wrapped"], _owner(subject), self._wrapping_key) if rows else None

    def keeping(self, subject: str, secret: bytes) -> VaultWrite:
        """How to keep a new secret; an older one is gone."""
        return VaultWrite(_KEEP_TOTP, (UUID(subject), wrap_secret(secret, _owner(subject), self._wrapping_key)))


def _owner(subject: str) -> str:
    return f"totp {subject}"
