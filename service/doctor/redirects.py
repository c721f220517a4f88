"""Where clients have browsers sent: redirect URIs, and those of after a logout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from projections.access_model import Client
from service.doctor.facts import ClientFacts
from service.doctor.finding import Check, Finding, Group
from service.doctor.places import is_loopback, split

_CHANGE = "change redirect_uris of {client} in access.yaml, then `tallystick apply access.yaml`"

HTTP = Check(
    "redirect-uri-http",
    ("fail",),
    "redirect URIs are https, or http on this machine's own address",
    "Authorization codes that are sent over plain HTTP can be read on their way (RFC 9700 section 2.6).",
    _CHANGE,
)
WILDCARD = Check(
    "redirect-uri-wildcard",
    ("fail",),
    "no redirect URI is a pattern",
    "A pattern lets codes be sent to more places than were meant; redirect URIs are compared character by character"
    " (RFC 9700 sections 2.1 and 4.1.3). Here a pattern stands for itself, and steps such as `/../` for what a"
    " browser makes of them.",
    _CHANGE,
)
FRAGMENT = Check(
    "redirect-uri-fragment",
    ("fail",),
    "no redirect URI has a fragment",
    "A fragment must not be there (RFC 6749 section 3.1.2): browsers keep it over redirects, and what is added to"
    " it is seen by scripts.",
    _CHANGE,
)
SCHEME = Check(
    "redirect-uri-scheme",
    ("fail",),
    "private-use schemes are reversed domain names",
    "Any app may take a scheme such as `myapp:`, and gets the codes; one by a domain name of one's own is at least"
    " nobody else's by mistake, and `javascript:` or `data:` is code (RFC 8252 sections 7.1 and 8.4).",
    _CHANGE,
)
LOCALHOST = Check(
    "redirect-uri-localhost",
    ("warn",),
    "loopback redirect URIs name the address",
    "`localhost` may be resolved to another address than this machine's, and listens beyond it more easily;"
    " 127.0.0.1 or [::1] does not (RFC 8252 section 8.3).",
    _CHANGE,
)
OPEN = Check(
    "redirect-uri-open",
    ("warn",),
    "no redirect URI looks like one that redirects on",
    "A page that sends browsers on to where its address says gives codes away to whoever makes the link (RFC 9700"
    " section 4.11.1).",
    "see that {uri} sends nobody on to an address of its query; otherwise " + _CHANGE,
)
SHORTENER = Check(
    "redirect-uri-shortener",
    ("warn",),
    "no redirect URI is at a service that shortens links",
    "Such a service redirects on, and where to is changed by whoever holds the link (RFC 9700 section 4.11.1).",
    _CHANGE,
)
MANY = Check(
    "redirect-uri-many",
    ("info",),
    "no client has more than ten redirect URIs",
    "Each is a place that a code may be sent to; those of former hosts may belong to somebody else by now (RFC 9700"
    " section 4.1).",
    "take those away that are not used: " + _CHANGE,
)
CHECKS = (HTTP, WILDCARD, FRAGMENT, SCHEME, LOCALHOST, OPEN, SHORTENER, MANY)

MANY_URIS = 10
_SHORTENER = re.compile(
    r"(www\.)?(bit\.ly|buff\.ly|cutt\.ly|goo\.gl|is\.gd|lnkd\.in|ow\.ly|rb\.gy|rebrand\.ly|s\.id|shorturl\.at|t\.co"
    r"|t\.ly|tiny\.cc|tinyurl\.com|v\.gd)"
)
_ONWARD_NAME = re.compile(
    r"continue|dest(ination)?|forward|go(to)?|next|redirect(_?(to|ur[il]))?|return(_?(to|ur[il]))?|target|to|url",
    re.IGNORECASE,
)
_ONWARD_PATH = re.compile(r"/(redirect|redir|goto|out|away|forward|jump)/?$", re.IGNORECASE)
_STEPS = re.compile(r"(^|/)\.\.?(/|$)")


class _Uri(NamedTuple):
    text: str
    scheme: str
    host: str | None
    path: str
    query: str


def examine(facts: ClientFacts) -> Iterator[Finding]:
    """The findings on redirect URIs, disabled clients' too: they may be enabled again."""
    for client in facts.model.clients.values():
        for text in (*client.settings.redirect_uris, *client.settings.post_logout_redirect_uris):
            yield from _of_uri(client, _parsed(text))
        count = len(client.settings.redirect_uris)
        if count > MANY_URIS:
            yield MANY.found(f"{client.client_id} has {count} redirect URIs", client.client_id, client=client.client_id)


def _of_uri(client: Client, uri: _Uri) -> Iterator[Finding]:
    for check, is_so, told in _RULES:
        if is_so(uri):
            yield check.found(
                f"{client.client_id} has {uri.text}: {told}", client.client_id, client=client.client_id, uri=uri.text
            )


def _parsed(text: str) -> _Uri:
    parts = split(text)
    return _Uri(text, parts.scheme, parts.hostname, parts.path, parts.query)


def _is_pattern(uri: _Uri) -> bool:
    return "*" in uri.text or _STEPS.search(unquote(unquote(uri.path))) is not None or "\\" in unquote(uri.text)


def _redirects_on(uri: _Uri) -> bool:
    names = (name for name, _ in parse_qsl(uri.query, keep_blank_values=True))
    return any(map(_ONWARD_NAME.fullmatch, names)) or _ONWARD_PATH.search(uri.path) is not None


_RULES: tuple[tuple[Check, Callable[[_Uri], bool], str], ...] = (
    (HTTP, lambda uri: uri.scheme == "http" and not is_loopback(uri.host), "plain http"),
    (WILDCARD, _is_pattern, "a pattern"),
    (FRAGMENT, lambda uri: "#" in uri.text, "a fragment"),
    (SCHEME, lambda uri: uri.scheme not in {"http", "https"} and "." not in uri.scheme, "a scheme without a dot"),
    (LOCALHOST, lambda uri: uri.host == "localhost", "a loopback address by its name"),
    (OPEN, _redirects_on, "it looks like one that redirects on"),
    (SHORTENER, lambda uri: _SHORTENER.fullmatch(uri.host or "") is not None, "a shortened link"),
)

GROUP = Group("redirect URIs", CHECKS, examine)
