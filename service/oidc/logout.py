"""`/oauth2/logout`: a client asks to sign a person out (OpenID Connect RP-Initiated Logout 1.0).

Where an ID token of the very session comes along, its bearer need not ask the person again; else they are asked. The
browser goes back only to an address that the client is registered with.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from projections.access_model import Client
from service.authorize.redirects import csp_source, with_answer
from service.browser.visit import SignedIn, Visit, page_endpoint
from service.endpoints.core import Core
from service.errors import InvalidRequest
from service.http.endpoint import Endpoint
from service.http.request import parse_form, required
from service.http.response import Response
from service.oidc.hint import Hint, read_id_token_hint
from service.pages.models import DonePage, SignOutPage
from service.printable import printable
from service.sessions.end import end_session
from service.tokens.seal import NotSealed

LOGOUT = "/oauth2/logout"
CONFIRM = "/oauth2/logout/confirm"

_LIFETIME = 3_600
_MAX_STATE = 4_096
_SHOWN = 200
_METHODS = ("GET", "POST")


class LogoutRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to sign out that was found good. `go_on_to` is where to send the browser after it, `session` the
    one of the ID token that came along, as its client knows it. `client_since` tells the client from a later one of its
    id.
    """

    client_id: str | None = None
    client_since: int = 0
    go_on_to: str | None = None
    session: str | None = None


def logout_endpoints(core: Core) -> dict[str, Endpoint]:
    """Where clients send a browser to be signed out, and where its person confirms that."""
    return {
        LOGOUT: page_endpoint(core, "logout", logout, _METHODS),
        CONFIRM: page_endpoint(core, "logout", confirm, _METHODS),
    }


async def logout(visit: Visit) -> Response:
    """Check the request, then do it, ask the person, or have nothing to do.

    A form that another site posts comes without the session's cookie (SameSite=Lax): its request goes on by GET.
    """
    if visit.request.method == "GET":
        return await _decide(visit, _checked(visit, visit.query()))
    form = parse_form(await visit.request.form_body(visit.core.settings.max_body))
    return visit.redirect(f"{CONFIRM}?{urlencode({'state': _seal(visit, _checked(visit, form))})}")


async def confirm(visit: Visit) -> Response:
    """The same by GET, of a request that was checked before; by POST, what the person answered."""
    if visit.request.method == "GET":
        return await _decide(visit, _open(visit, visit.query()))
    return await _answered(visit)


async def _answered(visit: Visit) -> Response:
    form = await visit.form()
    request = _open(visit, form)
    if visit.signed_in is None:
        return _finish(visit, request)
    match required(form, "decision"):
        case "sign_out":
            return await _sign_out(visit, visit.signed_in, request)
        case "stay":
            return visit.page(DonePage(title="You are still signed in", message="You can close this page."))
        case _:
            raise InvalidRequest("unknown_decision", "The form says neither yes nor no.")


async def _decide(visit: Visit, request: LogoutRequest) -> Response:
    here = visit.signed_in
    if here is None:
        return _finish(visit, request)
    if _is_hinted(visit.core, request, here):
        return await _sign_out(visit, here, request)
    page = SignOutPage(
        csrf=visit.csrf(),
        state=_seal(visit, request),
        account_name=here.account.name,
        client_name=_name_of(visit.core, request.client_id),
        form_action=() if request.go_on_to is None else (csp_source(request.go_on_to),),
    )
    return visit.page(page)


def _is_hinted(core: Core, request: LogoutRequest, here: SignedIn) -> bool:
    """Whether the ID token that came along was given in the session that is to end."""
    client = core.state.access.clients.get(request.client_id or "")
    return client is not None and request.session == core.subjects.session(client, str(here.session_id))


async def _sign_out(visit: Visit, here: SignedIn, request: LogoutRequest) -> Response:
    core = visit.core
    position = await end_session(core, visit.exchange.context, here.session_id, "logout")
    if position is not None:
        await core.follower.settled(position)
    visit.end_session()
    return _finish(visit, request)


def _finish(visit: Visit, request: LogoutRequest) -> Response:
    if request.go_on_to is not None:
        return visit.redirect(request.go_on_to)
    return visit.page(DonePage(title="You are signed out", message="You can close this page."))


def _checked(visit: Visit, given: Mapping[str, str]) -> LogoutRequest:
    """The request as it may be followed. Raises InvalidRequest, which never redirects."""
    hint = _hint(visit.core, given.get("id_token_hint"))
    client = _client(visit, given.get("client_id"), hint)
    return LogoutRequest(
        client_id=None if client is None else client.client_id,
        client_since=0 if client is None else client.since,
        go_on_to=_go_on_to(client, given.get("post_logout_redirect_uri"), given.get("state")),
        session=None if hint is None else hint.sid,
    )


def _hint(core: Core, text: str | None) -> Hint | None:
    if text is None:
        return None
    hint = read_id_token_hint(core, text)
    if hint is None:
        raise InvalidRequest("bad_id_token_hint", "The id_token_hint is not an ID token of this server.")
    return hint


def _client(visit: Visit, client_id: str | None, hint: Hint | None) -> Client | None:
    """The client that asks, as far as the request says who it is."""
    named = client_id or (hint.aud if hint else None)
    if named is None:
        return None
    client = visit.core.state.access.clients.get(named)
    if client is None:
        raise InvalidRequest("unknown_client", "There is no such client.", detail=printable(named, _SHOWN))
    visit.exchange.client_id = client.client_id
    if not client.enabled:
        raise InvalidRequest("client_disabled", "The client may not do this.")
    if hint is not None and hint.aud != client.client_id:
        raise InvalidRequest("hint_of_other_client", "The id_token_hint was issued to another client.")
    return client


def _go_on_to(client: Client | None, uri: str | None, state: str | None) -> str | None:
    """The address to send the browser to, with `state`: the registered one, character by character (section 3)."""
    if uri is None:
        return None
    if client is None:
        raise InvalidRequest(
            "redirect_without_client", "A post_logout_redirect_uri needs an id_token_hint or client_id."
        )
    if uri not in client.settings.post_logout_redirect_uris:
        raise InvalidRequest(
            "post_logout_redirect_uri_unknown",
            "The post_logout_redirect_uri is not one of this client.",
            detail=printable(uri, _SHOWN),
        )
    if state is None:
        return uri
    if len(state) > _MAX_STATE:
        raise InvalidRequest("too_large", "The state is too large.")
    return with_answer(uri, {"state": state})


def _seal(visit: Visit, request: LogoutRequest) -> str:
    return visit.core.sealer.seal(request, _LIFETIME)


def _open(visit: Visit, given: Mapping[str, str]) -> LogoutRequest:
    """A request that was sealed here, of a client that is there still. Raises InvalidRequest."""
    try:
        request = visit.core.sealer.open(LogoutRequest, required(given, "state"))
    except NotSealed:
        raise _stale() from None
    client = visit.core.state.access.clients.get(request.client_id or "")
    if request.client_id is not None and (client is None or client.since != request.client_since):
        raise _stale()
    return request


def _stale() -> InvalidRequest:
    return InvalidRequest("stale_logout", "This page is out of date. Sign out from the application again.")


def _name_of(core: Core, client_id: str | None) -> str:
    client = None if client_id is None else core.state.access.clients.get(client_id)
    return "" if client is None else client.settings.client_name or client.client_id
