"""`/verify`: whether a gateway may let a request pass (forward authentication: nginx `auth_request`, Traefik, Caddy …).

    /verify?audience=https://api.example.com/users&scope=read:users

The gateway hands over the request's `Authorization` header; the query, which is the gateway's own configuration, says
what the request needs (no header does: a gateway might let in one from outside). The answer is 200 with who asks in
headers, or 401 or 403 with the challenge of RFC 6750 section 3, and nothing else that a gateway would take for a fault
of the server. Any method will do, and a body is not read.
"""

from __future__ import annotations

import time
from functools import lru_cache

from projections.grants import Token
from service.endpoints.bearer import active_token, challenged, check_audience, no_token, token_in_header
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import InsufficientScope, Rejection
from service.http.endpoint import Endpoint
from service.http.head import Header
from service.http.problem import PROBLEM_ANSWERS, problem_refusal
from service.http.response import Response
from service.tokens.find import FoundToken
from service.verify.address import refuse_token_in_address
from service.verify.identity import identity_headers
from service.verify.needs import Needs, read_needs
from service.verify.prefixed import PREFIX, prefixed

PATH = "/verify"

_CHALLENGED = frozenset({401, 403})
_VARY: Header = (b"vary", b"authorization")
_KEPT = 1_024
_A_GATEWAY = "_"
"""Who asked, where introspections are counted: no client of ours."""


def verify_endpoints(core: Core) -> dict[str, Endpoint]:
    """The endpoint for gateways. A path that ends with a slash stands for all that begin with it."""
    endpoint = endpoint_of(core, "verify", verify, PROBLEM_ANSWERS._replace(refusal=_refusal))
    return {PATH: endpoint, PREFIX: prefixed(endpoint)}


async def verify(exchange: Exchange) -> Response:
    """Read what the request needs, find its token, see that it is enough, and say whose it is."""
    needs = read_needs(exchange.request.query)
    refuse_token_in_address(exchange.request)
    text = token_in_header(exchange.request)
    await exchange.core.follower.ensure_fresh()
    if not text:
        raise no_token()
    found, token = await active_token(exchange.core, text)
    exchange.client_id = token.client_id
    held = _roles(exchange.core, found)
    _check(found, token, held, needs)
    now = time.time()
    exchange.core.metrics.verified(token.client_id)
    exchange.core.introspections.count(token, _A_GATEWAY, now)
    return Response(200, b"", (), identity_headers(found, token, held) + _common(_age(needs, token, now)))


def _check(found: FoundToken, token: Token, held: frozenset[str], needs: Needs) -> None:
    """Raise InvalidToken or InsufficientScope unless the token is enough."""
    check_audience(found, token, needs.audience)
    scopes = _scopes(token.scope)
    if not needs.scopes <= scopes:
        raise _insufficient("scope_missing", needs.scopes, needs.scopes - scopes, found)
    lacking = needs.roles - held
    if lacking:
        raise _insufficient("role_missing", needs.scopes, lacking, found)


@lru_cache(maxsize=_KEPT)
def _scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" "))


class _Insufficient(InsufficientScope):
    """The same, with what is needed, for the challenge."""

    needed: str = ""


def _insufficient(reason: str, scopes: frozenset[str], missing: frozenset[str], found: FoundToken) -> _Insufficient:
    rejection = _Insufficient(
        reason, "The access token is not enough for this.", detail=" ".join(sorted(missing)), token_id=found.token_id
    )
    rejection.needed = " ".join(sorted(scopes))
    return rejection


def _age(needs: Needs, token: Token, now: float) -> int:
    """For how many seconds the answer may be kept: as the gateway said, and while the token lives."""
    return min(needs.max_age, max(0, int(token.expires_at - now))) if needs.max_age else 0


@lru_cache
def _common(age: int) -> tuple[Header, ...]:
    """nginx keeps nothing that is `private`, unless it is told in its own words, which must come first."""
    if not age:
        return (b"cache-control", b"no-store"), _VARY
    kept = str(age).encode()
    return (b"x-accel-expires", kept), (b"cache-control", b"private, max-age=" + kept), _VARY


def _refusal(rejection: Rejection) -> Response:
    if rejection.status not in _CHALLENGED:
        return problem_refusal(rejection)
    needed = rejection.needed if isinstance(rejection, _Insufficient) else ""
    return challenged(problem_refusal(rejection), rejection, needed)


def _roles(core: Core, found: FoundToken) -> frozenset[str]:
    """The roles that the person of the grant has now; none where no person gave it."""
    person = found.grant.person
    account = core.state.accounts.by_subject.get(person.subject) if person else None
    return frozenset(account.roles) if account else frozenset()
