"""A message that is no event, sent to see whether a webhook's endpoint takes it."""

from __future__ import annotations

import datetime as dt
import secrets

from consumers.webhooks.message import headers_of, trial_body
from consumers.webhooks.registry import Webhook
from consumers.webhooks.sender import Answer, Sender
from service.settings import Settings


async def try_out(webhook: Webhook, secret: bytes, settings: Settings) -> Answer:
    """The answer to a signed message of the type `tallystick.webhook.test`. Nothing is written down."""
    sender = make_sender(settings)
    try:
        message_id, now = f"test_{secrets.token_hex(8)}", dt.datetime.now(dt.UTC)
        body = trial_body(webhook.name, message_id, now, settings.issuer or "urn:tallystick")
        return await sender.send(webhook.url, headers_of(message_id, now.timestamp(), body, [secret]), body)
    finally:
        await sender.close()


def make_sender(settings: Settings) -> Sender:
    """How messages are sent, by the settings."""
    return Sender(timeout=settings.webhook_timeout, private=settings.webhook_private_targets)
