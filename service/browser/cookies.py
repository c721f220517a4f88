"""The two cookies: one that names a browser, one that is its session; for this host alone, over TLS or loopback.

The prefix `__Host-` makes browsers refuse them from anywhere else (RFC 6265bis section 4.1.3.2).
"""

from __future__ import annotations

import secrets

from service.http.head import Header

BROWSER = "__Host-tallystick_browser"
SESSION = "__Host-tallystick_session"

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
_BROWSER_SECONDS = 31_536_000
_BROWSER_LENGTH = 22


def new_browser() -> str:
    """A name for a browser that has none: 128 random bits."""
    return secrets.token_urlsafe(16)


def is_browser(value: str | None) -> bool:
    """Whether a cookie's value can be such a name."""
    return value is not None and len(value) == _BROWSER_LENGTH and value.isascii()


def browser_cookie(value: str) -> Header:
    """Set the browser's name, for a year."""
    return _set(f"{BROWSER}={value}; Max-Age={_BROWSER_SECONDS}; {_ATTRIBUTES}")


def session_cookie(value: str, max_age: int) -> Header:
    """Set the session, for `max_age` seconds."""
    return _set(f"{SESSION}={value}; Max-Age={max_age}; {_ATTRIBUTES}")


def no_session_cookie() -> Header:
    """Take the session away."""
    return _set(f"{SESSION}=; Max-Age=0; {_ATTRIBUTES}")


def _set(value: str) -> Header:
    return b"set-cookie", value.encode("ascii")
