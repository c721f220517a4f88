"""What was taken away from tokens that have not expired yet, folded from the events of the audit stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick_guard.access import Access

FOREVER = float("inf")

TYPES = (
    "token.revoked",
    "grant.revoked",
    "token.reuse_detected",
    "client.disabled",
    "client.enabled",
    "client.removed",
    "account.disabled",
    "account.enabled",
    "account.signed_out",
)
"""The events that take a token's rights away, or give them back."""


class Revocations:
    """Tokens, grants, clients and subjects that lost their rights in the last `window` seconds.

    What ended earlier is forgotten: no token lives longer than the window.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self._ended: dict[str, float] = {}
        """Token ids and grant ids, each with the time from which it may be forgotten; oldest first."""
        self._before: dict[str, float] = {}
        """Clients (`client:…`) and subjects (`account:…`): tokens issued until that time are not active."""

    def __len__(self) -> int:
        return len(self._ended) + len(self._before)

    def apply(self, kind: str, stream: str, data: Mapping[str, Any], at: float) -> None:
        """Fold an event of the type `kind`; `stream` is its `ce-subject`, `at` when it was committed, in seconds.

        Folding an event again changes nothing. Raises KeyError for data that is none of that type.
        """
        match kind:
            case "token.revoked":
                self._end(f"{stream}.{data['number']}", at)
            case "grant.revoked" | "token.reuse_detected":
                self._end(stream, at)
            case "client.disabled":
                self._before[f"client:{data['client_id']}"] = FOREVER
            case "client.enabled":
                self._before.pop(f"client:{data['client_id']}", None)
            case "client.removed":
                self._before[f"client:{data['client_id']}"] = at
            case "account.disabled":
                self._before[f"account:{data['subject']}"] = FOREVER
            case "account.enabled":
                self._before.pop(f"account:{data['subject']}", None)
            case "account.signed_out":
                self._before[f"account:{data['subject']}"] = at

    def ended(self, access: Access) -> bool:
        """Whether a token lost its rights."""
        ended, before = self._ended, self._before
        if access.grant_id in ended or access.token_id in ended:
            return True
        if not before:
            return False
        issued = access.issued_at
        return issued <= before.get(f"client:{access.client_id}", -1.0) or issued <= before.get(
            f"account:{access.subject}", -1.0
        )

    def forget(self, now: float) -> None:
        """Drop what ended longer ago than the window."""
        for key, until in list(self._ended.items()):
            if until > now:
                break
            del self._ended[key]
        for key, at in list(self._before.items()):
            if at + self.window <= now:
                del self._before[key]

    def _end(self, key: str, at: float) -> None:
        self._ended.setdefault(key, at + self.window)
