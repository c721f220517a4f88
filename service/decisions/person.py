"""What a client may have from a person: the scopes asked for, those they can give, and the terms of a token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from projections.access_model import AccessModel, Client
from projections.accounts import Account
from projections.grants import Person
from service.decisions.issue import Terms, check_resource_uri, listed, scopes_in
from service.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from service.keys.lifecycle import LONGEST_LIFETIME
from service.oidc.scopes import IDENTITY_SCOPES
from service.printable import printable

_SHOWN = 200


class Asked(NamedTuple):
    """What a client asks a person for: scopes, and the APIs that they are for (none where it is only who they are)."""

    scopes: frozenset[str]
    resources: tuple[str, ...]


def decide_asked(
    access: AccessModel, client: Client, grant_type: str, scope: str | None, resources: tuple[str, ...]
) -> Asked:
    """What the client asks for, if it may (RFC 6749 section 3.3, RFC 8707 section 2.1).

    Without a `resource` its scopes are those of every API of the client that has one of them. Raises
    UnauthorizedClient, InvalidScope or InvalidTarget.
    """
    if grant_type not in client.settings.grants:
        raise UnauthorizedClient("grant_not_allowed", "The client may not use this grant type.", detail=grant_type)
    wanted = scopes_in(scope)
    if wanted is None:
        raise InvalidScope("no_scope", "Name the scope.")
    own = [uri for uri in client.settings.resources if uri in access.resources]
    for uri in resources:
        check_resource_uri(uri)
        if uri not in own:
            reason = "resource_not_allowed" if uri in access.resources else "unknown_resource"
            raise InvalidTarget(reason, "The resource is not one of this client.", detail=printable(uri, _SHOWN))
    named = [uri for uri in own if uri in resources] if resources else own
    of_apis = wanted - IDENTITY_SCOPES.keys()
    allowed = access.scopes_of(client) & _with_identity(access, named)
    if not wanted <= allowed:
        raise InvalidScope(
            "scope_not_allowed",
            "The scope is more than this client may ask for, of the resources asked for.",
            detail=listed(wanted - allowed),
        )
    return Asked(wanted, tuple(uri for uri in named if resources or of_apis & access.resources[uri].scopes.keys()))


def scopes_of_person(access: AccessModel, account: Account, scopes: Iterable[str]) -> frozenset[str]:
    """The scopes that a person can give. One that a role has, or ever had, takes such a role; any other is theirs."""
    theirs = frozenset[str]().union(*(access.roles[name].scopes for name in account.roles if name in access.roles))
    return frozenset(scope for scope in scopes if scope not in access.governed or scope in theirs)


def decide_person_terms(
    access: AccessModel,
    client: Client,
    account: Account,
    person: Person,
    *,
    issuer: str,
    scope: str | None,
    resource: str | None,
    default_lifetime: int,
) -> Terms:
    """The terms of an access token under a grant that a person gave: never more than it, and never more than client
    and person may have now (RFC 6749 section 6, RFC 8707 section 2.2).

    Where no API is named it is the first of the grant; where the grant has none, this server itself (userinfo). Raises
    InvalidScope or InvalidTarget.
    """
    resources = [uri for uri in person.resources if uri in access.resources and uri in client.settings.resources]
    if resource is not None and resource not in resources:
        check_resource_uri(resource)
        raise InvalidTarget(
            "resource_not_granted", "The resource is not one of this grant.", detail=printable(resource, _SHOWN)
        )
    audience = resource or next(iter(resources), issuer)
    granted = frozenset(person.scope.split(" "))
    wanted = scopes_in(scope)
    if wanted is not None and not wanted <= granted:
        raise InvalidScope("scope_not_granted", "The scope is more than was granted.", detail=listed(wanted - granted))
    possible = access.scopes_of(client) & _with_identity(access, [audience] if audience in resources else [])
    kept = scopes_of_person(access, account, (wanted or granted) & possible)
    if not kept:
        raise InvalidScope("no_scope", "Nothing is left of the scope.")
    return Terms(
        audience=audience,
        scope=" ".join(sorted(kept)),
        lifetime=min(client.settings.access_token_lifetime or default_lifetime, LONGEST_LIFETIME),
        format=client.settings.token_format,
    )


def _with_identity(access: AccessModel, resources: Iterable[str]) -> frozenset[str]:
    return frozenset(IDENTITY_SCOPES).union(*(access.resources[uri].scopes for uri in resources))
