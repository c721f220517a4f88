"""Access tokens that are presented to this server itself (RFC 6750): how they come, whether they are active, and what
who presents none, or one that is not enough, is answered.
"""

from __future__ import annotations

import time

from projections.grants import Token
from service.decisions.introspect import check_alive
from service.endpoints.core import Core
from service.errors import InsufficientScope, InvalidRequest, InvalidToken, NoToken, Rejection, TokenNotActive
from service.http.request import HttpRequest, every_field
from service.http.response import Response
from service.tokens.find import FoundToken

_BEARER = b"bearer "
_CHALLENGED = frozenset({400, 401, 403})


def refuse_in_query(request: HttpRequest) -> None:
    """Raise InvalidRequest where a token is part of the address (RFC 9700 section 4.3.2), or the address is broken."""
    if "access_token" in every_field(request.query):
        raise InvalidRequest("token_in_query", "The access token must not be part of the address.")


def token_in_header(request: HttpRequest) -> str:
    """The token of the `Authorization` header (section 2.1), nothing where there is none."""
    header = request.headers.get(b"authorization", b"")
    return header[len(_BEARER) :].decode("latin-1").strip() if header[: len(_BEARER)].lower() == _BEARER else ""


def no_token() -> NoToken:
    """What to raise where no token came."""
    return NoToken("no_token", "An access token is needed.")


async def active_token(core: Core, text: str) -> tuple[FoundToken, Token]:
    """The token, if it is active. Raises InvalidToken or JournalUnavailable."""
    try:
        found = await core.tokens.find(text)
        while not core.follower.fresh:
            # What was found may have left the cache while the worker caught up, and a revocation with it.
            await core.follower.ensure_fresh()
            found = await core.tokens.find(text)
        return found, check_active(core, found)
    except TokenNotActive as inactive:
        raise InvalidToken(
            "token_not_active",
            "The access token is not active.",
            detail=inactive.reason,
            token_id=inactive.token_id,
            token_digest=inactive.token_digest,
        ) from None


def check_audience(found: FoundToken, token: Token, audience: str) -> None:
    """Raise InvalidToken for a token that is for another resource."""
    if token.audience != audience:
        raise InvalidToken(
            "token_of_other_audience", "The access token is for another resource.", token_id=found.token_id
        )


def check_active(core: Core, found: FoundToken) -> Token:
    """The token that was found, if it is active by what is folded here. Raises TokenNotActive."""
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
    return token


def challenged(response: Response, rejection: Rejection, scope: str) -> Response:
    """A refusal with the challenge of section 3: who did not send a token is told nothing but the scheme, who needs
    another scope which one.
    """
    if rejection.status not in _CHALLENGED:
        return response
    challenge = 'Bearer realm="tallystick"'
    if not isinstance(rejection, NoToken):
        challenge += f', error="{rejection.error}", error_description="{rejection.description}"'
    if isinstance(rejection, InsufficientScope):
        challenge += f', scope="{scope}"'
    return response._replace(headers=(*response.headers, (b"www-authenticate", challenge.encode("ascii"))))
