"""The device authorization grant at the token endpoint (RFC 8628 sections 3.4 and 3.5).

Takes `device_code`, and `scope` and `resource` to ask for less than was granted. A device asks again and again until a
person has decided. That none has yet is the protocol's ordinary answer: it is counted, and not journalled as a refusal;
to ask too often is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn
from uuid import UUID

import msgspec

from projections.grants import Device, Grant, Person
from schema.events import DeviceRedeemed, TokenReuseDetected
from service.client_auth.authenticate import AuthenticatedClient
from service.decisions.given import REFUSED, decide_giver, handle_id
from service.decisions.person import decide_person_terms
from service.device.polls import asked_in_time
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.errors import AccessDenied, ExpiredToken, InvalidGrant, SlowDown, UnauthorizedClient
from service.grants import DEVICE_CODE as GRANT_TYPE
from service.grants import clock
from service.grants.change import change_grant
from service.grants.person_token import Redemption, redeem_person_grant
from service.grants.reuse import end_reused
from service.http.request import required
from service.http.response import Response
from service.tokens.handles import DEVICE_CODE, MalformedHandle, parse_handle

_PENDING = Response(
    400,
    msgspec.json.encode({"error": "authorization_pending", "error_description": "Nobody has decided yet: ask again."}),
)


class _Asked(NamedTuple):
    """A device code that is genuine and this client's: its grant, as it is now."""

    grant_id: UUID
    grant: Grant
    device: Device


async def issue(exchange: Exchange, caller: AuthenticatedClient, form: Mapping[str, str]) -> Response:
    """Find the grant of the code, and answer as it stands: wait, no, or the tokens."""
    if GRANT_TYPE not in caller.client.settings.grants:
        raise UnauthorizedClient("grant_not_allowed", "The client may not use this grant type.", detail=GRANT_TYPE)
    code, core = required(form, "device_code"), exchange.core
    grant_id = _grant_of(core, code)

    async def attempt(grant: Grant) -> Response:
        asked = _asked(core, caller, code, grant_id, grant)
        if asked.device.redeemed:
            await _end_reused(exchange, asked)
        _refuse_over(asked)
        if grant.person is None:
            return await _pending(exchange, asked)
        return await redeem_person_grant(exchange, caller, _redemption(core, caller, asked, grant.person, form))

    return await change_grant(core, grant_id, attempt)


def _grant_of(core: Core, code: str) -> UUID:
    try:
        return parse_handle(DEVICE_CODE, code)
    except MalformedHandle:
        digest = core.digester.digest(code)
        raise InvalidGrant("device_code_malformed", REFUSED, token_digest=digest) from None


def _asked(core: Core, caller: AuthenticatedClient, code: str, grant_id: UUID, grant: Grant) -> _Asked:
    """Raises InvalidGrant. Nothing is done to a grant that a forged code names, or another client's."""
    if grant.device is None or not core.digester.matches(code, grant.device.digest):
        raise InvalidGrant("device_code_unknown", REFUSED, token_digest=core.digester.digest(code))
    if grant.device.client_id != caller.client.client_id:
        raise InvalidGrant("device_code_of_other_client", REFUSED, token_id=handle_id(grant_id))
    return _Asked(grant_id, grant, grant.device)


def _refuse_over(asked: _Asked) -> None:
    """Refuse a code that was denied or is too old. Raises AccessDenied or ExpiredToken."""
    if asked.device.denied:
        raise AccessDenied("device_denied", "The person did not allow this device.", token_id=handle_id(asked.grant_id))
    if asked.device.expires_at <= clock.now():
        raise ExpiredToken(
            "device_code_expired", "The code has expired: ask for a new one.", token_id=handle_id(asked.grant_id)
        )


async def _pending(exchange: Exchange, asked: _Asked) -> Response:
    """Nobody has decided yet. Raises SlowDown, InvalidClient or JournalUnavailable."""
    await exchange.use_assertion()
    if not await asked_in_time(exchange.core, asked.grant_id):
        raise SlowDown("polled_too_soon", "Wait five seconds longer than before, from now on.")
    exchange.core.metrics.device_waits(asked.device.client_id)
    return _PENDING


def _redemption(
    core: Core, caller: AuthenticatedClient, asked: _Asked, person: Person, form: Mapping[str, str]
) -> Redemption:
    """What is to be committed. Raises InvalidGrant, InvalidScope or InvalidTarget."""
    grant_id, grant = asked.grant_id, asked.grant
    account = decide_giver(
        core.state, caller.client, grant_id, grant, person, session_end_revokes=core.settings.session_end_revokes
    )
    terms = decide_person_terms(
        core.state.access,
        caller.client,
        account,
        person,
        issuer=core.issuer,
        scope=form.get("scope"),
        resource=form.get("resource"),
        default_lifetime=core.settings.access_token_lifetime,
    )
    event = DeviceRedeemed(client_id=caller.client.client_id)
    return Redemption(GRANT_TYPE, grant_id, grant.version, person, account, terms, event)


async def _end_reused(exchange: Exchange, asked: _Asked) -> NoReturn:
    """A code came a second time: a copy is about, so what the first use gave ends. Raises InvalidGrant."""
    detected = TokenReuseDetected(
        client_id=asked.device.client_id, kind="device_code", user_agent=exchange.request.user_agent
    )
    await end_reused(exchange, asked.grant_id, detected, "device_code_reused")
    raise InvalidGrant("device_code_reused", REFUSED, token_id=handle_id(asked.grant_id))
