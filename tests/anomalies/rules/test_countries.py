from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # comes with mmdb-writer, without types

from consumers.anomalies.countries import Countries, CountriesError, Place, kilometres
from consumers.anomalies.rule import Thresholds, all_rules


def table(folder: Path, **places: Any) -> Countries:
    """A table with what it says of some networks."""
    writer = MMDBWriter(6, "Test", ipv4_compatible=True)
    for network, place in places.items():
        writer.insert_network(IPSet([network.replace("_", ".") + "/24"]), place)
    path = folder / "table.mmdb"
    writer.to_db_file(str(path))
    return Countries(path)


def test_tables_of_several_makers_are_read(tmp_path: Path) -> None:
    """GeoLite2 nests country, continent and location; IPinfo has plain codes; what says nothing is no place."""
    location = {"latitude": 52.5, "longitude": 13.4}
    countries = table(
        tmp_path,
        **{
            "192_0_2_0": {"country": {"iso_code": "DE"}, "continent": {"code": "EU"}, "location": location},
            "198_51_100_0": {"country": "FR", "continent": "EU"},
            "203_0_113_0": {"registered_country": {"iso_code": "JP"}, "location": {}},
            "100_64_0_0": {"asn": 64_500},
        },
    )
    asked = ("192.0.2.7", "198.51.100.7", "203.0.113.7", "100.64.0.7", "10.0.0.1", "2001:db8::1", "no address")

    assert [Place("DE", "EU", 52.5, 13.4), Place("FR", "EU"), Place("JP"), None, None, None, None] == [
        countries.place_of(each) for each in asked
    ]
    countries.close()


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "table.mmdb"
    path.write_bytes(b"not a table")

    for wrong in (path, tmp_path / "missing.mmdb"):
        with pytest.raises(CountriesError, match=str(wrong)):
            Countries(wrong)


def test_how_far_it_is() -> None:
    """From Berlin to Tokyo it is about 8,900 km; where a position is missing nobody knows."""
    berlin, tokyo = Place("DE", "EU", 52.5, 13.4), Place("JP", "AS", 35.7, 139.7)

    assert 8_850 < (kilometres(berlin, tokyo) or 0) < 8_950
    assert kilometres(berlin, Place("JP")) is None


def test_without_a_table_the_rule_is_off() -> None:
    """All others are there."""
    assert "impossible_travel" not in {rule.name for rule in all_rules(Thresholds())}
