"""User codes (RFC 8628 section 6.1): what a device shows and a person types.

Eight of twenty consonants, so that no word comes of it and no letter looks like another: 34 bits, of which only the
keyed digest is stored.
"""

from __future__ import annotations

import secrets
import unicodedata

from service.tokens.digest import Digester

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8

_BETWEEN = frozenset({"Pd", "Pc", "Zs", "Cf"})
"""Dashes, joiners, spaces and characters without a look."""


def new_user_code() -> str:
    """A fresh user code, in normal form."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """A code in normal form as people see it: XXXX-XXXX."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def normal_user_code(typed: str) -> str | None:
    """The normal form of what somebody typed, whatever its case, dashes and spaces; None if it cannot be a code."""
    letters = (char for char in unicodedata.normalize("NFKC", typed) if unicodedata.category(char) not in _BETWEEN)
    code = "".join(letters).upper()
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None


def user_code_digest(digester: Digester, code: str) -> str:
    """The only form in which a code, in normal form, is stored."""
    return digester.digest(f"user_code\0{code}")
