"""What a client that people sign in at may be: its name, where browsers are sent, its refresh tokens and subjects."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from schema.events import ClientSettings
from service.access.errors import Mistake, quoted
from service.access.grant_names import PERSONS_GRANTS
from service.access.uris import backchannel_uri_problem, redirect_uri_problem
from service.access.wording import repeated, text_problem
from service.grants import AUTHORIZATION_CODE, REFRESH_TOKEN
from service.oidc.scopes import IDENTITY_SCOPES, OFFLINE_ACCESS

_NAME_LIMIT = 100
_BY_A_PERSON = "authorization_code or device_code"


def sign_in_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    """The rules for a client alone, as far as they are about people."""
    if problem := _name_problem(settings.client_name):
        yield Mistake(("client_name",), f"{quoted(settings.client_name)} {problem}")
    yield from _uri_mistakes(settings)
    yield from _refresh_mistakes(settings)
    yield from _scope_mistakes(settings)
    if settings.subject_type == "pairwise" and len(_sectors(settings)) > 1:
        message = "pairwise needs all redirect URIs on one host (OpenID Connect Core section 8.1)"
        yield Mistake(("subject_type",), message)


def _name_problem(name: str) -> str | None:
    return text_problem(name, _NAME_LIMIT) or (None if name == name.strip() else "begins or ends with a space")


def _uri_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    for field in ("redirect_uris", "post_logout_redirect_uris"):
        uris = getattr(settings, field)
        yield from repeated(uris, field)
        for index, uri in enumerate(uris):
            if problem := redirect_uri_problem(uri):
                yield Mistake((field, index), f"{quoted(uri)} {problem}")
    if AUTHORIZATION_CODE in settings.grants and not settings.redirect_uris:
        yield Mistake(("redirect_uris",), "authorization_code needs at least one redirect URI")
    uri = settings.backchannel_logout_uri
    if uri is not None and (problem := backchannel_uri_problem(uri)):
        yield Mistake(("backchannel_logout_uri",), f"{quoted(uri)} {problem}")


def _refresh_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    if REFRESH_TOKEN in settings.grants:
        place = ("grants", settings.grants.index(REFRESH_TOKEN))
        if not _by_a_person(settings):
            yield Mistake(place, f"refresh_token needs {_BY_A_PERSON}: no other grant gives a refresh token")
        elif OFFLINE_ACCESS not in settings.scopes:
            yield Mistake(place, f"refresh_token needs the scope {OFFLINE_ACCESS}, by which people allow it")
    if not settings.refresh_rotation and settings.auth_method == "none":
        message = "a public client (auth_method none) must rotate its refresh tokens (RFC 9700 section 4.14.2)"
        yield Mistake(("refresh_rotation",), message)


def _scope_mistakes(settings: ClientSettings) -> Iterator[Mistake]:
    for index, scope in enumerate(settings.scopes):
        if scope in IDENTITY_SCOPES and not _by_a_person(settings):
            yield Mistake(("scopes", index), f"{quoted(scope)} is about a person: it needs {_BY_A_PERSON}")
        elif scope == OFFLINE_ACCESS and REFRESH_TOKEN not in settings.grants:
            yield Mistake(("scopes", index), f"{quoted(scope)} is for refresh tokens: it needs refresh_token")


def _by_a_person(settings: ClientSettings) -> bool:
    return any(grant in PERSONS_GRANTS for grant in settings.grants)


def _sectors(settings: ClientSettings) -> set[str]:
    """The hosts of the redirect URIs; one without a host, as com.example.app:/, is a sector of its own."""
    return {_host(uri) for uri in settings.redirect_uris}


def _host(uri: str) -> str:
    try:
        return urlsplit(uri).hostname or uri
    except ValueError:
        return uri
