"""This server's own API (`urn:tallystick:api`) is part of every access model: nobody has to name it, nobody can remove
it or take a scope from it; who names it says how its scopes are described.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from projections.access_model import AccessModel
from service.access.errors import Mistake
from service.access.plan import Wanted
from service.access.wording import unknown
from service.own_api.scopes import OWN_API, OWN_SCOPES, complete


def with_own_api(wanted: Wanted, model: AccessModel) -> Wanted:
    """What is wanted, and the own API with all its scopes."""
    known = model.resources.get(OWN_API)
    scopes = complete(known.scopes if known else {}, wanted.resources.get(OWN_API, {}))
    return wanted._replace(resources={**wanted.resources, OWN_API: scopes})


def uses_own_api(wanted: Wanted) -> bool:
    """Whether what is wanted names the own API, or a scope of it."""
    roles_have_it = any(OWN_SCOPES.keys() & set(scopes) for scopes in wanted.roles.values())
    clients_have_it = any(OWN_API in settings.resources for settings in wanted.clients.values())
    return OWN_API in wanted.resources or roles_have_it or clients_have_it


def own_scope_mistakes(scopes: Mapping[str, str]) -> Iterator[Mistake]:
    """The scopes of the own API are this server's to say."""
    for scope in scopes:
        if scope not in OWN_SCOPES:
            yield Mistake(("scopes", scope), unknown(scope, "no scope of this server", OWN_SCOPES))
