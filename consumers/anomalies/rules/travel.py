"""One person at two places, too far apart for the time between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.countries import Countries, Place, kilometres
from consumers.anomalies.memory import Distinct, Kept, Keyed, lasting, moment_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AuthorizationGranted, Event, SessionRenewed, SessionStarted
from schema.networks import network_of

_DAY = 86_400.0
_QUARTER = 90 * _DAY
_USUAL_DAYS = 3
_COUNTRIES = 16
_NETWORKS = 64
_WARM_UPS = 2


class _Person(Kept):
    """Where a person was last, and on how many days in which country."""

    COUNTS: ClassVar[tuple[str, ...]] = ("at", "source", "position", "place")
    began: float = 0.0
    at: float = 0.0
    source: str = ""
    position: int = 0
    place: Place | None = None
    networks: Distinct = msgspec.field(default_factory=Distinct)
    days: dict[str, int] = msgspec.field(default_factory=dict)
    last_day: dict[str, int] = msgspec.field(default_factory=dict)


class ImpossibleTravel(Keyed[_Person]):
    """Two places of one person that no journey joins in the time between. What refreshes by itself stays at home.

    Where the table knows positions it is a matter of speed, else of a change of country or
    continent within minutes. A network
    that somebody came from before, such as that of a tunnel of theirs, and countries in which they are on several days,
    are where they are.
    """

    name = "impossible_travel"
    technique = "T1078.004"
    types: frozenset[type[Event]] = frozenset({SessionStarted, SessionRenewed, AuthorizationGranted})
    shape = _Person

    def __init__(self, thresholds: Thresholds, countries: Countries) -> None:
        super().__init__(thresholds.kept_keys, _QUARTER)
        self._countries = countries
        self._speed = thresholds.travel_speed
        self._distance = thresholds.travel_distance
        self._near = 60.0 * thresholds.travel_minutes
        self._far = 60.0 * thresholds.travel_minutes_far
        self._warm = float(_WARM_UPS * thresholds.warm_up)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The person."""
        return (f"subject {fact.event.subject}",) if fact.source else ()  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Compare with the place before."""
        at, source = moment_of(fact.recorded_at), fact.source or ""
        person = self.recall(key, at)
        person.began = person.began or at
        if source == person.source:
            person.at = at
            return ()
        place = self._countries.place_of(source)
        if place is None:
            return ()
        signals = self._judge(key, person, place, fact, at)
        person.at, person.source, person.position, person.place = at, source, fact.position, place
        self._stay(person, place, int(at // _DAY))
        person.networks.add(network_of(source), at, _QUARTER, _NETWORKS)
        return signals

    def _stay(self, person: _Person, place: Place, day: int) -> None:
        if person.last_day.get(place.country) == day:
            return
        if len(person.days) >= _COUNTRIES and place.country not in person.days:
            rarest = min(person.days, key=lambda country: (person.days[country], country))
            del person.days[rarest], person.last_day[rarest]
        person.last_day[place.country] = day
        person.days[place.country] = person.days.get(place.country, 0) + 1

    def _judge(self, key: str, person: _Person, place: Place, fact: Fact, at: float) -> Iterable[Signal]:
        if person.place is None or not self._too_fast(person.place, place, at - person.at):
            return ()
        known = network_of(fact.source or "") in person.networks.seen
        usual = min(person.days.get(one.country, 0) for one in (person.place, place)) >= _USUAL_DAYS
        if known or usual or at - person.began < self._warm:
            return ()
        between = lasting(max(at - person.at, 1))
        summary = f"One person was in {person.place.country} and {between} later in {place.country}, by the addresses."
        where = {
            "sources": (person.source, fact.source or ""),
            "evidence": (person.position, fact.position),
            "count": 2,
        }
        return (self.signal(fact, key, "medium", summary, subject=key.removeprefix("subject "), **where),)

    def _too_fast(self, one: Place, other: Place, seconds: float) -> bool:
        distance = kilometres(one, other)
        if distance is None:
            far = one.continent != other.continent
            return one.country != other.country and seconds < (self._far if far else self._near)
        return distance >= self._distance and distance > self._speed * seconds / 3_600
