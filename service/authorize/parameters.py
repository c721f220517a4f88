"""The parameters of an authorization request as they were sent; what they mean is said in `request.py`.

They come by GET or by POST (OpenID Connect Core section 3.1.2.1). One that is there twice is kept twice, so that the
client can be told of it, once it is known where (RFC 6749 section 4.1.2.1). Unknown ones are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.errors import InvalidRequest
from service.http.request import HttpRequest, parse_fields

RESOURCE = "resource"
"""The one that may be repeated (RFC 8707 section 2)."""

REQUEST_LIMIT = 6_000
"""Bytes of a whole request: sealed twice it still fits into an address."""

_LIMITS = {
    "client_id": 64,
    "redirect_uri": 2_000,
    "response_type": 64,
    "response_mode": 64,
    "scope": 2_048,
    "state": 2_048,
    "nonce": 512,
    "code_challenge": 128,
    "code_challenge_method": 64,
    "prompt": 64,
    "max_age": 64,
    "login_hint": 256,
    "acr_values": 256,
    "claims": 4_096,
    "id_token_hint": 4_096,
    "request": REQUEST_LIMIT,
    "request_uri": REQUEST_LIMIT,
    "registration": REQUEST_LIMIT,
}
"""Characters of each parameter that this server looks at, beside `resource`."""

_KNOWN = frozenset({RESOURCE, *_LIMITS})

Sent = Mapping[str, tuple[str, ...]]


async def sent_parameters(request: HttpRequest) -> Sent:
    """What was sent, unknown parameters too. Raises InvalidRequest or MethodNotAllowed."""
    raw = request.query if request.method == "GET" else await request.form_body(REQUEST_LIMIT)
    if len(raw) > REQUEST_LIMIT:
        raise InvalidRequest("too_large", "The request is too large.")
    return parse_fields(raw, _KNOWN)


def only(sent: Sent, name: str) -> str:
    """A parameter that must be there once. Raises InvalidRequest."""
    values = sent.get(name, ())
    if not values:
        raise InvalidRequest("missing_parameter", f"The parameter {name} is missing.", detail=name)
    return _once(name, values)


def checked(sent: Sent) -> dict[str, str]:
    """All known parameters but `resource`, none of them twice or too long. Raises InvalidRequest."""
    return {name: _once(name, sent[name]) for name in _LIMITS if name in sent}


def _once(name: str, values: tuple[str, ...]) -> str:
    if len(values) > 1:
        raise InvalidRequest("repeated_parameter", "A parameter is given more than once.", detail=name)
    if len(values[0]) > _LIMITS[name]:
        raise InvalidRequest("parameter_too_long", f"The parameter {name} is too long.", detail=name)
    return values[0]
