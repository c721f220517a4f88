"""The grants that a worker remembers, bounded."""

from __future__ import annotations

from projections.grants import Grant
from projections.packed_grants import GrantPacking
from projections.stream_cache import AWAKE, StreamCache
from schema import events
from schema.envelope import Fact


class GrantCache(StreamCache[Grant]):
    """The most recently begun grants, at most `limit`, of which `awake` are objects."""

    def __init__(self, limit: int, awake: int = AWAKE) -> None:
        super().__init__(limit, Grant, _began, GrantPacking(), awake)


def _began(fact: Fact) -> int | None:
    event = fact.event
    if isinstance(event, events.TokenIssued | events.AuthorizationGranted | events.DeviceRequested):
        return event.issued_at
    return None
