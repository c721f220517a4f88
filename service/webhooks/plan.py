"""What commands change about webhooks, as events to append. Pure: no clock, no I/O, no randomness."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from consumers.webhooks.registry import Webhook, Webhooks
from consumers.webhooks.targets import target_problem
from schema.envelope import NO_CLIENT, Fact
from schema.events import (
    EVENT_TYPES,
    ClientRegistered,
    ClientRemoved,
    Event,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRegistered,
    WebhookRemoved,
    WebhookSecretRotated,
    WebhookUpdated,
)
from schema.streams import webhook_stream
from service.access.errors import AccessRuleError, Mistake, NameTaken, NameUnknown, quoted
from service.access.plan import Action, Step
from service.access.wording import repeated, text_problem, unknown

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_GLOB = re.compile(r"[a-z0-9_.*?]{1,100}")


class ClientIds(set[str]):
    """The ids of the clients that there are, folded from their events."""

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing."""
        match fact.event:
            case ClientRegistered(client_id=client_id):
                self.add(client_id)
            case ClientRemoved(client_id=client_id):
                self.discard(client_id)


class Registry(NamedTuple):
    """What there is: webhooks, ids of clients, the last position of the journal. `private` lets own addresses be."""

    webhooks: Webhooks
    clients: Collection[str]
    head: int
    private: bool


class Wanted(NamedTuple):
    """A webhook as it should be."""

    name: str
    url: str
    types: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


def registration(registry: Registry, wanted: Wanted, start: int | None) -> Step:
    """A new webhook, which is sent the events from the position `start` on, or those from now on.

    Raises NameTaken or AccessRuleError.
    """
    if wanted.name in registry.webhooks.by_name:
        raise NameTaken("webhook", wanted.name)
    _check(registry, wanted, registry.clients)
    after = registry.head if start is None else min(start - 1, registry.head)
    return _step(registry, "add", wanted.name, WebhookRegistered(**wanted._asdict(), after=after))


def update(registry: Registry, wanted: Wanted) -> Step | None:
    """Other settings for a webhook, None where it has them. Raises NameUnknown or AccessRuleError."""
    before = known_webhook(registry, wanted.name)
    # What it has stays, also where a client was removed since.
    _check(registry, wanted, {*registry.clients, *before.clients})
    if Wanted(before.name, before.url, before.types, before.clients) == wanted:
        return None
    return _step(registry, "change", wanted.name, WebhookUpdated(**wanted._asdict()))


def rotation(registry: Registry, name: str, previous_expire_at: int) -> Step:
    """A new secret for a webhook; the one before it signs too until a time, in seconds. Raises NameUnknown."""
    known_webhook(registry, name)
    return _step(registry, "change", name, WebhookSecretRotated(name=name, previous_expire_at=previous_expire_at))


def disabling(registry: Registry, name: str, reason: str) -> Step | None:
    """Nothing more is sent; None where that is so. Raises NameUnknown or AccessRuleError."""
    known = known_webhook(registry, name)
    if problem := text_problem(reason):
        raise AccessRuleError([Mistake(("reason",), problem)])
    return _step(registry, "change", name, WebhookDisabled(name=name, reason=reason)) if known.enabled else None


def enabling(registry: Registry, name: str) -> Step | None:
    """Events are sent again; None where they are. Raises NameUnknown."""
    known = known_webhook(registry, name)
    return None if known.enabled else _step(registry, "change", name, WebhookEnabled(name=name))


def removal(registry: Registry, name: str) -> Step:
    """A webhook is forgotten, with all that waits for it. Raises NameUnknown."""
    known_webhook(registry, name)
    return _step(registry, "remove", name, WebhookRemoved(name=name))


def known_webhook(registry: Registry, name: str) -> Webhook:
    """A webhook by its name. Raises NameUnknown."""
    if name not in registry.webhooks.by_name:
        raise NameUnknown("webhook", name)
    return registry.webhooks.by_name[name]


def _check(registry: Registry, wanted: Wanted, clients: Collection[str]) -> None:
    if mistakes := tuple(_mistakes(wanted, clients, private=registry.private)):
        raise AccessRuleError(mistakes)


def _mistakes(wanted: Wanted, clients: Collection[str], *, private: bool) -> Iterator[Mistake]:
    if not _NAME.fullmatch(wanted.name):
        yield Mistake(("name",), "must be 1 to 64 of A-Z a-z 0-9 _ -")
    if problem := target_problem(wanted.url, private=private):
        yield Mistake(("url",), problem)
    yield from repeated(wanted.types, "type")
    yield from repeated(wanted.clients, "client")
    for index, glob in enumerate(wanted.types):
        if not _GLOB.fullmatch(glob):
            yield Mistake(("type", index), f"{quoted(glob)} is not a glob of event types, such as token.*")
        elif not any(_matches(glob, each) for each in EVENT_TYPES):
            yield Mistake(("type", index), f"{quoted(glob)} is no event type, and matches none")
    for index, client in enumerate(wanted.clients):
        if not _NAME.fullmatch(client):
            yield Mistake(("client", index), f"{quoted(client)} is not a client id")
        elif client != NO_CLIENT and client not in clients:
            yield Mistake(("client", index), unknown(client, "no client", clients))


def _matches(glob: str, event_type: str) -> bool:
    pattern = "".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in glob)
    return re.fullmatch(pattern, event_type) is not None


def _step(registry: Registry, action: Action, name: str, event: Event) -> Step:
    stream = webhook_stream(name)
    return Step(action, "webhook", name, stream, registry.webhooks.version_of(stream), (event,))
