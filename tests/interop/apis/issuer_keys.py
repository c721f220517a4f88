"""The published keys of an issuer, for a library that is given them (docs/verifiers.md)."""

from __future__ import annotations

import time
from typing import Any

import requests

_KEPT = 300.0
"""Seconds: a new key is published for longer than that before it signs (`TALLYSTICK_KEY_PUBLISH_AHEAD`)."""


class IssuerKeys:
    """Fetched when they are first asked for, and anew after five minutes."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._keys: Any = None
        self._until = 0.0

    def get(self) -> Any:
        """The key set (RFC 7517 section 5)."""
        if time.monotonic() > self._until:
            self._keys = self._fetched(
                self._fetched(f"{self._issuer}/.well-known/oauth-authorization-server")["jwks_uri"]
            )
            self._until = time.monotonic() + _KEPT
        return self._keys

    @staticmethod
    def _fetched(address: str) -> Any:
        answer = requests.get(address, timeout=10)
        answer.raise_for_status()
        return answer.json()
