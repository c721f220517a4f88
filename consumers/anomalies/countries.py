"""Where an address is, by an offline table in MaxMind's format (GeoLite2, DB-IP, IPinfo).

Only where the table has a city is there a position; a table of countries gives the country alone.
"""

from __future__ import annotations

from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb

_EARTH_RADIUS_KM = 6_371.0
_CACHED = 65_536


class CountriesError(Exception):
    """The table cannot be read. The message says why."""


class Place(NamedTuple):
    """Where something is: a country (ISO 3166-1) and, where known, continent and degrees of latitude and longitude."""

    country: str
    continent: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Countries:
    """A table of addresses. Raises CountriesError where the file is none."""

    def __init__(self, path: Path) -> None:
        try:
            self._table = maxminddb.open_database(path)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise CountriesError(f"{path} is no table of addresses: {error}") from error
        self.place_of = lru_cache(maxsize=_CACHED)(self._place_of)

    def _place_of(self, address: str) -> Place | None:
        """Where an address is; None where the table does not say."""
        try:
            found: Any = self._table.get(address)
        except ValueError:
            return None
        return _place(found) if isinstance(found, dict) else None

    def close(self) -> None:
        """Let go of the file."""
        self._table.close()


def kilometres(one: Place, other: Place) -> float | None:
    """How far two places are from each other over the ground; None where a position is missing."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    north, further_north = radians(one.latitude), radians(other.latitude)
    east = radians(other.longitude - one.longitude)
    half = sin((further_north - north) / 2) ** 2 + cos(north) * cos(further_north) * sin(east / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(min(1.0, half)))


def _place(found: dict[str, Any]) -> Place | None:
    country = found.get("country", found.get("registered_country"))
    code = country.get("iso_code") if isinstance(country, dict) else country
    if not isinstance(code, str):
        return None
    continent = _continent(found.get("continent"))
    location = found.get("location")
    if not isinstance(location, dict):
        return Place(code, continent)
    latitude, longitude = location.get("latitude"), location.get("longitude")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return Place(code, continent)
    return Place(code, continent, float(latitude), float(longitude))


def _continent(found: object) -> str | None:
    code = found.get("code") if isinstance(found, dict) else found
    return code if isinstance(code, str) else None
