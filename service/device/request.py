"""A device's request by its user code: whether a person may still decide about it, what they can give, and who looked
at it first.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from projections.access_model import Client
from projections.accounts import Account
from projections.grants import Device, Grant, fold_grant
from service.decisions.person import Asked, decide_asked, scopes_of_person
from service.device.codes import normal_user_code, user_code_digest
from service.endpoints.core import Core
from service.errors import AccessDenied, InvalidGrant
from service.grants import DEVICE_CODE
from service.journal.people import grant_of_user_code
from service.oidc.scopes import OFFLINE_ACCESS

NOT_VALID = "This code is not valid. Compare it with what your device shows, or start again there."
"""Whatever the reason is: who guesses codes learns nothing."""

# One statement, so that of two who look at once one is first, at whichever workers.
_LOOK = """
    INSERT INTO runtime.device_looks AS first (grant_id, session_id, looked_at) VALUES ($1, $2, now())
    ON CONFLICT (grant_id) DO UPDATE SET session_id = first.session_id
    RETURNING session_id
"""


class DeviceRequest(NamedTuple):
    """A request that waits for a decision, when (seconds) and from where it came, and the client that made it.

    `version` is that of its stream.
    """

    grant_id: UUID
    version: int
    device: Device
    client: Client
    requested_at: int
    requested_from: str | None


async def find_request(core: Core, typed: str) -> UUID:
    """The grant that a user code leads to. Raises InvalidGrant or JournalUnavailable."""
    code = normal_user_code(typed)
    if code is None:
        raise InvalidGrant("malformed_user_code", NOT_VALID)
    grant_id = await grant_of_user_code(core.journal, user_code_digest(core.digester, code))
    if grant_id is None:
        raise InvalidGrant("unknown_user_code", NOT_VALID)
    return grant_id


async def look_first(core: Core, grant_id: UUID, session_id: UUID) -> None:
    """Note that this session looks at a request, unless another did before. Raises InvalidGrant or
    JournalUnavailable.
    """
    rows = await core.journal.fetch(_LOOK, grant_id, session_id)
    if rows[0]["session_id"] != session_id:
        raise InvalidGrant("user_code_of_other_session", NOT_VALID)


async def read_request(core: Core, grant_id: UUID, account: Account, now: float) -> DeviceRequest:
    """The request of a grant, as its stream is now, if this person may decide about it.

    Raises InvalidGrant or JournalUnavailable.
    """
    recorded = await core.journal.read_stream(grant_id)
    grant = fold_grant(event.fact() for event in recorded)
    if grant.device is None:
        raise InvalidGrant("unknown_user_code", NOT_VALID)
    _refuse_over(grant, grant.device, account, now)
    return DeviceRequest(
        grant_id=grant_id,
        version=grant.version,
        device=grant.device,
        client=_client_of(core, grant, grant.device),
        requested_at=int(recorded[0].recorded_at.timestamp()),
        requested_from=recorded[0].source,
    )


def givable(core: Core, request: DeviceRequest, account: Account, shown: frozenset[str] | None = None) -> Asked:
    """What the device asks for, as far as its client may ask for it now, the person can give it, and was shown it.

    Raises UnauthorizedClient, InvalidScope, InvalidTarget or AccessDenied.
    """
    access, device = core.state.access, request.device
    asked = decide_asked(access, request.client, DEVICE_CODE, device.scope, device.resources)
    scopes = scopes_of_person(access, account, asked.scopes if shown is None else asked.scopes & shown)
    if not scopes - {OFFLINE_ACCESS}:
        raise AccessDenied("no_scope_of_person", "Your account has nothing of what this device asks for.")
    apis = {uri: access.resources[uri].scopes.keys() for uri in asked.resources}
    # An API at which the person can give nothing of what was asked would get tokens that are good for nothing.
    left = (uri for uri, known in apis.items() if known & scopes or not known & asked.scopes)
    return Asked(scopes, tuple(left))


def _refuse_over(grant: Grant, device: Device, account: Account, now: float) -> None:
    """A request of before a sign-out of everything would give a grant that is dead already. Raises InvalidGrant."""
    if device.expires_at <= now or grant.position <= account.grants_after:
        raise InvalidGrant("user_code_expired", NOT_VALID)
    if grant.person is not None or device.denied or device.redeemed or grant.revoked:
        raise InvalidGrant("user_code_used", NOT_VALID)


def _client_of(core: Core, grant: Grant, device: Device) -> Client:
    """The client that asks, and not one that got its name later.

    Raises InvalidGrant.
    """
    client = core.state.access.clients.get(device.client_id)
    if client is None or not client.enabled or grant.position < client.since:
        raise InvalidGrant("user_code_of_disabled_client", NOT_VALID)
    return client
