"""Keyed digests: the only form in which handles are stored (HMAC-SHA-256 under a key that the database never sees)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode


class Digester:
    """Makes and compares keyed digests, 43 characters of base64url. `key` is 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    def digest(self, text: str) -> str:
        """The digest of any text, as given by a caller or generated here."""
        return urlsafe_b64encode(self.raw(text)).rstrip(b"=").decode("ascii")

    def raw(self, text: str) -> bytes:
        """The digest as 32 bytes."""
        keyed = self._keyed.copy()  # half the time of giving the key each time
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.digest()

    def matches(self, text: str, digest: str) -> bool:
        """Whether a text has a digest, compared in constant time."""
        return hmac.compare_digest(self.digest(text), digest)
