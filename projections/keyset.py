"""The signing keys: which one signs, which are published, folded from their events."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from schema import events
from schema.envelope import Fact
from schema.streams import KEYS_STREAM

Status = Literal["next", "current", "previous", "retired"]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key's public side. Times are in seconds; a previous key is published until `retires_at`."""

    kid: str
    alg: str
    jwk: dict[str, str]
    status: Status
    created_at: int
    activates_at: int
    retires_at: int | None = None


class KeySet:
    """All signing keys, as of the last event folded."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.version = 0
        self._published: list[Key] = []
        self._published_until = 0.0

    @property
    def current(self) -> Key | None:
        """The key that signs."""
        return next((key for key in self.keys.values() if key.status == "current"), None)

    def published(self, now: float) -> list[Key]:
        """The keys that verifiers should know: current, next and those whose last token has not expired.

        It is the same list until there are others.
        """
        if now >= self._published_until:
            found = [key for key in self.keys.values() if _is_published(key, now)]
            if found != self._published:
                self._published = found
            self._published_until = min((key.retires_at or math.inf for key in found), default=math.inf)
        return self._published

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing."""
        match fact.event:
            case events.KeyCreated() as created:
                self.keys[created.kid] = Key(
                    kid=created.kid,
                    alg=created.alg,
                    jwk=created.jwk,
                    status="next",
                    created_at=created.created_at,
                    activates_at=created.activates_at,
                )
            case events.KeyActivated() as activated:
                if (before := self.current) is not None:
                    self._replace(before.kid, status="previous", retires_at=activated.previous_retires_at)
                self._replace(activated.kid, status="current")
            case events.KeyRetired() as retired:
                self._replace(retired.kid, status="retired")
        if fact.stream == KEYS_STREAM:
            self.version = fact.version
            self._published_until = 0.0

    def _replace(self, kid: str, **changes: Any) -> None:
        self.keys[kid] = msgspec.structs.replace(self.keys[kid], **changes)


def _is_published(key: Key, now: float) -> bool:
    return key.status in {"next", "current"} or (
        key.status == "previous" and (key.retires_at is None or key.retires_at > now)
    )
