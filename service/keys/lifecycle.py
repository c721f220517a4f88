"""The life of signing keys, as pure decisions: created (published), activated (signs), superseded, retired.

A key is published for a while before it signs, so that every verifier has it by then, and after it was superseded for
as long as a token that it signed can live.
"""

from __future__ import annotations

from projections.keyset import KeySet
from schema import events

LONGEST_LIFETIME = 86_400
"""No access token lives longer than this, in seconds; `ClientSettings.access_token_lifetime` is held to it."""

_LEEWAY = 60


class KeyChangeRefused(Exception):
    """The key cannot be changed so. The message says why."""


def decide_created(alg: str, kid: str, jwk: dict[str, str], now: int, activates_at: int) -> events.KeyCreated:
    """A key is made; it signs from `activates_at` on."""
    return events.KeyCreated(kid=kid, alg=alg, jwk=jwk, created_at=now, activates_at=activates_at)


def decide_activation(keys: KeySet, kid: str, now: int) -> events.KeyActivated:
    """A published key begins to sign; the one before it stays published until its last token has expired."""
    retires_at = None if keys.current is None else now + LONGEST_LIFETIME + _LEEWAY
    return events.KeyActivated(kid=kid, activated_at=now, previous_retires_at=retires_at)


def decide_due(keys: KeySet, now: int) -> list[events.Event]:
    """What time alone brings: the next key signs once it was published long enough, superseded ones are retired."""
    due: list[events.Event] = []
    due += [
        decide_activation(keys, key.kid, now)
        for key in keys.keys.values()
        if key.status == "next" and key.activates_at <= now
    ][:1]
    due += [
        events.KeyRetired(kid=key.kid, reason="expired")
        for key in keys.keys.values()
        if key.status == "previous" and key.retires_at is not None and key.retires_at <= now
    ]
    return due


def decide_retirement(keys: KeySet, kid: str) -> events.KeyRetired:
    """An operator takes a key away at once. Raises KeyChangeRefused."""
    key = keys.keys.get(kid)
    if key is None:
        raise KeyChangeRefused(f"there is no key {kid}")
    if key.status == "retired":
        raise KeyChangeRefused(f"key {kid} is retired already")
    if key.status == "current":
        raise KeyChangeRefused(f"key {kid} signs now: rotate first (`tallystick keys rotate --now`), then retire it")
    return events.KeyRetired(kid=kid, reason="operator")


def next_key(keys: KeySet) -> str | None:
    """The kid of a key that is published and waits to sign."""
    return next((key.kid for key in keys.keys.values() if key.status == "next"), None)


def refuse_other_algorithm(keys: KeySet, waiting: str, algorithm: str) -> None:
    """Raise KeyChangeRefused if the key that waits to sign is not of the algorithm asked for."""
    kept = keys.keys[waiting].alg
    if kept != algorithm:
        raise KeyChangeRefused(f"key {waiting} ({kept}) waits to sign already: retire it first, or let it sign")
