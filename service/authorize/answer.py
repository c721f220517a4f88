"""Answers to the client, by way of the browser: a code or an error, with state and issuer (RFC 9207).

Nothing is sent anywhere before client and redirect URI are proven (RFC 6749 section 4.1.2.1): what fails until then is
shown to the person, on the error page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from projections.access_model import Client
from service.authorize.redirects import csp_source, is_registered, with_answer
from service.authorize.request import ResponseMode
from service.browser.visit import Visit
from service.errors import InvalidRequest, Rejection
from service.http.response import Response
from service.pages.models import FormPostPage
from service.printable import printable

_SHOWN = 200


class Target(NamedTuple):
    """Who asks, and where the answer goes; proven."""

    client: Client
    redirect_uri: str
    response_mode: ResponseMode
    state: str | None

    @property
    def client_name(self) -> str:
        """What people know the client by."""
        return self.client.settings.client_name or self.client.client_id

    @property
    def form_action(self) -> tuple[str, ...]:
        """What the content security policy of a page must name, if its form may end at the client."""
        return (csp_source(self.redirect_uri),)


def prove_target(
    visit: Visit, client_id: str, redirect_uri: str, response_mode: ResponseMode, state: str | None
) -> Target:
    """The target of a request's answers. Raises InvalidRequest, which only the person is shown."""
    client = visit.core.state.access.clients.get(client_id)
    if client is None:
        shown = printable(client_id, _SHOWN)
        raise InvalidRequest("unknown_client", "The application that sent you here is not known.", detail=shown)
    visit.exchange.client_id = client.client_id
    if not client.enabled:
        raise InvalidRequest("client_disabled", "The application that sent you here is switched off.")
    if not is_registered(redirect_uri, client.settings.redirect_uris):
        raise InvalidRequest(
            "redirect_uri_not_registered",
            "The application that sent you here wants the answer at an address that is not one of its own.",
            detail=printable(redirect_uri, _SHOWN),
        )
    return Target(client, redirect_uri, response_mode, state)


def respond(visit: Visit, target: Target, answer: Mapping[str, str]) -> Response:
    """The answer, with the state and who gives it (RFC 9207 section 2)."""
    state = {} if target.state is None else {"state": target.state}
    fields = {**answer, **state, "iss": visit.core.issuer}
    if target.response_mode == "query":
        return visit.redirect(with_answer(target.redirect_uri, fields))
    page = FormPostPage(
        action=target.redirect_uri,
        fields=fields,
        client_name=target.client_name,
        form_action=target.form_action,
    )
    return visit.page(page)


async def refuse(visit: Visit, target: Target, rejection: Rejection) -> Response:
    """Journal a refusal, then tell the client. Raises JournalUnavailable."""
    answer = {"error": rejection.error, "error_description": rejection.description}
    response = respond(visit, target, answer)
    rejection.status = response.status
    await visit.exchange.reject(rejection)
    return response
