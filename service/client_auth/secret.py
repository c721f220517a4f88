"""`client_secret_basic` and `client_secret_post`: the proof is a secret, compared by digest in constant time."""

from __future__ import annotations

import hmac

from projections.access_model import Client
from service.errors import InvalidClient
from service.tokens.digest import Digester

_SLOTS = 2
_NO_DIGEST = "A" * 43


def check_secret(client: Client | None, secret: str, digester: Digester, now: float) -> None:
    """Raise InvalidClient unless `secret` is a live secret of `client`.

    An unknown client costs the same digest and comparisons as a known one.
    """
    live = [kept for kept in client.secrets if kept.expires_at is None or kept.expires_at > now] if client else []
    digests = [kept.digest for kept in live[-_SLOTS:]]
    digests += [_NO_DIGEST] * (_SLOTS - len(digests))
    presented = digester.digest(secret)
    found = False
    for digest in digests:
        found |= hmac.compare_digest(presented, digest)
    if not found:
        raise InvalidClient("bad_secret" if client else "unknown_client")
