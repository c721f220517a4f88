"""Wrong user codes of devices entered of late (RFC 8628 section 5.1), by person and by source address.

Each worker folds those of all workers, so that who guesses gains nothing by going from one to the other.
"""

from __future__ import annotations

from projections.login_failures import network_of
from projections.recent_times import RecentTimes
from schema import events
from schema.envelope import Fact

_ENDPOINT = "device"
_ERROR = "invalid_grant"


class WrongUserCodes:
    """When codes were refused, in seconds: the latest `kept` of each person and source, of `limit` of each at most."""

    def __init__(self, kept: int = 50, limit: int = 100_000) -> None:
        self._people = RecentTimes(kept, limit)
        self._sources = RecentTimes(kept, limit)

    def of_person(self, subject: str) -> tuple[float, ...]:
        """Those that a person entered, oldest first."""
        return self._people.of(subject)

    def of_source(self, source: str | None) -> tuple[float, ...]:
        """Those that came from a source address, or the network that it is one of; oldest first."""
        return self._sources.of(network_of(source)) if source else ()

    def apply(self, fact: Fact) -> None:
        """Fold one event, in whatever order; the `detail` of such a refusal is who entered the code."""
        event = fact.event
        if not isinstance(event, events.AccessRejected) or (event.endpoint, event.error) != (_ENDPOINT, _ERROR):
            return
        moment = fact.recorded_at.timestamp()
        if event.detail:
            self._people.add(event.detail, moment)
        if fact.source:
            self._sources.add(network_of(fact.source), moment)
