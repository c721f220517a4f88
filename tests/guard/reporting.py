"""Refusals as they are reported, and the events that come of them."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from schema.envelope import RecordedEvent
from tests.guard.conftest import Api


async def reported(api: Api, after: int) -> list[RecordedEvent]:
    """The events about what this API refused, after a position."""
    events = await api.world.core.journal.read(after, 10_000)
    return [event for event in events if json.loads(event.data).get("api") == api.audience]


def rejected(**changes: Any) -> dict[str, Any]:
    """A refusal as it is reported, but for the changes."""
    told = {
        "id": uuid.uuid4().hex,
        "at": time.time(),
        "method": "GET",
        "route": "/x",
        "reason": "no_token",
        "status": 401,
    }
    return told | changes
