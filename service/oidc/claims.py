"""What a client is told about a person (OpenID Connect Core section 5): by scope, and by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projections.access_model import AccessModel, Client
from projections.accounts import Account
from service.oidc.scopes import SCOPE_CLAIMS

_SCOPE_OF = {claim: scope for scope, claims in SCOPE_CLAIMS.items() for claim in claims}

CLAIMS = tuple(_SCOPE_OF)
"""Every claim about a person beside `sub`."""


def claims_of(account: Account, scopes: Iterable[str], names: Iterable[str] = ()) -> dict[str, Any]:
    """The claims that the scopes ask for and those named, as far as there are such; `sub` is not among them."""
    wanted = {claim for scope in scopes for claim in SCOPE_CLAIMS.get(scope, ())} | set(names)
    return {claim: value for claim, value in _known(account).items() if claim in wanted}


def may_be_told(access: AccessModel, client: Client, names: Iterable[str]) -> list[str]:
    """Of claims named by the `claims` parameter (section 5.5), those whose scope the client might ask for as well.

    Naming a claim is another way to ask, never a way to more.
    """
    allowed = access.scopes_of(client)
    return [name for name in names if _SCOPE_OF.get(name) in allowed]


def _known(account: Account) -> dict[str, Any]:
    """Nobody has checked the address, so it is never called verified."""
    email = {"email": account.email, "email_verified": False} if account.email else {}
    return {"name": account.name, "preferred_username": account.name, **email, "roles": sorted(account.roles)}
