"""What an API says of itself, so that clients find its authorization server (RFC 9728)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tallystick_guard.guard import Guard


def resource_metadata(guard: Guard, scopes: Iterable[str] = ()) -> dict[str, Any]:
    """The metadata document (section 2)."""
    document: dict[str, Any] = {
        "resource": guard.audience,
        "authorization_servers": [guard.issuer],
        "bearer_methods_supported": ["header"],
    }
    supported = sorted(set(scopes))
    return document | ({"scopes_supported": supported} if supported else {})


def metadata_path(guard: Guard) -> str | None:
    """The path where the document is served (section 3.1); None where the audience is no web address."""
    return None if guard.resource_metadata is None else urlsplit(guard.resource_metadata).path


def metadata_address(audience: str) -> str | None:
    """Where the metadata of a protected resource is, whose audience is an address (RFC 9728 section 3.1)."""
    parts = urlsplit(audience)
    if parts.scheme not in {"http", "https"}:
        return None
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{path}{query}"
