"""Redirect URIs: which text is one that a client registered, and how an answer is put into it.

A URI is compared as text (RFC 9700 section 4.1.3): no case, percent-encoding, path or user name is understood, so none
can deceive. The one exception is the port of a literal loopback address, which a native app learns only when it runs
(RFC 8252 section 7.3). `localhost` has no such exception: it may lead elsewhere (section 8.3), so it is text as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode, urlsplit

_LOOPBACK = re.compile(r"(?P<host>http://(?:127\.0\.0\.1|\[::1\]))(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>(?:[/?].*)?)")
_LAST_PORT = 65_535
_AUTHORITY = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")


def is_registered(given: str, registered: Iterable[str]) -> bool:
    """Whether a redirect URI is one of those registered."""
    known = frozenset(registered)
    if given in known:
        return True
    portless = _without_port(given)
    return portless is not None and portless in {_without_port(uri) for uri in known}


def is_native(uri: str) -> bool:
    """Whether an answer goes to an app on the person's device, where another app may take it (RFC 8252 section 8.6)."""
    return not uri.startswith("https://")


def with_answer(uri: str, answer: Mapping[str, str]) -> str:
    """The URI with an answer added to the query that it has (RFC 6749 section 4.1.2)."""
    separator = "?" if "?" not in uri else "" if uri.endswith(("?", "&")) else "&"
    return uri + separator + urlencode(answer)


def csp_source(uri: str) -> str:
    """What names the URI in a content security policy: its origin, or its scheme where an origin cannot be said."""
    parts = urlsplit(uri)
    # A policy has no words for IPv6 addresses (Content Security Policy Level 3 section 2.3.1).
    if parts.scheme in {"https", "http"} and _AUTHORITY.fullmatch(parts.netloc):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def shown(uri: str) -> str:
    """Where an answer goes, as people are told: a host, or a private-use scheme."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in {"https", "http"} else f"{parts.scheme}:"


def _without_port(uri: str) -> str | None:
    """A loopback URI without its port, None for any other."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None or int(match["port"] or 0) > _LAST_PORT:
        return None
    return match["host"] + match["rest"]
