"""Sealed texts: what a page hands to itself by way of the browser, unreadable and unalterable there (AES-256-GCM)."""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

T = TypeVar("T", bound=msgspec.Struct)

_NONCE = 12
_MAX_LENGTH = 16_384


class NotSealed(Exception):
    """Not a text that was sealed here for this use, or one whose time is over."""


class Sealer:
    """Seals and opens. `key` is 32 bytes. The struct's class name is what a sealed text is for: no other opens it."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, content: msgspec.Struct, lifetime: int) -> str:
        """The content as base64url text that opens for `lifetime` seconds."""
        nonce, until = os.urandom(_NONCE), (int(time.time()) + lifetime).to_bytes(8, "big")
        raw = self._aead.encrypt(nonce, until + msgspec.msgpack.encode(content), _use(type(content)))
        return urlsafe_b64encode(nonce + raw).rstrip(b"=").decode()

    def open(self, kind: type[T], text: str) -> T:
        """The content of a sealed text. Raises NotSealed."""
        try:
            if len(text) > _MAX_LENGTH:
                raise NotSealed
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            opened = self._aead.decrypt(raw[:_NONCE], raw[_NONCE:], _use(kind))
            content = msgspec.msgpack.decode(opened[8:], type=kind)
        except (ValueError, InvalidTag, msgspec.DecodeError):
            raise NotSealed from None
        if int.from_bytes(opened[:8], "big") <= time.time():
            raise NotSealed
        return content


def _use(kind: type[msgspec.Struct]) -> bytes:
    return kind.__name__.encode()
