"""What was taken away from tokens that have not expired yet, folded from the events of the audit stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick_guard.access import Access

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

    What ended earlier is forgotten: no token lives longer than the window. `slack` is for how much longer one is
    accepted, and for clocks that differ.
    """

    def __init__(self, window: float, slack: float = 60.0) -> None:
        self.window = window
        self.kept = window + slack
        self._ended: dict[str, float] = {}
        """Token ids and grant ids, each with the time from which it may be forgotten; oldest first."""
        self._before: dict[str, float] = {}
        """Clients (`client:…`) and subjects (`account:…`): tokens issued until that time are not active."""

        self._disabled: set[str] = set()
        """Clients and subjects whose tokens are not active until they are enabled again."""

    def __len__(self) -> int:
        return len(self._ended) + len(self._before) + len(self._disabled)

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
                self._disabled.add(f"client:{data['client_id']}")
            case "client.enabled":
                self._disabled.discard(f"client:{data['client_id']}")
            case "client.removed":
                self._disabled.discard(f"client:{data['client_id']}")
                self._before[f"client:{data['client_id']}"] = at
            case "account.disabled":
                self._disabled.add(f"account:{data['subject']}")
            case "account.enabled":
                self._disabled.discard(f"account:{data['subject']}")
            case "account.signed_out":
                self._before[f"account:{data['subject']}"] = at

    def ended(self, access: Access) -> bool:
        """Whether a token lost its rights."""
        ended, before, disabled = self._ended, self._before, self._disabled
        if access.grant_id in ended or access.token_id in ended:
            return True
        if not before and not disabled:
            return False
        issued = access.issued_at
        return any(
            whose in disabled or issued <= before.get(whose, -1.0)
            for whose in (f"client:{access.client_id}", f"account:{access.subject}")
        )

    def forget(self, now: float) -> None:
        """Drop what ended longer ago than the window."""
        for key, until in list(self._ended.items()):
            if until > now:
                break
            del self._ended[key]
        for key, at in list(self._before.items()):
            if at + self.kept <= now:
                del self._before[key]

    def _end(self, key: str, at: float) -> None:
        self._ended.setdefault(key, at + self.kept)
