"""The secrets of webhooks, encrypted in the vault. The dispatcher is told of a change when it takes effect."""

from __future__ import annotations

from service.accounts.vault import VaultWrite
from service.keys.wrapping import NotWrapped, unwrap_secret, wrap_secret

SECRET = "SELECT wrapped FROM vault.webhooks WHERE name = $1"

_TOLD = "SELECT pg_notify(channel, $1) FROM webhook.dispatcher"
_KEEP = f"""
    WITH kept AS (
        INSERT INTO vault.webhooks (name, wrapped) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET wrapped = excluded.wrapped, previous = NULL, previous_expire_at = NULL
    )
    {_TOLD}
"""  # noqa: S608 constant
_ROTATE = f"""
    WITH kept AS (
        INSERT INTO vault.webhooks AS v (name, wrapped) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE
            SET wrapped = excluded.wrapped, previous = v.wrapped, previous_expire_at = $3
    )
    {_TOLD}
"""  # noqa: S608 constant
_FORGET = f"""
    WITH gone AS (DELETE FROM vault.webhooks WHERE name = $1)
    {_TOLD}
"""  # noqa: S608 constant


class WebhookVault:
    """How secrets are kept. `wrapping_key` is 32 bytes, derived from the master key."""

    def __init__(self, wrapping_key: bytes) -> None:
        self._wrapping_key = wrapping_key

    def keeping(self, name: str, secret: bytes) -> VaultWrite:
        """How to keep the secret of a new webhook."""
        return VaultWrite(_KEEP, (name, self._wrapped(name, secret)))

    def rotating(self, name: str, secret: bytes, previous_expire_at: int) -> VaultWrite:
        """How to keep a new secret; the one before it signs too until a time, in seconds since 1970."""
        return VaultWrite(_ROTATE, (name, self._wrapped(name, secret), previous_expire_at))

    def unwrap(self, name: str, wrapped: bytes) -> bytes | None:
        """The secret of a webhook; None for one that was kept under another master key."""
        try:
            return unwrap_secret(wrapped, _owner(name), self._wrapping_key)
        except NotWrapped:
            return None

    def _wrapped(self, name: str, secret: bytes) -> bytes:
        return wrap_secret(secret, _owner(name), self._wrapping_key)


def forgetting(name: str) -> VaultWrite:
    """How to forget a webhook's secret."""
    return VaultWrite(_FORGET, (name,))


def telling(name: str) -> VaultWrite:
    """How to have the dispatcher look at a webhook again."""
    return VaultWrite(_TOLD, (name,))


def _owner(name: str) -> str:
    return f"webhook {name}"
