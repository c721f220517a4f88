"""What resources, roles and clients may be: the rules that files and single commands share.

Each function yields the mistakes of one entry, with paths relative to it. Rules about an entry alone come first; those
about what it refers to take `Known`, all that exists after the change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from schema.events import ClientSettings
from service.access.errors import FieldPath, Mistake, quoted
from service.access.grant_names import GRANT_NAMES
from service.access.jwks import jwks_mistakes
from service.access.own_api import own_scope_mistakes
from service.access.plan import uses_secret
from service.access.sign_in_rules import sign_in_mistakes
from service.access.uris import resource_uri_problem
from service.access.wording import repeated, text_problem, unknown
from service.grants import SUPPORTED_GRANTS
from service.oidc.scopes import IDENTITY_SCOPES
from service.own_api.scopes import OWN_API

LIFETIME_LIMIT = 86_400
"""The longest access token lifetime, in seconds."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}")
_ROLE_CHARACTERS = "A-Z a-z 0-9 _ . : / - and begin with a letter or digit"
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_SCOPE_CHARACTERS = '1 to 255 ASCII characters without space, " and \\'
_SECRET_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")


class Known(NamedTuple):
    """What exists after the change: resources with the description of each scope, roles with their scopes."""

    resources: Mapping[str, Mapping[str, str]]
    roles: Mapping[str, Sequence[str]]

    def has_scope(self, scope: str) -> bool:
        """Whether it is a scope of some resource."""
        return any(scope in scopes for scopes in self.resources.values())


def resource_mistakes(uri: str, scopes: Mapping[str, str]) -> Iterator[Mistake]:
    """The rules for a resource alone."""
    if problem := resource_uri_problem(uri):
        yield Mistake(("uri",), f"{quoted(uri)} {problem}")
    if uri == OWN_API:
        yield from own_scope_mistakes(scopes)
    for scope, description in scopes.items():
        yield from _scope_mistakes(scope, ("scopes", scope))
        if scope in IDENTITY_SCOPES:
            message = (
                f"{quoted(scope)} is about the person (OpenID Connect Core section 5.4); an API needs another name"
            )
            yield Mistake(("scopes", scope), message)
        if problem := text_problem(description):
            yield Mistake(("scopes", scope), f"the description {problem}")


def role_mistakes(name: str, scopes: Sequence[str]) -> Iterator[Mistake]:
    """The rules for a role alone."""
    if not _ROLE.fullmatch(name):
        yield Mistake(("name",), f"{quoted(name)} must be 1 to 64 of {_ROLE_CHARACTERS}")
    yield from _scopes_mistakes(scopes)
    for index, scope in enumerate(scopes):
        if scope in IDENTITY_SCOPES:
            yield Mistake(("scopes", index), f"{quoted(scope)} is about the person: everybody may give it, in no role")


def client_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    """The rules for a client alone."""
    if not _CLIENT_ID.fullmatch(settings.client_id) or settings.client_id == "_":
        yield Mistake(("id",), f'{quoted(settings.client_id)} must be 1 to 64 of A-Z a-z 0-9 _ - and not "_" alone')
    yield from _grant_mistakes(settings)
    yield from _scopes_mistakes(settings.scopes)
    for field in ("roles", "resources", "introspects"):
        yield from repeated(getattr(settings, field), field)
    if OWN_API in settings.introspects:
        index = settings.introspects.index(OWN_API)
        yield Mistake(("introspects", index), f"{quoted(OWN_API)} is this server itself, which need not ask")
    lifetime = settings.access_token_lifetime
    if lifetime is not None and not 1 <= lifetime <= LIFETIME_LIMIT:
        yield Mistake(("access_token_lifetime",), f"{lifetime} s is not within 1 s and {LIFETIME_LIMIT} s (24h)")
    yield from _key_mistakes(settings)
    yield from sign_in_mistakes(settings)


def secret_file_mistakes(settings: ClientSettings, name: str) -> Iterator[Mistake]:
    """The rules for the name of a client's secret file: a plain name, so that it stays in its folder."""
    if not _SECRET_FILE.fullmatch(name):
        yield Mistake(
            ("secret_file",), f"{quoted(name)} must be a file name of A-Z a-z 0-9 _ . - that begins with no dot"
        )
    if not uses_secret(settings):
        yield Mistake(("secret_file",), f"auth_method {settings.auth_method} has no secret")


def role_references(scopes: Sequence[str], known: Known) -> Iterator[Mistake]:
    """What a role refers to must exist."""
    for index, scope in enumerate(scopes):
        if scope not in IDENTITY_SCOPES and not known.has_scope(scope):
            yield Mistake(("scopes", index), _no_scope(scope, known))


def client_references(settings: ClientSettings, known: Known) -> Iterator[Mistake]:
    """What a client refers to must exist, and its scopes must be of a resource that it has, or about the person.

    A client that only introspects asks for no token: its scopes must be of some resource.
    """
    for field in ("resources", "introspects"):
        for index, uri in enumerate(getattr(settings, field)):
            if uri not in known.resources:
                yield Mistake((field, index), unknown(uri, "no resource", known.resources))
    for index, role in enumerate(settings.roles):
        if role not in known.roles:
            yield Mistake(("roles", index), unknown(role, "no role", known.roles))
    only_introspects = bool(settings.introspects) and not settings.resources
    for index, scope in enumerate(settings.scopes):
        if scope in IDENTITY_SCOPES:
            continue
        if not known.has_scope(scope):
            yield Mistake(("scopes", index), _no_scope(scope, known, IDENTITY_SCOPES))
        elif not only_introspects and not any(scope in known.resources.get(uri, {}) for uri in settings.resources):
            owner = next(uri for uri, scopes in known.resources.items() if scope in scopes)
            yield Mistake(("scopes", index), f"{quoted(scope)} is a scope of {owner}, which the client has not")


def _grant_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    yield from repeated(settings.grants, "grants")
    public = settings.auth_method == "none"
    for index, grant in enumerate(settings.grants):
        if grant not in SUPPORTED_GRANTS:
            yield Mistake(("grants", index), unknown(grant, "no grant of this server", GRANT_NAMES))
        elif grant == "client_credentials" and public:
            message = "a public client (auth_method none) may not use client_credentials (RFC 6749 section 4.4)"
            yield Mistake(("grants", index), message)
    if public and settings.introspects:
        yield Mistake(("introspects",), "a public client (auth_method none) may not introspect (RFC 7662 section 2.1)")


def _key_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    if settings.auth_method == "private_key_jwt":
        if not settings.jwks:
            yield Mistake(("jwks",), "private_key_jwt needs the client's public keys")
        yield from (mistake.under("jwks", "keys") for mistake in jwks_mistakes(settings.jwks))
    elif settings.jwks:
        yield Mistake(("jwks",), f"only private_key_jwt uses keys; auth_method is {settings.auth_method}")


def _scopes_mistakes(scopes: Sequence[str]) -> Iterator[Mistake]:
    yield from repeated(scopes, "scopes")
    for index, scope in enumerate(scopes):
        yield from _scope_mistakes(scope, ("scopes", index))


def _scope_mistakes(scope: str, path: FieldPath) -> Iterator[Mistake]:
    if not _SCOPE.fullmatch(scope):
        yield Mistake(path, f"{quoted(scope)} is no scope token: {_SCOPE_CHARACTERS} (RFC 6749 section 3.3)")


def _no_scope(scope: str, known: Known, more: Iterable[str] = ()) -> str:
    scopes = sorted({one for described in known.resources.values() for one in described})
    return unknown(scope, "no scope of any resource", (*more, *scopes))


def rotation_mistakes(settings: ClientSettings, secret_file: str | None) -> Iterator[Mistake]:
    """The rules for a new secret."""
    if not uses_secret(settings):
        yield Mistake((), f"client {settings.client_id} has no secret: its auth_method is {settings.auth_method}")
    elif secret_file is not None:
        yield from secret_file_mistakes(settings, secret_file)
