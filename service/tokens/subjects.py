"""What a client calls a person: the account's subject, or a pairwise one (OpenID Connect Core section 8)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

from projections.access_model import Client

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Subjects:
    """Subject identifiers by client. `key` is 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, client: Client, subject: str) -> str:
        """The identifier of an account's subject for a client.

        A pairwise one is the same for all clients of a sector, which is the host of their redirect URIs, and tells
        nothing to those of another.
        """
        if client.settings.subject_type == "public":
            return subject
        digest = hmac.digest(self._key, f"{sector_of(client)}\0{subject}".encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def session(self, client: Client, session: str) -> str:
        """The identifier of a session for a client (`sid`). Where subjects are pairwise so is this: else clients of two
        sectors that compare sessions would know that they have the same person.
        """
        return self.of(client, session)


def sector_of(client: Client) -> str:
    """The host of a client's redirect URIs (section 8.1), or its own id where that tells nothing of who runs it."""
    hosts = {urlsplit(uri).hostname for uri in client.settings.redirect_uris}
    host = hosts.pop() if len(hosts) == 1 else None
    return client.client_id if host is None or host in _LOOPBACK else host
