"""What the pages of signing in share: the request that they serve, the throttle, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from projections.accounts import Account
from service.accounts.factors import Factors
from service.browser.sign_in_request import SignInRequest
from service.browser.visit import Visit
from service.errors import InvalidRequest
from service.http.response import Response
from service.sessions.start import start_session
from service.sign_in.failure import LoginMethod
from service.sign_in.throttle import Throttle
from service.tokens.seal import NotSealed

ACCOUNT = "/account"
REFUSED = 400
"""The status of a page that is shown again: the same for every cause."""


class Desk(NamedTuple):
    """What one worker signs people in with."""

    throttle: Throttle
    factors: Factors


class Asked(NamedTuple):
    """A request to sign in, as it was sealed; `request` is not there for somebody who came by themselves."""

    sealed: str
    request: SignInRequest | None

    @property
    def client_name(self) -> str:
        """The application that waits."""
        return self.request.client_name if self.request else ""

    @property
    def form_action(self) -> tuple[str, ...]:
        """Where the forms may lead to beside this server."""
        return self.request.form_action if self.request else ()


def asked_by(visit: Visit, fields: Mapping[str, str]) -> Asked:
    """The request that a query or form carries. Raises InvalidRequest for one that is too old or none of ours."""
    sealed = fields.get("request", "")
    if not sealed:
        return Asked("", None)
    try:
        request = visit.core.sealer.open(SignInRequest, sealed)
    except NotSealed:
        raise InvalidRequest(
            "bad_sign_in_request", "This sign-in took too long. Go back to the application and start again."
        ) from None
    visit.exchange.client_id = request.client_id
    return Asked(sealed, request)


async def finish(visit: Visit, asked: Asked, account: Account, amr: tuple[str, ...], method: LoginMethod) -> Response:
    """Somebody has proved who they are: begin their session, and send them on.

    Raises InvalidRequest or JournalUnavailable.
    """
    await start_session(visit, account, amr)
    visit.core.metrics.signed_in(method, "passed")
    return visit.redirect(asked.request.return_to if asked.request else ACCOUNT)
