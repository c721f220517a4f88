"""How an event is shown to people."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import click
import pytest

from schema.asyncapi import recorded_example
from schema.envelope import RecordedEvent
from schema.events import Event, encode
from service.cli.event_lines import line, page
from tests.schema.samples import SAMPLES

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


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("anomaly.detected", ("rule=password_spray", "severity=", "summary=")),
        ("anomaly.extended", ("rule=password_spray", "severity=", "summary=")),
        ("anomaly.answered", ("rule=refresh_token_reuse", "response=revoke_grant", "target=", "done=true")),
        ("anomaly.acknowledged", ("rule=password_spray", "note=a penetration test")),
        ("usage.recorded", ("minute=", "count=")),
        ("token.source_observed", ("token_id=", "source=")),
        ("audit.read", ("via=",)),
        ("webhook.registered", ("name=siem", "url=https://siem.example.com/hook", "types=")),
        ("webhook.disabled", ("name=siem", "reason=")),
        ("webhook.removed", ("name=siem",)),
    ],
)
def test_a_line_tells_what_matters(sample: str, told: tuple[str, ...]) -> None:
    """Each type says on its line what a person looks for."""
    (event,) = (event for event in SAMPLES if sample == event.TYPE)
    shown = line(recorded_example(encode(event), sample))

    assert [fact for fact in told if fact not in shown] == []


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.TYPE)
def test_an_example_of_what_had_no_caller_has_no_address(event: Event) -> None:
    """What an operator, a rule, a webhook or the service did came from no address; what callers did, did."""
    example = recorded_example(encode(event), event.TYPE)
    of_the_house = example.actor == "tallystick" or example.actor.startswith(("cli:", "rule:", "webhook:"))

    assert of_the_house == (example.source is None)
