"""May this client have this token: audience, scope and lifetime of an access token."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from projections.access_model import AccessModel, Client, Resource
from schema.events import TokenFormat
from service.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from service.keys.lifecycle import LONGEST_LIFETIME
from service.printable import printable

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_SHOWN = 200


class Terms(NamedTuple):
    """What is granted: one audience, scopes sorted and space-separated, lifetime in seconds."""

    audience: str
    scope: str
    lifetime: int
    format: TokenFormat


def decide_terms(
    access: AccessModel,
    client: Client,
    grant_type: str,
    *,
    scope: str | None,
    resource: str | None,
    default_lifetime: int,
) -> Terms:
    """The terms of an access token for a client acting on its own behalf (RFC 6749 section 4.4, RFC 8707).

    Raises UnauthorizedClient, InvalidTarget or InvalidScope.
    """
    if grant_type not in client.settings.grants:
        raise UnauthorizedClient("grant_not_allowed", "The client may not use this grant type.", detail=grant_type)
    wanted = scopes_in(scope)
    target = _target(access, client, resource, wanted)
    allowed = access.scopes_of(client) & target.scopes.keys()
    granted = allowed if wanted is None else wanted
    if not granted <= allowed:
        raise InvalidScope(
            "scope_not_allowed",
            "The scope is more than this client may ask of this resource.",
            detail=listed(granted - allowed),
        )
    if not granted:
        raise InvalidScope("no_scope", "The client has no scope at this resource.", detail=target.uri[:_SHOWN])
    return Terms(
        audience=target.uri,
        scope=" ".join(sorted(granted)),
        lifetime=min(client.settings.access_token_lifetime or default_lifetime, LONGEST_LIFETIME),
        format=client.settings.token_format,
    )


def scopes_in(scope: str | None) -> frozenset[str] | None:
    """The scope tokens of a `scope` parameter, None where it was left out. Raises InvalidScope."""
    if scope is None:
        return None
    if not _SCOPE.fullmatch(scope):
        raise InvalidScope("malformed_scope", "The scope is not a list of scope tokens separated by single spaces.")
    return frozenset(scope.split(" "))


def _target(access: AccessModel, client: Client, resource: str | None, wanted: frozenset[str] | None) -> Resource:
    """The resource named; else the only one the client has; else the only one of its own that has all the scopes
    wanted.
    """
    own = [access.resources[uri] for uri in client.settings.resources if uri in access.resources]
    if resource is not None:
        check_resource_uri(resource)
        named = next((candidate for candidate in own if candidate.uri == resource), None)
        if named is None:
            reason = "resource_not_allowed" if resource in access.resources else "unknown_resource"
            raise InvalidTarget(reason, "The resource is not one of this client.", detail=printable(resource, _SHOWN))
        return named
    fitting = own if wanted is None or len(own) == 1 else [one for one in own if wanted <= one.scopes.keys()]
    if len(fitting) == 1:
        return fitting[0]
    if not own:
        raise InvalidTarget("no_resource", "The client has no resource.")
    if wanted is not None and not wanted <= _all_scopes(own):
        raise InvalidScope(
            "scope_not_allowed",
            "The scope is more than this client may ask of any resource.",
            detail=listed(wanted - _all_scopes(own)),
        )
    raise InvalidTarget("resource_not_named", "Name the resource: the client has several.")


def check_resource_uri(resource: str) -> None:
    """It must be an absolute URI without a fragment (RFC 8707 section 2). Raises InvalidTarget."""
    try:
        parts = urlsplit(resource)
    except ValueError:
        parts = None
    if parts is None or not parts.scheme or "#" in resource:
        raise InvalidTarget("malformed_resource", "The resource is not an absolute URI without a fragment.")


def _all_scopes(resources: Iterable[Resource]) -> frozenset[str]:
    return frozenset().union(*(resource.scopes for resource in resources))


def listed(scopes: Iterable[str]) -> str:
    """Scopes as an event's detail shows them."""
    return printable(" ".join(sorted(scopes)), _SHOWN)
