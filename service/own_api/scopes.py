"""What this server is called as a resource, and the scopes of its own API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from schema.own_api import OWN_API

__all__ = ["ACCESS_REPORT", "AUDIT_READ", "OWN_API", "OWN_SCOPES", "USAGE_READ", "complete"]

AUDIT_READ = "audit:read"
USAGE_READ = "usage:read"
ACCESS_REPORT = "access:report"

OWN_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        AUDIT_READ: "Read the record of events",
        USAGE_READ: "Read usage figures",
        ACCESS_REPORT: "Report the accesses that an API refused",
    }
)
"""Each with its description. A later version may have more; none is ever taken away."""


def complete(*described: Mapping[str, str]) -> dict[str, str]:
    """The scopes of the own API: this version's, and those described, of which the last says how they are described."""
    scopes = dict(OWN_SCOPES)
    for descriptions in described:
        scopes.update(descriptions)
    return scopes
