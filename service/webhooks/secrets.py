"""Secrets that sign what is sent (Standard Webhooks): `whsec_` and base64 of 24 to 64 random bytes."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode

_PREFIX = "whsec_"
_LENGTH = 32
_LENGTHS = range(24, 65)


def new_secret() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(_LENGTH)


def written(secret: bytes) -> str:
    """A secret as it is shown and given."""
    return _PREFIX + b64encode(secret).decode()


def parsed(text: str) -> bytes:
    """The bytes of a secret. Raises ValueError, whose message never holds it."""
    if not text.startswith(_PREFIX):
        raise ValueError(f"a secret begins with {_PREFIX}")
    try:
        secret = b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"after {_PREFIX} a secret is base64") from None
    if len(secret) not in _LENGTHS:
        raise ValueError(f"a secret has {_LENGTHS[0]} to {_LENGTHS[-1]} bytes, this one has {len(secret)}")
    return secret
