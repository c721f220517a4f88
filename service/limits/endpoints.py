"""What the limits make of an endpoint, by its name."""

from __future__ import annotations

FOR_GATEWAYS = "verify"
"""Whose source may be a gateway, for all that ask it: it is refused nothing, and what is refused says nothing of the
source, for that would refuse them all.
"""
UNLIMITED = "introspect"
"""Where a client that proved who it is may ask as often as it likes: each request of its own users may need it."""
MAY_PROVE = frozenset({"token", "introspect", "revoke", "userinfo", "audit", "usage", "report"})
"""Where a client or a token may yet prove who asks: good clients are let in whatever else comes from their address."""
PROVING = frozenset({"token", "revoke", "userinfo"})
"""Where success proves something of whoever asked, if only that it has a token."""
