"""Sends a request as it is, however odd, and reads the answer's challenge (RFC 6750 section 3)."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from typing import NamedTuple

from tests.gateways.client import ADDRESS
from tests.interop.serving import Served
from tests.interop.thirty import Answer, Sent

_SECONDS = 60.0


class Received(NamedTuple):
    """An answer, and when it was there, in seconds since 1970."""

    answer: Answer
    at: float


def received(api: Served, agent: str, what: Sent) -> Received:
    """What an API answers a request whose `User-Agent` is `agent`."""
    connection = _connection(api)
    body = what.form.encode()
    try:
        connection.putrequest("GET", f"{api.path}?{what.query}" if what.query else api.path, skip_accept_encoding=True)
        connection.putheader("User-Agent", agent)
        for value in what.authorizations:
            connection.putheader("Authorization", value)
        if body:
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        answer.read()
        return Received(Answer(answer.status, told(answer.headers.get_all("www-authenticate") or [])), time.time())
    finally:
        connection.close()


def _connection(api: Served) -> http.client.HTTPConnection:
    """From an address of its own: Tallystick trusts that of gateways to say from where a request came."""
    if not api.tls:
        return http.client.HTTPConnection("127.0.0.1", api.port, timeout=_SECONDS, source_address=(ADDRESS, 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(
        "127.0.0.1", api.port, timeout=_SECONDS, source_address=(ADDRESS, 0), context=context
    )


def told(challenges: list[str]) -> str | None:
    """What the challenge says, of which there may be one at most: see `Answer`."""
    if not challenges:
        return None
    (challenge,) = challenges
    scheme, _, parameters = challenge.partition(" ")
    assert scheme.lower() == "bearer", challenge
    said = dict(re.findall(r'(\w+)="([^"]*)"', parameters))
    return f"{said.get('error', '')} {said.get('scope', '')}".strip()
