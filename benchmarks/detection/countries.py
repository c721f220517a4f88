"""A small table of addresses in MaxMind's format, of the countries in which the simulated world has its networks."""

from __future__ import annotations

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from benchmarks.detection.sim.places import COUNTRIES, HOMES_6, POSITIONS


def write_table(path: Path) -> None:
    """Write the table: a country and a position for each address that a world hands out."""
    writer = MMDBWriter(6, "Simulated", ipv4_compatible=True)
    for index, country in enumerate(COUNTRIES):
        latitude, longitude = POSITIONS[country]
        networks = [f"{60 + index}.0.0.0/8"]
        networks += [f"2001:db8:{index * HOMES_6 + number:x}::/48" for number in range(1, HOMES_6 + 1)]
        place = {"country": {"iso_code": country}, "location": {"latitude": latitude, "longitude": longitude}}
        writer.insert_network(IPSet(networks), place)
    writer.to_db_file(str(path))
