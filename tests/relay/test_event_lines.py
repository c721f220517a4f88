"""How an event is shown to people."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import click
import pytest

from schema.envelope import RecordedEvent
from service.cli.event_lines import line, page

HOSTILE = "\x1b]0;owned\x07\x1b[2J"


@pytest.mark.parametrize("field", ["client", "actor", "data"])
def test_nothing_in_an_event_steers_the_terminal(field: str) -> None:
    """Whatever somebody wrote into the journal is escaped, on a line and on a page."""
    values = {"client": "a", "actor": "a", "data": "{}"}
    values[field] = '{"reason": "\\u001b]0;owned\\u0007"}' if field == "data" else HOSTILE
    event = RecordedEvent(
        position=1,
        stream=UUID(int=1),
        version=1,
        type="access.rejected",
        source=None,
        trace=None,
        recorded_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        **values,
    )
    for shown in (click.unstyle(line(event)), page(event)):
        assert {"\x1b", "\x07"}.isdisjoint(shown)
