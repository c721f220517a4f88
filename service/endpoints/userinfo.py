"""`GET` or `POST /oauth2/userinfo` (OpenID Connect Core section 5.3): what a client may know of a person."""

from __future__ import annotations

import time
from typing import Any

from litestar.types import ASGIApp

from projections.grants import Person, Token
from service.decisions.introspect import check_alive
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import (
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    NoToken,
    Rejection,
    TokenNotActive,
)
from service.http.cors import cross_origin
from service.http.request import HttpRequest, parse_form
from service.http.response import JSON_ANSWERS, Response, answer, refusal
from service.oidc.claims import claims_of, may_be_told
from service.oidc.scopes import OPENID
from service.tokens.find import FoundToken

_CHALLENGED = frozenset({400, 401, 403})


def userinfo_endpoints(core: Core) -> dict[str, ASGIApp]:
    """The userinfo endpoint."""
    answers = JSON_ANSWERS._replace(refusal=_refusal)
    return {"/oauth2/userinfo": cross_origin(endpoint_of(core, "userinfo", userinfo, answers))}


async def userinfo(exchange: Exchange) -> Response:
    """Find the token, see that a person gave it for this, then tell what its scope and their grant name."""
    text = await _presented(exchange)
    try:
        found, token = await _active(exchange.core, text)
    except TokenNotActive as inactive:
        raise InvalidToken(
            "token_not_active",
            "The access token is not active.",
            detail=inactive.reason,
            token_id=inactive.token_id,
            token_digest=inactive.token_digest,
        ) from None
    exchange.client_id = token.client_id
    person, scopes = found.grant.person, token.scope.split(" ")
    if person is None or OPENID not in scopes:
        raise InsufficientScope(
            "scope_without_openid", "The access token has not the scope openid.", token_id=found.token_id
        )
    return answer(_told(exchange.core, person, token, scopes))


async def _presented(exchange: Exchange) -> str:
    """The access token, by one of the ways of RFC 6750 sections 2.1 and 2.2.

    Raises MethodNotAllowed, InvalidRequest, NoToken or JournalUnavailable.
    """
    request = exchange.request
    if request.method not in {"GET", "POST"}:
        raise MethodNotAllowed(allowed="GET, POST")
    if "access_token" in parse_form(request.query):
        raise InvalidRequest("token_in_query", "The access token must not be part of the address.")
    scheme, _, by_header = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    ways = [by_header.strip()] if scheme.lower() == "bearer" else []
    if request.method == "POST" and _is_form(request):
        ways += [(await exchange.form()).get("access_token", "")]
    else:
        await exchange.core.follower.ensure_fresh()
    match [way for way in ways if way]:
        case []:
            raise NoToken("no_token", "An access token is needed.")
        case [text]:
            return text
        case _:
            raise InvalidRequest("two_tokens", "The access token is given in more than one way.")


def _is_form(request: HttpRequest) -> bool:
    media_type = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    return media_type == b"application/x-www-form-urlencoded"


async def _active(core: Core, text: str) -> tuple[FoundToken, Token]:
    """The token, if it is active. Raises TokenNotActive or JournalUnavailable."""
    found = await core.tokens.find(text)
    while not core.follower.fresh:
        # What was found may have left the cache while the worker caught up, and a revocation with it.
        await core.follower.ensure_fresh()
        found = await core.tokens.find(text)
    token = found.grant.tokens.get(found.number)
    if token is None:
        reason = "token_expired" if 0 < found.number <= found.grant.last_number else "token_unknown"
        raise TokenNotActive(reason, "The token is not active.", token_id=found.token_id)
    check_alive(
        core.state.access,
        core.state.accounts,
        found.grant,
        token,
        found.token_id,
        time.time(),
        session_end_revokes=core.settings.session_end_revokes,
    )
    return found, token


def _told(core: Core, person: Person, token: Token, scopes: list[str]) -> dict[str, Any]:
    """The claims; `sub` is the one of the client's ID tokens."""
    client = core.state.access.clients[token.client_id]
    account = core.state.accounts.by_subject[person.subject]
    named = may_be_told(core.state.access, client, person.userinfo_claims)
    return {"sub": core.subjects.of(client, person.subject)} | claims_of(account, scopes, named)


def _refusal(rejection: Rejection) -> Response:
    """The answer of RFC 6750 section 3: who did not send a token is told nothing but the scheme."""
    response = refusal(rejection)
    if rejection.status not in _CHALLENGED:
        return response
    challenge = 'Bearer realm="tallystick"'
    if not isinstance(rejection, NoToken):
        challenge += f', error="{rejection.error}", error_description="{rejection.description}"'
    if isinstance(rejection, InsufficientScope):
        challenge += f', scope="{OPENID}"'
    return response._replace(headers=(*response.headers, (b"www-authenticate", challenge.encode("ascii"))))
