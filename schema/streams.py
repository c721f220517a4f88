"""Stream ids: which history an event belongs to.

A grant's id is a UUIDv7 (RFC 9562 section 5.7), so grants of one time lie together and retention can drop
them by partition. What lives long (resources, roles, clients, accounts, keys) has a UUIDv8 (section 5.8) whose first
byte is 0xff: derived from its name, so that two writers who make the same one meet in one stream, and
sorted behind every grant, in a partition that is never dropped.
"""

from __future__ import annotations

import hashlib
import os
import time
from uuid import UUID

ENTITY_STREAMS_FROM = UUID(int=0xFF << 120)

_VERSION_7 = 0x7 << 76
_VERSION_8 = 0x8 << 76
_VARIANT = 0x2 << 62
_LOW_62_BITS_FREE = (1 << 62) - 1


def new_stream(now_ms: int | None = None) -> UUID:
    """A fresh UUIDv7: 48 bits of time in milliseconds, 74 random bits."""
    millis = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return _version_7(millis, os.urandom(10))


def entity_stream(kind: str, name: str) -> UUID:
    """The stream of a long-lived thing, such as `("client", "billing-worker")`."""
    digest = int.from_bytes(hashlib.sha256(f"{kind}:{name}".encode()).digest()[:16], "big")
    kept = digest & ~(0xFF << 120) & ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=(0xFF << 120) | kept | _VERSION_8 | _VARIANT)


def resource_stream(uri: str) -> UUID:
    """The stream of a resource, by its audience URI."""
    return entity_stream("resource", uri)


def role_stream(name: str) -> UUID:
    """The stream of a role."""
    return entity_stream("role", name)


def client_stream(client_id: str) -> UUID:
    """The stream of a client."""
    return entity_stream("client", client_id)


def account_stream(name: str) -> UUID:
    """The stream of an account, by its name in normal form: of two who register one name, one conflicts."""
    return entity_stream("account", name)


def consent_stream(subject: str, client_id: str) -> UUID:
    """The stream of what a person allows a client."""
    return entity_stream("consent", f"{subject}/{client_id}")


def webhook_stream(name: str) -> UUID:
    """The stream of a webhook."""
    return entity_stream("webhook", name)


def derived_stream(at_ms: int, seed: str) -> UUID:
    """A UUIDv7 of a moment whose other bits come from `seed`: who says the same again meets the same stream."""
    return _version_7(at_ms, hashlib.sha256(seed.encode()).digest()[:10])


KEYS_STREAM = entity_stream("keys", "signing")
"""All signing keys share one stream, so that two rotations at once conflict and one wins."""


def _version_7(millis: int, ten_bytes: bytes) -> UUID:
    noise = int.from_bytes(ten_bytes, "big")
    high = (noise >> 68) << 64
    return UUID(int=(millis << 80) | _VERSION_7 | high | _VARIANT | (noise & _LOW_62_BITS_FREE))
