"""What is counted of the events that this worker committed: whatever caused them, and only once they are durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import Counter

from schema.envelope import Fact
from schema.events import EVENT_TYPES, Event, GrantRevoked, TokenRefreshed, TokenReuseDetected, TokenRevoked
from service.telemetry.metrics import EVENTS, REFRESHED, REUSED, REVOCATIONS

Labels = tuple[str, str]


class CommittedEvents:
    """Counts events by type; refreshes, uses of used tokens, and revocations in more detail.

    Every type begins at 0, so that the first event of one is seen as a growth.
    """

    def __init__(self) -> None:
        self._by_type: dict[str, Counter] = {name: EVENTS.labels(name) for name in EVENT_TYPES}
        self._children: dict[tuple[str, Labels], Counter] = {}

    def count(self, facts: Sequence[Fact]) -> None:
        """Count the events of a commit."""
        for fact in facts:
            event = fact.event
            self._by_type[event.TYPE].inc()
            detail = _DETAILS.get(type(event))
            if detail is not None:
                counter, labels_of = detail
                self._child(event.TYPE, counter, labels_of(event)).inc()

    def _child(self, event_type: str, counter: Counter, labels: Labels) -> Counter:
        child = self._children.get((event_type, labels))
        if child is None:
            child = self._children[event_type, labels] = counter.labels(*labels)
        return child


def _refreshed(event: TokenRefreshed) -> Labels:
    if event.retry:
        return event.client_id, "retry"
    return event.client_id, "kept" if event.refresh_digest is None else "rotated"


def _reused(event: TokenReuseDetected) -> Labels:
    return event.kind, event.client_id


def _token_revoked(event: TokenRevoked) -> Labels:
    return "token", event.reason


def _grant_revoked(event: GrantRevoked) -> Labels:
    return "grant", event.reason


_DETAILS: dict[type[Event], tuple[Counter, Callable[[Any], Labels]]] = {
    TokenRefreshed: (REFRESHED, _refreshed),
    TokenReuseDetected: (REUSED, _reused),
    TokenRevoked: (REVOCATIONS, _token_revoked),
    GrantRevoked: (REVOCATIONS, _grant_revoked),
}
