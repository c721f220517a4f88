"""Protects a Python API by access tokens of Tallystick: see README.md and docs/protect-your-api.md."""

from tallystick_guard.access import NOTHING_MORE, Access, Needs
from tallystick_guard.asgi import GuardMiddleware
from tallystick_guard.errors import GuardError, Refused, Unavailable
from tallystick_guard.guard import Guard
from tallystick_guard.metadata import resource_metadata

__all__ = [
    "NOTHING_MORE",
    "Access",
    "Guard",
    "GuardError",
    "GuardMiddleware",
    "Needs",
    "Refused",
    "Unavailable",
    "resource_metadata",
]
