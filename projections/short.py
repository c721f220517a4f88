"""Short forms of what entries of memory are full of: names that many share, digests, ids."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import overload

_DIGEST_TEXT, _ID_TEXT, _ID_BYTES = 43, 36, 16
_LAST_OF_DIGEST = frozenset("AEIMQUYcgkosw048")
"""The last of 43 characters has four bits of 32 bytes; its other two are none."""
_TO_BASE64 = bytes.maketrans(b"-_+/", b"+/!!")
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")


class Words:
    """Texts that many entries share, by number; once there are `limit` of them, others stand for themselves."""

    def __init__(self, limit: int = 65_536) -> None:
        self._limit = limit
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []

    def number(self, text: str) -> int | str:
        """The number of a text, or the text."""
        number = self._numbers.get(text)
        if number is None and len(self._texts) < self._limit:
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return text if number is None else number

    def text(self, number: int | str) -> str:
        """The text again."""
        return self._texts[number] if isinstance(number, int) else number


@overload
def shortened(text: str) -> bytes | str: ...
@overload
def shortened(text: None) -> None: ...
def shortened(text: str | None) -> bytes | str | None:
    """32 bytes in base64url, or an id as RFC 9562 section 4 writes it, as the bytes; any other text is itself."""
    if text is None:
        return None
    if len(text) == _DIGEST_TEXT and text[-1] in _LAST_OF_DIGEST:
        return _digest_bytes(text) or text
    if len(text) == _ID_TEXT:
        return _id_bytes(text) or text
    return text


@overload
def lengthened(short: bytes | str) -> str: ...
@overload
def lengthened(short: None) -> None: ...
def lengthened(short: bytes | str | None) -> str | None:
    """The text again."""
    if not isinstance(short, bytes):
        return short
    if len(short) == _ID_BYTES:
        return _dashed(short.hex())
    return b2a_base64(short, newline=False)[:-1].translate(_TO_BASE64URL).decode()


def _digest_bytes(text: str) -> bytes | None:
    try:
        return a2b_base64(text.encode("ascii").translate(_TO_BASE64) + b"=", strict_mode=True)
    except (Error, UnicodeEncodeError):
        return None


def _id_bytes(text: str) -> bytes | None:
    digits = text.replace("-", "")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return None
    return raw if raw.hex() == digits and _dashed(digits) == text else None


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
