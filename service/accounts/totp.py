"""Authenticator apps: time-based one-time passwords (RFC 6238: SHA-1, six digits, thirty seconds).

A code is good for its own time step and the one on each side, for clocks differ (section 5.2), and each step's code
works once for an account, at whatever worker: the step is used up in the journal.
"""

from __future__ import annotations

import datetime as dt
import hmac
import io
import os
from base64 import b32encode
from urllib.parse import urlsplit

import pyotp
import segno

from service.journal.port import SingleUse
from service.tokens.digest import Digester

_SECRET_BYTES = 20
"""As long as the output of the hash (RFC 4226 section 4, R6)."""

_STEP = 30
_DIGITS = 6
_DRIFT = 1
_REMEMBERED = 300
"""Seconds for which a used step is remembered: far longer than its code is good for, so that clocks do not matter."""


def new_secret() -> bytes:
    """A fresh secret of 160 random bits."""
    return os.urandom(_SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """The secret as people type it into an app: base32 (RFC 4648 section 6) in groups of four."""
    text = b32encode(secret).decode()
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def provisioning_uri(secret: bytes, name: str, issuer: str) -> str:
    """What the app reads from the picture: an `otpauth://` URI that names the account and this server's host."""
    host = urlsplit(issuer).hostname or issuer
    return _totp(secret).provisioning_uri(name=name, issuer_name=host)


def qr_svg(text: str) -> str:
    """A QR code as an SVG document with attributes alone: no style that a content security policy would refuse.

    It is black on white whatever the page's colours are, for scanners need that.
    """
    document = io.BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(
        document, kind="svg", xmldecl=False, scale=5, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return document.getvalue().decode()


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The time step whose code it is, None where it is of no step that is good now. `now` is in seconds."""
    typed = code.replace(" ", "").replace("-", "")
    if len(typed) != _DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    current, totp = int(now) // _STEP, _totp(secret)
    steps = range(max(current - _DRIFT, 0), current + _DRIFT + 1)
    fitting = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), typed)]
    return fitting[-1] if fitting else None


def used_step(digester: Digester, subject: str, step: int) -> SingleUse:
    """What uses up the code of a time step for an account."""
    until = dt.datetime.fromtimestamp((step + 1) * _STEP + _REMEMBERED, dt.UTC)
    return SingleUse(digester.raw(f"otp\0{subject}\0{step}"), until)


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(b32encode(secret).decode(), digits=_DIGITS, interval=_STEP)
