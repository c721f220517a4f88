"""Where an address is: on this machine, in a private network, or out in the open."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def is_loopback(host: str | None) -> bool:
    """Whether it names this machine alone."""
    if host in {"localhost", "ip6-localhost"}:
        return True
    try:
        return ip_address((host or "").partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_private(host: str | None) -> bool:
    """Whether it is an address that is not routed in the Internet (RFC 1918, RFC 4193 and the like)."""
    try:
        return ip_address((host or "").partition("%")[0]).is_private
    except ValueError:
        return False


def split(url: str) -> SplitResult:
    """The parts of a URL; none of one that is no URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; the scheme's own port where none is named."""
    parts = split(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
