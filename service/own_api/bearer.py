"""Who calls an endpoint of this server's own API: a token for `urn:tallystick:api` with the scope that it needs.

    endpoint_of(core, "audit", events, own_api_answers(AUDIT_READ))

    async def events(exchange: Exchange) -> Response:
        only_get(exchange.request)
        caller = await authorize(exchange, AUDIT_READ)

Only the `Authorization` header counts (RFC 6750 section 2.1). A token in the address is refused even where a good one
is in the header.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from service.endpoints.bearer import (
    active_token,
    challenged,
    check_active,
    check_audience,
    no_token,
    refuse_in_query,
    token_in_header,
)
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.errors import InsufficientScope, InvalidToken, MethodNotAllowed, Rejection, TokenNotActive
from service.http.problem import problem_refusal, problem_server_error, problem_unavailable
from service.http.request import HttpRequest
from service.http.response import Answers, Response
from service.own_api.scopes import OWN_API
from service.tokens.find import FoundToken


class Caller(NamedTuple):
    """Who calls, by an active token. `subject` is that of the person who gave the token, else the client's own;
    `expires_at` is in seconds since 1970.
    """

    client_id: str
    subject: str
    token_id: str
    expires_at: int
    grant_id: UUID
    number: int
    core: Core

    async def still_active(self) -> bool:
        """Whether the token is active now: grant, token, client, account and lifetime, as introspection would say.

        Answered from memory where the worker is fresh. Raises JournalUnavailable when it cannot be known.
        """
        core = self.core
        await core.follower.ensure_fresh()
        grant = await core.grants.get(self.grant_id)
        while not core.follower.fresh:
            await core.follower.ensure_fresh()
            grant = await core.grants.get(self.grant_id)
        if grant is None:
            return False
        try:
            check_active(core, FoundToken(self.grant_id, self.number, grant, self.token_id))
        except TokenNotActive:
            return False
        return True


async def authorize(exchange: Exchange, scope: str) -> Caller:
    """Who calls; from here on the events of the exchange are theirs.

    Raises InvalidRequest, NoToken, InvalidToken, InsufficientScope, TooManyRequests or JournalUnavailable.
    """
    refuse_in_query(exchange.request)
    text = token_in_header(exchange.request)
    await exchange.core.follower.ensure_fresh()
    if not text:
        raise no_token()
    found, token = await active_token(exchange.core, text)
    person = found.grant.person
    exchange.acts_as(token.client_id)
    if person is not None:
        exchange.acts_for(person.subject)
    exchange.core.limits.admit_client(exchange.endpoint, token.client_id)
    check_audience(found, token, OWN_API)
    if scope not in token.scope.split(" "):
        raise InsufficientScope(
            "scope_missing", f"The access token has not the scope {scope}.", detail=scope, token_id=found.token_id
        )
    return Caller(
        client_id=token.client_id,
        subject=token.subject if person is None else person.subject,
        token_id=found.token_id,
        expires_at=token.expires_at,
        grant_id=found.grant_id,
        number=found.number,
        core=exchange.core,
    )


def no_longer_active(caller: Caller) -> InvalidToken:
    """What to raise where a token ended while it was used."""
    return InvalidToken("token_not_active", "The access token is not active.", token_id=caller.token_id)


def only_get(request: HttpRequest) -> None:
    """Raise MethodNotAllowed unless it is a GET."""
    if request.method != "GET":
        raise MethodNotAllowed(allowed="GET")


def own_api_answers(scope: str) -> Answers:
    """How an endpoint that needs `scope` refuses: problems, with the challenge of RFC 6750 section 3."""

    def refuse(rejection: Rejection) -> Response:
        return challenged(problem_refusal(rejection), rejection, scope)

    return Answers(refuse, problem_unavailable, problem_server_error)
