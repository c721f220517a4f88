"""`GET` or `POST /oauth2/userinfo` (OpenID Connect Core section 5.3): what a client may know of a person."""

from __future__ import annotations

from typing import Any

from projections.grants import Person, Token
from service.endpoints.bearer import active_token, challenged, no_token, refuse_in_query, token_in_header
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import InsufficientScope, InvalidRequest, MethodNotAllowed, Rejection
from service.http.cors import cross_origin
from service.http.endpoint import Endpoint
from service.http.request import HttpRequest
from service.http.response import JSON_ANSWERS, Response, answer, refusal
from service.oidc.claims import claims_of, may_be_told
from service.oidc.scopes import OPENID


def userinfo_endpoints(core: Core) -> dict[str, Endpoint]:
    """The userinfo endpoint."""
    answers = JSON_ANSWERS._replace(refusal=_refusal)
    return {"/oauth2/userinfo": cross_origin(endpoint_of(core, "userinfo", userinfo, answers))}


async def userinfo(exchange: Exchange) -> Response:
    """Find the token, see that a person gave it for this, then tell what its scope and their grant name."""
    text = await _presented(exchange)
    found, token = await active_token(exchange.core, text)
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
    refuse_in_query(request)
    ways = [token_in_header(request)]
    if request.method == "POST" and _is_form(request):
        ways += [(await exchange.form()).get("access_token", "")]
    else:
        await exchange.core.follower.ensure_fresh()
    match [way for way in ways if way]:
        case []:
            raise no_token()
        case [text]:
            return text
        case _:
            raise InvalidRequest("two_tokens", "The access token is given in more than one way.")


def _is_form(request: HttpRequest) -> bool:
    media_type = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    return media_type == b"application/x-www-form-urlencoded"


def _told(core: Core, person: Person, token: Token, scopes: list[str]) -> dict[str, Any]:
    """The claims; `sub` is the one of the client's ID tokens."""
    client = core.state.access.clients[token.client_id]
    account = core.state.accounts.by_subject[person.subject]
    named = may_be_told(core.state.access, client, person.userinfo_claims)
    return {"sub": core.subjects.of(client, person.subject)} | claims_of(account, scopes, named)


def _refusal(rejection: Rejection) -> Response:
    return challenged(refusal(rejection), rejection, OPENID)
