"""A caller from outside: it sends headers and targets exactly as they are given, from an address of its own."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable
from typing import NamedTuple

ADDRESS = "127.0.0.7"
"""Where it asks from. Gateways ask from 127.0.0.1, which is all that Tallystick trusts."""

_SECONDS = 30.0
Headers = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """Status, headers with lower case names, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Each value of a header that is there."""
        return [value for header, value in self.headers if header == name]

    @property
    def challenge(self) -> str:
        """The one challenge; nothing where there is none."""
        values = self.all("www-authenticate")
        assert len(values) <= 1, values
        return values[0] if values else ""


def ask(port: int, target: str, headers: Headers = (), method: str = "GET", body: bytes | None = None) -> Answer:
    """Ask a gateway by HTTPS, on a connection of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=_SECONDS, source_address=(ADDRESS, 0), context=context
    )
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read())
    finally:
        connection.close()


def bearer(token: str) -> tuple[str, str]:
    """The header of an access token."""
    return "Authorization", f"Bearer {token}"
