"""The pages of signing in: `/sign-in`, `/sign-in/second-factor`, `/sign-in/passkey`."""

from __future__ import annotations

from functools import partial

from service.accounts.factors import Factors
from service.browser.visit import FORM_METHODS, Visit, page_endpoint
from service.endpoints.core import Core
from service.http.endpoint import Endpoint
from service.http.response import Response
from service.sign_in.desk import Desk, asked_by
from service.sign_in.first_step import show_sign_in, take_passkey_alone, take_password
from service.sign_in.second_factor import take_code, take_passkey
from service.sign_in.throttle import Throttle

SIGN_IN = "/sign-in"
_READS = frozenset({"GET", "HEAD"})


def sign_in_endpoints(core: Core, throttle: Throttle) -> dict[str, Endpoint]:
    """The pages by their paths. `throttle` is the one of the worker."""
    desk = Desk(throttle, Factors(core))
    return {
        SIGN_IN: page_endpoint(core, "sign_in", partial(_sign_in, desk), FORM_METHODS),
        "/sign-in/second-factor": page_endpoint(
            core, "sign_in_second_factor", partial(_second_factor, desk), FORM_METHODS
        ),
        "/sign-in/passkey": page_endpoint(core, "sign_in_passkey", partial(_passkey, desk), FORM_METHODS),
    }


async def _sign_in(desk: Desk, visit: Visit) -> Response:
    return show_sign_in(desk, visit) if visit.request.method in _READS else await take_password(desk, visit)


# A page that is shown again stays at these addresses: who opens one by hand begins anew.


async def _second_factor(desk: Desk, visit: Visit) -> Response:
    return visit.redirect(SIGN_IN) if visit.request.method in _READS else await take_code(desk, visit)


async def _passkey(desk: Desk, visit: Visit) -> Response:
    if visit.request.method in _READS:
        return visit.redirect(SIGN_IN)
    form = await visit.form()
    asked = asked_by(visit, form)
    if "state" in form:
        return await take_passkey(desk, visit, asked, form)
    return await take_passkey_alone(desk, visit, asked, form)
