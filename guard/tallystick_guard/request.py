"""What the guard reads of a request: its token, and who sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from tallystick_guard.errors import INVALID_REQUEST, Refused
from tallystick_guard.jwt_tokens import bad_token

Scope = Mapping[str, Any]
"""A request as ASGI tells of it: `type`, `method`, `path`, `headers`, `query_string`, `client`."""

_LONGEST = 8_192
_SHOWN = 200
_QUERY_TOKEN = re.compile(rb"(?:^|&)access_token(?:=|&|$)", re.ASCII)
_TEXT = re.compile(r"[\x21-\x7e]+", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def presented(scope: Scope) -> str:
    """The token of the `Authorization` header (RFC 6750 section 2.1), which is the only place where one counts.

    Raises Refused: there is none, there are two, or one is part of the address (RFC 9700 section 4.3.2).
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                raise Refused(INVALID_REQUEST, "two_authorizations", "There are two Authorization headers.")
            found = value
    query: bytes = scope.get("query_string", b"")
    if query and _QUERY_TOKEN.search(query):
        raise Refused(INVALID_REQUEST, "token_in_query", "The access token must not be part of the address.")
    scheme, _, token = (found or b"").decode("latin-1").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("", "no_token", "An access token is needed.")
    if len(token) > _LONGEST or not _TEXT.fullmatch(token):
        raise bad_token("token_malformed")
    return token


def told(scope: Scope) -> dict[str, str]:
    """What introspection is told of who presents a token: a request parameter each (docs/http-api.md)."""
    known = {}
    source = _source(scope)
    if source is not None:
        known["source_address"] = source
    for name, value in scope["headers"]:
        if name == b"user-agent":
            known["user_agent"] = _CONTROLS.sub(" ", value.decode("latin-1")[:_SHOWN])
    return known


def _source(scope: Scope) -> str | None:
    """The caller's address without a zone (RFC 4007); None where the server has none, or what is none."""
    client = scope.get("client")
    try:
        return str(ip_address(str(client[0]).partition("%")[0])) if client else None
    except ValueError:
        return None
