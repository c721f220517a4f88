"""`POST /oauth2/token` (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from service.client_auth.authenticate import AuthenticatedClient
from service.endpoints.exchange import Exchange
from service.errors import UnsupportedGrantType
from service.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    REFRESH_TOKEN,
    authorization_code,
    client_credentials,
    device_code,
    refresh_token,
)
from service.http.request import required
from service.http.response import Response
from service.printable import printable

IssueToken = Callable[[Exchange, AuthenticatedClient, Mapping[str, str]], Awaitable[Response]]

_GRANTS: dict[str, IssueToken] = {
    AUTHORIZATION_CODE: authorization_code.issue,
    CLIENT_CREDENTIALS: client_credentials.issue,
    DEVICE_CODE: device_code.issue,
    REFRESH_TOKEN: refresh_token.issue,
}


async def token(exchange: Exchange) -> Response:
    """Parse, authenticate the client, pick the grant; the grant decides, commits and answers."""
    form = await exchange.form()
    caller = exchange.authenticate(form)
    issue = _pick_grant(required(form, "grant_type"))
    return await issue(exchange, caller, form)


def _pick_grant(grant_type: str) -> IssueToken:
    issue = _GRANTS.get(grant_type)
    if issue is None:
        raise UnsupportedGrantType(
            "unsupported_grant_type", "This server has no such grant type.", detail=printable(grant_type, 64)
        )
    return issue
