"""`/verify`: whether a gateway may let a request pass (forward authentication: nginx `auth_request`, Traefik, Caddy …).

    /verify?audience=https://api.example.com/users&scope=read:users

The gateway hands over the request's `Authorization` header; the query, which is the gateway's own configuration, says
what the request needs. The answer is 200 with who asks in headers, or 401 or 403 with the challenge of RFC 6750
section 3, and nothing else that a gateway would take for a fault of the server.
"""

from __future__ import annotations

import time

from litestar.types import ASGIApp

from projections.grants import Token
from service.endpoints.bearer import active_token, challenged, check_audience, no_token, token_in_header
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import InsufficientScope, InvalidRequest, Rejection
from service.http.problem import PROBLEM_ANSWERS, problem_refusal
from service.http.query import Query, bad_parameter, read_query
from service.http.request import every_field
from service.http.response import Header, Response
from service.tokens.find import FoundToken

PATH = "/verify"

_PARAMETERS = ("audience", "scope", "role", "max_age")
_REPEATABLE = ("scope", "role")
_LONGEST_AGE = 3_600
_ADDRESSES = (b"x-original-uri", b"x-original-url", b"x-forwarded-uri", b"x-envoy-original-path")
_CHALLENGED = frozenset({401, 403})
_VARY: Header = (b"vary", b"authorization")


def verify_endpoints(core: Core) -> dict[str, ASGIApp]:
    """The endpoint for gateways."""
    return {PATH: endpoint_of(core, "verify", verify, PROBLEM_ANSWERS._replace(refusal=_refusal))}


async def verify(exchange: Exchange) -> Response:
    """Read what the request needs, find its token, see that it is enough, and say whose it is."""
    query = read_query(exchange.request.query, _PARAMETERS, _REPEATABLE)
    if "audience" not in query:
        raise bad_parameter("audience", "is missing: it says for which API the token must be")
    scopes, roles = _words(query, "scope"), _words(query, "role")
    max_age = _max_age(query)
    _refuse_in_address(exchange)
    text = token_in_header(exchange.request)
    await exchange.core.follower.ensure_fresh()
    if not text:
        raise no_token()
    found, token = await active_token(exchange.core, text)
    exchange.client_id = token.client_id
    held = _roles(exchange.core, found)
    _check(found, token, held, query["audience"][0], scopes, roles)
    return _passed(found, token, held, max_age)


def _check(
    found: FoundToken, token: Token, held: frozenset[str], audience: str, scopes: frozenset[str], roles: frozenset[str]
) -> None:
    """Raise InvalidToken or InsufficientScope unless the token is enough."""
    check_audience(found, token, audience)
    missing = sorted(scopes - frozenset(token.scope.split(" ")))
    if missing:
        raise _insufficient("scope_missing", scopes, missing, found)
    lacking = sorted(roles - held)
    if lacking:
        raise _insufficient("role_missing", scopes, lacking, found)


class _Insufficient(InsufficientScope):
    """The same, with what is needed, for the challenge."""

    needed: str = ""


def _insufficient(reason: str, scopes: frozenset[str], missing: list[str], found: FoundToken) -> _Insufficient:
    rejection = _Insufficient(
        reason, "The access token is not enough for this.", detail=" ".join(missing), token_id=found.token_id
    )
    rejection.needed = " ".join(sorted(scopes))
    return rejection


def _passed(found: FoundToken, token: Token, held: frozenset[str], max_age: int) -> Response:
    """200 with who asks. The answer may be kept for as long as the gateway said, and as the token lives."""
    age = min(max_age, max(0, int(token.expires_at - time.time())))
    cache = f"private, max-age={age}" if age else "no-store"
    person = found.grant.person
    headers: list[Header] = [
        (b"x-auth-subject", token.subject.encode("ascii")),
        (b"x-auth-client", token.client_id.encode("ascii")),
        (b"x-auth-scope", token.scope.encode("ascii")),
        (b"x-auth-roles", " ".join(sorted(held)).encode("ascii", "replace")),
        (b"x-auth-token-id", found.token_id.encode("ascii")),
        (b"x-auth-acr", (person.acr if person else "").encode("ascii")),
    ]
    return Response(200, b"", tuple(headers), ((b"cache-control", cache.encode()), _VARY))


def _refusal(rejection: Rejection) -> Response:
    if rejection.status not in _CHALLENGED:
        return problem_refusal(rejection)
    needed = rejection.needed if isinstance(rejection, _Insufficient) else ""
    return challenged(problem_refusal(rejection), rejection, needed)


def _refuse_in_address(exchange: Exchange) -> None:
    """A token in the address of the request itself, where the gateway tells it (RFC 9700 section 4.3.2)."""
    for name in _ADDRESSES:
        address = exchange.request.headers.get(name, b"")
        _, _, query = address.partition(b"?")
        query, _, _ = query.partition(b"#")
        try:
            there = "access_token" in every_field(query)
        except InvalidRequest:
            there = b"access_token" in query  # it cannot be read, and is not this server's to read
        if there:
            rejection = InvalidRequest("token_in_query", "The access token must not be part of the address.")
            rejection.status = 401  # a gateway knows 401 and 403 alone
            raise rejection


def _words(query: Query, name: str) -> frozenset[str]:
    return frozenset(" ".join(query.get(name, ())).split())


def _max_age(query: Query) -> int:
    (text,) = query.get("max_age", ("0",))
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(_LONGEST_AGE))
    if not digits or int(text) > _LONGEST_AGE:
        raise bad_parameter("max_age", f"is not a number of seconds up to {_LONGEST_AGE}")
    return int(text)


def _roles(core: Core, found: FoundToken) -> frozenset[str]:
    """The roles that the person of the grant has now; none where no person gave it."""
    person = found.grant.person
    account = core.state.accounts.by_subject.get(person.subject) if person else None
    return frozenset(account.roles) if account else frozenset()
