"""Why somebody is asked to sign in, and where they go on after it; sealed, so that it leads nowhere else."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from service.browser.visit import Visit
from service.http.response import Response

LIFETIME = 3_600
"""Seconds in which somebody must have signed in."""


class SignInRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`return_to` is a path of this server with its query. `name` fills the form in, `acr` is the class wanted.

    `form_action` names where `return_to` may lead to beside this server, for the content security policy.
    """

    return_to: str
    client_id: str | None = None
    client_name: str = ""
    name: str = ""
    acr: str = ""
    form_action: tuple[str, ...] = ()


def sign_in_first(visit: Visit, request: SignInRequest) -> Response:
    """Send the browser to the sign-in page."""
    sealed = visit.core.sealer.seal(request, LIFETIME)
    return visit.redirect(f"/sign-in?{urlencode({'request': sealed})}")
