"""The webhooks: where events are sent, folded from their events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from schema import events
from schema.envelope import Fact

GONE = "the endpoint answered 410 Gone"
"""Why a webhook that answers so is disabled (Standard Webhooks)."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, and whether it is sent anything.

    It is sent the events after the position `after`. `since` is the position of its registration: no two of one name
    have the same.
    """

    name: str
    url: str
    types: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    since: int = 0
    after: int = 0
    enabled: bool = True
    disabled_reason: str = ""


class Webhooks:
    """All webhooks, as of the last event folded, which is at `position`."""

    def __init__(self) -> None:
        self.by_name: dict[str, Webhook] = {}
        self.position = 0
        self._versions: dict[UUID, int] = {}

    def version_of(self, stream: UUID) -> int:
        """The version that the stream of a webhook has, 0 for one without events."""
        return self._versions.get(stream, 0)

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing. Raises KeyError for a history that cannot be."""
        handler = _HANDLERS.get(type(fact.event))
        if handler is not None:
            handler(self, fact, fact.event)
            self._versions[fact.stream] = fact.version
        self.position = fact.position

    def _registered(self, fact: Fact, event: events.WebhookRegistered) -> None:
        self.by_name[event.name] = Webhook(
            name=event.name,
            url=event.url,
            types=event.types,
            clients=event.clients,
            since=fact.position,
            after=event.after,
        )

    def _updated(self, _: Fact, event: events.WebhookUpdated) -> None:
        self._replace(event.name, url=event.url, types=event.types, clients=event.clients)

    def _secret_rotated(self, _: Fact, event: events.WebhookSecretRotated) -> None:
        self._replace(event.name)

    def _disabled(self, _: Fact, event: events.WebhookDisabled) -> None:
        self._replace(event.name, enabled=False, disabled_reason=event.reason)

    def _enabled(self, _: Fact, event: events.WebhookEnabled) -> None:
        self._replace(event.name, enabled=True, disabled_reason="")

    def _removed(self, _: Fact, event: events.WebhookRemoved) -> None:
        del self.by_name[event.name]

    def _replace(self, name: str, **changes: Any) -> None:
        self.by_name[name] = msgspec.structs.replace(self.by_name[name], **changes)


_HANDLERS: dict[type[events.Event], Callable[[Webhooks, Fact, Any], None]] = {
    events.WebhookRegistered: Webhooks._registered,  # noqa: SLF001 a fold's table of handlers stands below its class
    events.WebhookUpdated: Webhooks._updated,  # noqa: SLF001 the same
    events.WebhookSecretRotated: Webhooks._secret_rotated,  # noqa: SLF001 the same
    events.WebhookDisabled: Webhooks._disabled,  # noqa: SLF001 the same
    events.WebhookEnabled: Webhooks._enabled,  # noqa: SLF001 the same
    events.WebhookRemoved: Webhooks._removed,  # noqa: SLF001 the same
}
