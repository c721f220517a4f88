"""The dashboards in the words of Grafana's own types: what they do not know, Grafana would not show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.observability.files import dashboards

_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})
_NOT_IN_THE_TYPES = {"definition"}
"""Grafana itself writes it into variables that are queries, beside `query`."""


def lost(before: Any, after: Any, place: str) -> Iterator[str]:
    """Where something of a document is not in another that was read from it."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() - _NOT_IN_THE_TYPES:
            if name in after:
                yield from lost(before[name], after[name], f"{place}.{name}")
            elif before[name] not in _NOTHING:
                yield f"{place}.{name}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif before != after:
        yield place


def read_back(dashboard: dict[str, Any]) -> Any:
    """What Grafana's types make of a dashboard."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda each: str(each["uid"]))
def test_types_of_grafana_know_every_field(dashboard: dict[str, Any]) -> None:
    """Read by Grafana's types and written again, nothing is lost."""
    assert list(lost(dashboard, read_back(dashboard), dashboard["uid"])) == []


def test_field_that_grafana_does_not_know_is_found() -> None:
    """Wherever it is: in the dashboard, a panel, its options, or its query."""
    dashboard = dashboards()[0]
    panel = next(each for each in dashboard["panels"] if each["type"] == "timeseries")
    for part in (dashboard, panel, panel["options"], panel["fieldConfig"]["defaults"]["custom"], panel["targets"][0]):
        part["unheardOf"] = 1
    assert len(list(lost(dashboard, read_back(dashboard), ""))) == 5
