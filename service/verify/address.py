"""The address of the request that a gateway asks about: no access token may be part of it (RFC 9700 section 4.3.2)."""

from __future__ import annotations

from service.errors import InvalidRequest
from service.http.request import HttpRequest, every_field

ORIGINAL = b"x-original-uri"
"""The header that nginx's configuration writes it to."""

ADDRESSES = frozenset({ORIGINAL, b"x-original-url", b"x-forwarded-uri", b"x-envoy-original-path"})
"""All headers that a gateway may tell it in."""

_TOKEN = b"access_token"


def refuse_token_in_address(request: HttpRequest) -> None:
    """Raise InvalidRequest, with 401, where a token is part of an address that the gateway tells."""
    headers = request.headers
    for name in ADDRESSES:
        if name not in headers:
            continue
        _, _, query = headers[name].partition(b"?")
        if _names_token(query.partition(b"#")[0]):
            rejection = InvalidRequest("token_in_query", "The access token must not be part of the address.")
            rejection.status = 401  # a gateway knows 401 and 403 alone
            raise rejection


def _names_token(query: bytes) -> bool:
    if _TOKEN not in query and b"%" not in query:
        return False
    try:
        return _TOKEN.decode() in every_field(query)
    except InvalidRequest:
        return _TOKEN in query  # it cannot be read, and is not this server's to read
