"""How people change what they sign in by: password, authenticator app, recovery codes, passkeys.

Each needs a sign-in of the last 15 minutes, with two factors where the account has them, and a form of ours; each is an
event of the account, under its expected version, so that of two changes at once the second is decided anew.
"""

from __future__ import annotations

from functools import partial

from service.account_page.security_change import NOTICES, RECENT, OwnerSteps, for_owner
from service.account_page.security_passkeys import passkeys
from service.account_page.security_password import password
from service.account_page.security_totp import recovery_codes, totp
from service.browser.visit import ACTION_METHODS, FORM_METHODS, Methods, page_endpoint
from service.endpoints.core import Core
from service.http.endpoint import Endpoint
from service.sign_in.throttle import Throttle

__all__ = ["NOTICES", "RECENT", "security_endpoints"]


def security_endpoints(core: Core, throttle: Throttle) -> dict[str, Endpoint]:
    """The endpoints by path. `throttle` is the one of the worker."""
    steps: dict[str, tuple[OwnerSteps, Methods]] = {
        "password": (partial(password, throttle), FORM_METHODS),
        "totp": (totp, ACTION_METHODS),
        "recovery-codes": (recovery_codes, ACTION_METHODS),
        "passkeys": (passkeys, ACTION_METHODS),
    }
    return {
        f"/account/{part}": page_endpoint(core, f"account_{part.replace('-', '_')}", for_owner(each), methods)
        for part, (each, methods) in steps.items()
    }
