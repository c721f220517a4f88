"""The shape of Tallystick's opaque access tokens, by which what was invented is told without asking.

    tly_at_<grant id: 22><secret: 43><checksum: 6>

The checksum is the CRC-32 of what stands before it, in base64url without padding. Anyone can make one that fits: it
tells typing mistakes and noise, not attacks.
"""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64encode

_PREFIX = "tly_at_"
_LENGTH = 78
_CHECK_LENGTH = 6


def is_access_token(text: str) -> bool:
    """Whether a text, which must be ASCII, has the shape of an opaque access token."""
    if len(text) != _LENGTH or not text.startswith(_PREFIX):
        return False
    checksum = zlib.crc32(text[:-_CHECK_LENGTH].encode("ascii")).to_bytes(4, "big")
    return urlsafe_b64encode(checksum).rstrip(b"=").decode() == text[-_CHECK_LENGTH:]
