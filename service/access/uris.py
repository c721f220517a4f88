"""Which URIs may name a resource, which a browser may be sent to, and which this server may call."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_LENGTH_LIMIT = 2_000
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")


def resource_uri_problem(uri: str) -> str | None:
    """What keeps a URI from naming a resource: it must be absolute, without a fragment (RFC 8707 section 2)."""
    parts, problem = _absolute(uri)
    if parts is None:
        return problem
    if parts.scheme in {"http", "https"} and not parts.hostname:
        return "has no host"
    return None


def redirect_uri_problem(uri: str) -> str | None:
    """What keeps a URI from being redirected to.

    It must be absolute, without a fragment (RFC 6749 section 3.1.2), and https, http on a loopback address
    or a private-use scheme (RFC 8252 sections 7.1 and 7.3).
    """
    if "*" in uri:
        return "has a *, which would stand for itself alone: a redirect URI is compared character by character"
    parts, problem = _absolute(uri)
    if parts is None:
        return problem
    if parts.scheme == "https":
        return None if parts.hostname else "has no host"
    if parts.scheme == "http":
        return (
            None if _is_loopback(parts.hostname) else "must be https; http is for loopback addresses, such as 127.0.0.1"
        )
    return (
        None if "." in parts.scheme else "must be https, or have a private-use scheme with a dot, as com.example.app:/"
    )


def backchannel_uri_problem(uri: str) -> str | None:
    """What keeps this server from telling a client there that a session ended.

    It must be absolute, without a fragment (OpenID Connect Back-Channel Logout 1.0 section 2.2), and https, or http on
    a loopback address.
    """
    parts, problem = _absolute(uri)
    if parts is None:
        return problem
    if parts.scheme == "https":
        return None if parts.hostname else "has no host"
    allowed = parts.scheme == "http" and _is_loopback(parts.hostname)
    return None if allowed else "must be https, or http on a loopback address, such as 127.0.0.1"


def _absolute(uri: str) -> tuple[SplitResult | None, str]:
    if "#" in uri:
        return None, "has a fragment (#)"
    if len(uri) > _LENGTH_LIMIT:
        return None, f"is longer than {_LENGTH_LIMIT} characters"
    if not _ABSOLUTE.fullmatch(uri):
        return None, "is not an absolute URI, such as https://api.example.com/users"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        return None, f"is not a URI: {error}"
    return (None, "holds a user name or password") if parts.username is not None else (parts, "")


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
