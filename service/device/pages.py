"""The pages on which a person lets a device have a grant, or not (RFC 8628 section 3.3).

`/device` takes the code, `/device/decision` the answer. Following a link decides nothing (section 3.3.1).
"""

from __future__ import annotations

import time
from functools import partial
from urllib.parse import urlencode

from service.authorize.consent_page import scope_groups
from service.browser.sign_in_request import SignInRequest, sign_in_first
from service.browser.visit import FORM_METHODS, SignedIn, Visit, page_endpoint
from service.device.codes import normal_user_code, shown
from service.device.decision import DeviceLook, decide
from service.device.guesses import Guesses
from service.device.request import DeviceRequest, find_request, givable, look_first, read_request
from service.endpoints.core import Core
from service.errors import InvalidGrant, Rejection
from service.http.endpoint import Endpoint
from service.http.request import required
from service.http.response import Response
from service.pages.models import DeviceCodePage, DeviceConfirmPage

_READS = frozenset({"GET", "HEAD"})


def device_endpoints(core: Core) -> dict[str, Endpoint]:
    """The pages by their paths."""
    guesses = Guesses(core.state.wrong_user_codes, core.settings)
    return {
        "/device": page_endpoint(core, "device", partial(_device, guesses), FORM_METHODS),
        "/device/decision": page_endpoint(core, "device_decision", _decision, FORM_METHODS),
    }


async def _device(guesses: Guesses, visit: Visit) -> Response:
    if visit.request.method in _READS:
        return _show(visit)
    if visit.signed_in is None:
        return _sign_in(visit)
    form = await visit.form()
    return await _enter(guesses, visit, visit.signed_in, required(form, "user_code"))


async def _decision(visit: Visit) -> Response:
    # The page stays at this address after an answer: who opens it by hand begins anew.
    if visit.request.method in _READS or visit.signed_in is None:
        return visit.redirect("/device")
    return await decide(visit, visit.signed_in, await visit.form())


def _show(visit: Visit) -> Response:
    typed = visit.query().get("user_code", "")
    code = normal_user_code(typed)
    if visit.signed_in is None:
        return _sign_in(visit, "" if code is None else shown(code))
    return _code_page(visit, typed if code is None else shown(code))


def _sign_in(visit: Visit, code: str = "") -> Response:
    query = f"?{urlencode({'user_code': code})}" if code else ""
    return sign_in_first(visit, SignInRequest(return_to=f"/device{query}"))


async def _enter(guesses: Guesses, visit: Visit, who: SignedIn, typed: str) -> Response:
    """Show what the device asks for, or the form again."""
    async with guesses.one(who.account.subject, visit.request.source):
        try:
            request = await _look(visit, who, typed)
        except InvalidGrant as wrong:
            wrong.detail = who.account.subject
            return await _wrong_code(visit, typed, wrong)
    return _confirm_page(visit, who, request, typed)


async def _look(visit: Visit, who: SignedIn, typed: str) -> DeviceRequest:
    """The request of a code, looked at by this session from now on. Raises InvalidGrant or JournalUnavailable."""
    core = visit.core
    request = await read_request(core, await find_request(core, typed), who.account, time.time())
    await look_first(core, request.grant_id, who.session_id)
    visit.exchange.client_id = request.client.client_id
    return request


async def _wrong_code(visit: Visit, typed: str, wrong: Rejection) -> Response:
    appended = await visit.exchange.journal(wrong)
    await visit.core.follower.folded(appended.last)
    return _code_page(visit, typed, wrong.description, wrong.status)


def _code_page(visit: Visit, typed: str, error: str = "", status: int = 200) -> Response:
    return visit.page(DeviceCodePage(csrf=visit.csrf(), user_code=typed, error=error), status)


def _confirm_page(visit: Visit, who: SignedIn, request: DeviceRequest, typed: str) -> Response:
    """Raises UnauthorizedClient, InvalidScope, InvalidTarget or AccessDenied."""
    core, client = visit.core, request.client
    asked = givable(core, request, who.account)
    allowed = core.state.consents.scopes(who.account.subject, client.client_id)
    look = DeviceLook(
        grant_id=str(request.grant_id),
        session_id=str(who.session_id),
        subject=who.account.subject,
        scopes=asked.scopes,
    )
    page = DeviceConfirmPage(
        csrf=visit.csrf(),
        state=core.sealer.seal(look, max(1, request.device.expires_at - int(time.time()))),
        user_code=shown(normal_user_code(typed) or ""),
        client_name=client.settings.client_name or client.client_id,
        account_name=who.account.name,
        groups=scope_groups(core.state.access, asked.scopes, asked.resources, asked.scopes - allowed),
        requested_at=request.requested_at,
        requested_from=request.requested_from or "",
    )
    return visit.page(page)
