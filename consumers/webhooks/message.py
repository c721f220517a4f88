"""What is sent: one JSON document that is both a CloudEvent (1.0, structured mode) and a Standard Webhooks payload.

CloudEvents asks for `specversion`, `id`, `source`, `type` and `time`; Standard Webhooks for `type`, `timestamp` and
`data`. `timestamp` is a lawful extension attribute of a CloudEvent, so both read the same bytes. The attributes are
those that the event has on NATS. The signature is of the bytes as they are sent (Standard Webhooks, symmetric).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from schema.envelope import RecordedEvent

CONTENT_TYPE = "application/cloudevents+json"
TEST_TYPE = "tallystick.webhook.test"


def id_of(position: int) -> str:
    """The `webhook-id` of an event: the same each time that it is sent."""
    return f"evt_{position}"


def body_of(recorded: RecordedEvent, issuer: str) -> bytes:
    """The body of an event's message."""
    time = _written(recorded.recorded_at)
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(recorded.position),
        "source": issuer,
        "type": f"tallystick.{recorded.type}.v1",
        "subject": str(recorded.stream),
        "time": time,
        "timestamp": time,
        "datacontenttype": "application/json",
        "version": str(recorded.version),
        "actor": recorded.actor,
        "sourceaddress": recorded.source,
        "traceparent": recorded.trace,
    }
    kept = {name: value for name, value in attributes.items() if value is not None}
    return msgspec.json.encode({**kept, "data": msgspec.Raw(recorded.data.encode())})


def trial_body(name: str, message_id: str, now: dt.datetime, issuer: str) -> bytes:
    """The body of a message that is no event, to try a webhook with."""
    attributes = {
        "specversion": "1.0",
        "id": message_id,
        "source": issuer,
        "type": TEST_TYPE,
        "time": _written(now),
        "timestamp": _written(now),
        "datacontenttype": "application/json",
    }
    return msgspec.json.encode({**attributes, "data": {"webhook": name}})


def headers_of(message_id: str, now: float, body: bytes, secrets: Iterable[bytes]) -> dict[str, str]:
    """The headers of a message that is sent `now` (seconds since 1970), signed by each of the secrets."""
    timestamp = str(int(now))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "content-type": CONTENT_TYPE,
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _written(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
