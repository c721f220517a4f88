"""Secrets of the vault, encrypted under a key derived from the master key (AES-256-GCM).

A wrapped secret is 12 bytes of nonce, then the ciphertext with its tag; what it is the secret of is authenticated
along, so that none opens in the place of another.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class NotWrapped(Exception):
    """A wrapped secret does not open: another key, another owner, or damaged."""


def wrap_secret(secret: bytes, owner: str, wrapping_key: bytes) -> bytes:
    """The secret of `owner`, encrypted. `wrapping_key` is 32 bytes."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(wrapping_key).encrypt(nonce, secret, owner.encode())


def unwrap_secret(wrapped: bytes, owner: str, wrapping_key: bytes) -> bytes:
    """The secret of `owner`. Raises NotWrapped."""
    try:
        return AESGCM(wrapping_key).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], owner.encode())
    except (InvalidTag, ValueError):
        raise NotWrapped from None
