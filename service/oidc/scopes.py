"""The scopes that are about the person rather than about an API (OpenID Connect Core sections 5.4 and 11)."""

from __future__ import annotations

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"

IDENTITY_SCOPES = {
    OPENID: "Know who you are here",
    "profile": "See your name",
    "email": "See your email address",
    "roles": "See your roles",
    OFFLINE_ACCESS: "Keep this access while you are away",
}
"""Each with the words in which a person is asked for it."""

SCOPE_CLAIMS = {
    "profile": ("name", "preferred_username"),
    "email": ("email", "email_verified"),
    "roles": ("roles",),
}
"""The claims that a scope asks for."""
