"""Sending events to webhooks as a role: a part of `tallystick consume`."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from functools import partial

from consumers.webhooks.dispatcher import Dispatcher
from consumers.webhooks.endpoint import Tools
from consumers.webhooks.registry import GONE, Webhook, Webhooks
from schema.envelope import Context
from schema.events import WebhookDisabled
from schema.streams import webhook_stream
from service.journal.port import Append, Journal, JournalError
from service.journal.postgres import connect
from service.settings import Settings
from service.webhooks.trial import make_sender
from service.webhooks.vault import WebhookVault

log = logging.getLogger(__name__)


async def run_webhooks(url: str, issuer: str, settings: Settings, journal: Journal, wrapping_key: bytes) -> None:
    """Send the events of the database at `url` to its webhooks until cancelled, whatever Postgres does."""
    sender = make_sender(settings)
    tools = Tools(
        sender=sender,
        unwrap=WebhookVault(wrapping_key).unwrap,
        disable=partial(disable_gone, journal),
        issuer=issuer,
        clock=time.time,
        jitter=random.random,
        attempts=settings.webhook_attempts,
    )
    try:
        await Dispatcher(partial(connect, url), tools).run()
    finally:
        await asyncio.shield(sender.close())


async def disable_gone(journal: Journal, webhook: Webhook) -> bool:
    """Disable a webhook whose endpoint wants nothing more; returns whether it is disabled, or another by now."""
    known, stream = Webhooks(), webhook_stream(webhook.name)
    try:
        for recorded in await journal.read_stream(stream):
            known.apply(recorded.fact())
        now = known.by_name.get(webhook.name)
        if now is None or not now.enabled or now.since != webhook.since:
            return True
        event = WebhookDisabled(name=webhook.name, reason=GONE)
        context = Context(actor=f"webhook:{webhook.name}")
        await journal.append(Append(stream, known.version_of(stream), (event,), context))
    except JournalError as error:
        log.warning("webhook %s is gone, but could not be disabled: %s", webhook.name, error)
        return False
    return True
