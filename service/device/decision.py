"""`POST /device/decision`: a person has seen what a device asks for, and lets it have that, or not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from uuid import UUID

import msgspec

from schema.events import DeviceApproved, DeviceDenied, Event
from service.browser.visit import SignedIn, Visit
from service.device.request import DeviceRequest, givable, read_request
from service.errors import InvalidRequest
from service.grants.consents import allow
from service.grants.standing import check_still_stands
from service.http.request import required
from service.http.response import Response
from service.journal.port import Append, Appended, JournalUnavailable, VersionConflict
from service.pages.models import DonePage
from service.tokens.seal import NotSealed

_ATTEMPTS = 10
_TAKEN_BACK = "You signed out, or this application is not allowed any more."
_START_AGAIN = "This page is out of date. Enter the code of your device again."


class DeviceLook(msgspec.Struct, frozen=True, kw_only=True):
    """Who was shown which request, for which scopes, in which session; sealed into the page that asks them."""

    grant_id: str
    session_id: str
    subject: str
    scopes: frozenset[str]


async def decide(visit: Visit, who: SignedIn, form: Mapping[str, str]) -> Response:
    """Find the request that was looked at, commit the answer, and say what to do now."""
    look = _look(visit, who, required(form, "state"))
    match required(form, "decision"):
        case "allow":
            return await _approve(visit, who, UUID(look.grant_id), look.scopes)
        case "deny":
            return await _deny(visit, who, UUID(look.grant_id))
        case _:
            raise InvalidRequest("unknown_decision", "The form says neither yes nor no.")


def _look(visit: Visit, who: SignedIn, sealed: str) -> DeviceLook:
    """What this session looked at. Raises InvalidRequest."""
    try:
        look = visit.core.sealer.open(DeviceLook, sealed)
    except NotSealed:
        raise InvalidRequest("stale_form", _START_AGAIN) from None
    if (look.session_id, look.subject) != (str(who.session_id), who.account.subject):
        raise InvalidRequest("device_look_of_other_session", _START_AGAIN)
    return look


async def _approve(visit: Visit, who: SignedIn, grant_id: UUID, shown: frozenset[str]) -> Response:
    core, subject = visit.core, who.account.subject
    for _ in range(_ATTEMPTS):
        request = await _request(visit, who, grant_id)
        asked = givable(core, request, who.account, shown)
        approved = DeviceApproved(
            client_id=request.client.client_id,
            subject=subject,
            session=str(who.session_id),
            scope=" ".join(sorted(asked.scopes)),
            resources=asked.resources,
            approved_at=int(time.time()),
            auth_time=who.session.auth_time,
            amr=who.session.amr,
            acr=who.session.acr,
            user_agent=visit.request.user_agent,
        )
        await allow(core, visit.exchange.context, subject, request.client, asked.scopes)
        appended = await _append(visit, request, approved)
        if appended is not None:
            await check_still_stands(
                visit, who, request.client, asked.scopes, request.grant_id, appended.last, _TAKEN_BACK
            )
            return visit.page(DonePage(title="Your device is connected", message="You can go back to your device."))
    raise JournalUnavailable("the grant changes too fast to be approved")


async def _deny(visit: Visit, who: SignedIn, grant_id: UUID) -> Response:
    for _ in range(_ATTEMPTS):
        request = await _request(visit, who, grant_id)
        denied = DeviceDenied(
            client_id=request.client.client_id,
            subject=who.account.subject,
            user_agent=visit.request.user_agent,
        )
        appended = await _append(visit, request, denied)
        if appended is not None:
            await visit.core.follower.settled(appended.last)
            return visit.page(DonePage(title="The device gets nothing", message="You can close this page."))
    raise JournalUnavailable("the grant changes too fast to be denied")


async def _request(visit: Visit, who: SignedIn, grant_id: UUID) -> DeviceRequest:
    """The request as it is now. Raises InvalidGrant or JournalUnavailable."""
    request = await read_request(visit.core, grant_id, who.account, time.time())
    visit.exchange.client_id = request.client.client_id
    return request


async def _append(visit: Visit, request: DeviceRequest, event: Event) -> Appended | None:
    """Commit the answer; None where somebody else was faster. Raises JournalUnavailable."""
    appending = Append(request.grant_id, request.version, (event,), visit.exchange.context)
    try:
        return await visit.core.journal.append(appending)
    except VersionConflict:
        return None
