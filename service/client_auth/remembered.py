"""Authorization headers that proved a client before: the same header proves it again without the steps in between.

A header is known by a keyed digest (BLAKE2b, RFC 7693 section 2.9) under a key of this process alone, so that no secret
is kept, and where a digest lies tells nothing of the header. What was remembered holds for the client as it was: a
client that changed in any way is another object, and proves itself anew.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from typing import NamedTuple

from projections.access_model import AccessModel, Client
from schema.events import AuthMethod

_MOST = 16_384
_DIGEST = 16
_OF_CLIENTS = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type"})


class Proven(NamedTuple):
    """Which client a header proved, how, and until when (seconds) each of its secrets stays what it was."""

    client: Client
    method: AuthMethod
    until: float


class RememberedHeaders:
    """The headers that proved a client, at most some thousands of them."""

    def __init__(self, access: AccessModel) -> None:
        self._access = access
        self._key = os.urandom(hashlib.blake2b.MAX_KEY_SIZE)
        self._proven: dict[bytes, Proven] = {}

    def __len__(self) -> int:
        return len(self._proven)

    def find(self, authorization: bytes | None, form: Mapping[str, str], now: float) -> Proven | None:
        """What the header proved, where it still does, and where the form says nothing of clients."""
        if authorization is None or not _OF_CLIENTS.isdisjoint(form):
            return None
        proven = self._proven.get(self._digest(authorization))
        if proven is None or now >= proven.until:
            return None
        return proven if self._access.clients.get(proven.client.client_id) is proven.client else None

    def remember(self, authorization: bytes, client: Client, method: AuthMethod, now: float) -> None:
        """The header has just proved the client."""
        ends = (secret.expires_at for secret in client.secrets if secret.expires_at is not None)
        if len(self._proven) >= _MOST:
            self._proven.clear()
        until = min((end for end in ends if end > now), default=math.inf)
        self._proven[self._digest(authorization)] = Proven(client, method, until)

    def _digest(self, authorization: bytes) -> bytes:
        return hashlib.blake2b(authorization, key=self._key, digest_size=_DIGEST).digest()
