"""Recovery codes: ten, each good once, for who has lost their authenticator app or passkey.

A code is 16 characters of Crockford's base32 in groups of four, 80 random bits. It has no look-alikes: who types `O`,
`I` or `L` has meant `0` or `1`; case, dashes and spaces do not matter. Only keyed digests are kept.
"""

from __future__ import annotations

import os

from service.tokens.digest import Digester

COUNT = 10

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BYTES = 10
_GROUP = 4
_LENGTH = 16
_MEANT = str.maketrans("OIL", "011", "- ")


def new_codes() -> tuple[str, ...]:
    """Ten fresh codes, as a person is shown them."""
    return tuple(_new_code() for _ in range(COUNT))


def code_digest(digester: Digester, subject: str, code: str) -> str | None:
    """The keyed digest of an account's code however it was typed, None where it cannot be a code."""
    normal = code.upper().translate(_MEANT)
    if len(normal) != _LENGTH or not set(normal) <= set(_ALPHABET):
        return None
    return digester.digest(f"recovery\0{subject}\0{normal}")


def _new_code() -> str:
    bits = int.from_bytes(os.urandom(_BYTES), "big")
    text = "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_LENGTH))
    return "-".join(text[place : place + _GROUP] for place in range(0, _LENGTH, _GROUP))
