"""`POST /oauth2/device_authorization` (RFC 8628 section 3.1): a device asks for a grant, and gets the two codes.

Takes `scope` and `resource` (RFC 8707), which may be repeated.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from schema.events import DeviceRequested
from schema.streams import new_stream
from service.decisions.person import Asked, decide_asked
from service.device.codes import new_user_code, shown, user_code_digest
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.grants import DEVICE_CODE
from service.http.endpoint import Endpoint
from service.http.response import Response, answer
from service.journal.people import grant_of_user_code
from service.journal.port import JournalUnavailable
from service.tokens.handles import DEVICE_CODE as DEVICE_CODE_HANDLE
from service.tokens.handles import new_handle

_DRAWS = 10


class DeviceAuthorizationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A successful response (section 3.2). Times are in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


def device_authorization_endpoints(core: Core) -> dict[str, Endpoint]:
    """The endpoint by its path."""
    return {"/oauth2/device_authorization": endpoint_of(core, "device_authorization", device_authorization)}


async def device_authorization(exchange: Exchange) -> Response:
    """Parse, authenticate the client, decide whether it may ask, commit its request, then answer with the codes."""
    fields = await exchange.fields(frozenset({"resource"}))
    form = {name: values[0] for name, values in fields.items()}
    caller = exchange.authenticate(form)
    core = exchange.core
    asked = decide_asked(core.state.access, caller.client, DEVICE_CODE, form.get("scope"), fields.get("resource", ()))
    grant_id, user_code = new_stream(), await _free_user_code(core)
    device_code = new_handle(DEVICE_CODE_HANDLE, grant_id)
    event = _requested(exchange, caller.client.client_id, asked, device_code, user_code)
    await exchange.append(grant_id, 0, event)
    return answer(_response(core, device_code, user_code))


def _requested(exchange: Exchange, client_id: str, asked: Asked, device_code: str, user_code: str) -> DeviceRequested:
    core, now = exchange.core, int(time.time())
    return DeviceRequested(
        client_id=client_id,
        scope=" ".join(sorted(asked.scopes)),
        resources=asked.resources,
        digest=core.digester.digest(device_code),
        user_code_digest=user_code_digest(core.digester, user_code),
        issued_at=now,
        expires_at=now + core.settings.device_code_lifetime,
        user_agent=exchange.request.user_agent,
    )


def _response(core: Core, device_code: str, user_code: str) -> DeviceAuthorizationResponse:
    uri = f"{core.issuer}/device"
    return DeviceAuthorizationResponse(
        device_code=device_code,
        user_code=shown(user_code),
        verification_uri=uri,
        verification_uri_complete=f"{uri}?{urlencode({'user_code': shown(user_code)})}",
        expires_in=core.settings.device_code_lifetime,
        interval=core.settings.device_interval,
    )


async def _free_user_code(core: Core) -> str:
    """A user code that leads to no other living request. Raises JournalUnavailable."""
    for _ in range(_DRAWS):
        code = new_user_code()
        known = await grant_of_user_code(core.journal, user_code_digest(core.digester, code))
        if known is None or not await _alive(core, known):
            return code
    raise JournalUnavailable("no free user code was drawn")


async def _alive(core: Core, grant_id: UUID) -> bool:
    grant = await core.grants.get(grant_id)
    return grant is not None and grant.device is not None and grant.device.expires_at > time.time()
