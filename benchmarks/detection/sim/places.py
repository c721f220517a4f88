"""Where requests come from: countries, and networks of homes, phones, offices, data centres and hosting companies.

Addresses are made up and are data alone. A network is an IPv4 /24 or an IPv6 /48, as `schema.networks` has it. Homes
get addresses from their provider's networks, so that neighbours share one; a phone company puts each connection into
one of a few networks; attackers rent machines, or go through other people's homes.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from random import Random
from typing import NamedTuple

COUNTRIES = ("DE", "FR", "GB", "US", "BR", "IN", "JP", "AU", "ZA", "NG")
HOME_COUNTRIES = ("DE", "FR", "GB", "US")
"""Where the people and the data centres are."""

POSITIONS = {
    "DE": (51.0, 10.0),
    "FR": (46.6, 2.4),
    "GB": (52.4, -1.5),
    "US": (39.8, -89.6),
    "BR": (-14.2, -51.9),
    "IN": (21.0, 78.0),
    "JP": (36.2, 138.3),
    "AU": (-33.9, 151.2),
    "ZA": (-29.0, 25.1),
    "NG": (9.1, 8.7),
}
"""Latitude and longitude, in degrees."""

_EARTH_RADIUS_KM = 6_371.0
_AIRLINER_KMH = 850.0
_TO_AND_FROM_H = 3.0
_POOL = 6
HOMES_6 = _POOL
"""IPv6 networks of homes in each country, in the order of the countries."""
_CARRIERS = 3


class Caller(NamedTuple):
    """Who sends a request, as far as the service sees it."""

    source: str
    agent: str | None


class Network(NamedTuple):
    """A network by the beginning of its addresses, and its country."""

    prefix: str
    country: str

    def address(self, host: int) -> str:
        """The address of a machine in it."""
        return f"{self.prefix}{host % 254 + 1}"


class Places:
    """Hands out networks; no two callers get the same one unless they share it on purpose."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._next = dict.fromkeys(COUNTRIES, 0)
        self._next_6 = 0
        self._countries_6: dict[str, str] = {}
        self._homes = {country: [self.network(country) for _ in range(_POOL * 4)] for country in COUNTRIES}
        self._homes_6 = {country: [self._network_6(country) for _ in range(_POOL)] for country in COUNTRIES}
        self._phones = {
            country: [[self.network(country) for _ in range(_POOL)] for _ in range(_CARRIERS)] for country in COUNTRIES
        }
        self._hosting: list[Network] = [self.network(random.choice(COUNTRIES)) for _ in range(40)]

    def network(self, country: str) -> Network:
        """A network that nobody has yet."""
        number = self._next[country]
        self._next[country] += 1
        first = 60 + COUNTRIES.index(country)
        return Network(f"{first}.{number // 256}.{number % 256}.", country)

    def home(self, country: str) -> Network:
        """The network that a home gets its address from today."""
        pool = self._homes_6 if self._random.random() < 0.25 else self._homes
        return self._random.choice(pool[country])

    def carrier(self) -> int:
        """A phone company, by number."""
        return self._random.randrange(_CARRIERS)

    def phone(self, country: str, carrier: int) -> str:
        """The address of a phone that connects now."""
        return self._random.choice(self._phones[country][carrier]).address(self._random.randrange(254))

    def hosting(self) -> Network:
        """A network of a company that rents machines to anybody, seen before or not."""
        if self._random.random() < 0.5:
            return self._random.choice(self._hosting)
        made = self.network(self._random.choice(COUNTRIES))
        self._hosting.append(made)
        return made

    def through_a_home(self, country: str) -> str:
        """The address of somebody's home, which an attacker goes through."""
        return self.home(country).address(self._random.randrange(254))

    def country_of(self, address: str) -> str | None:
        """The country of an address that was handed out here."""
        if ":" in address:
            return self._countries_6.get(":".join(address.split(":")[:3]))
        first = int(address.partition(".")[0]) - 60
        return COUNTRIES[first] if 0 <= first < len(COUNTRIES) else None

    def _network_6(self, country: str) -> Network:
        self._next_6 += 1
        prefix = f"2001:db8:{self._next_6:x}"
        self._countries_6[prefix] = country
        return Network(f"{prefix}:1::", country)


def hours_between(one: str, other: str) -> float:
    """How long it takes at least to get from one country to another, door to door."""
    if one == other:
        return 0.0
    (north, east), (further_north, further_east) = POSITIONS[one], POSITIONS[other]
    along = sin(radians(further_north - north) / 2) ** 2
    across = cos(radians(north)) * cos(radians(further_north)) * sin(radians(further_east - east) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(along + across)) / _AIRLINER_KMH + _TO_AND_FROM_H
