"""What tests of the access model share: folding steps and reading the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import psycopg

from projections.access_model import AccessModel
from schema import events
from schema.envelope import Fact
from service.access.plan import Step

USERS = "https://api.example.com/users"
PAYMENTS = "https://api.example.com/payments"


def fold(model: AccessModel, steps: Iterable[Step]) -> AccessModel:
    """Apply what the steps append, as the journal would give it back; returns the model."""
    for step in steps:
        assert model.version_of(step.stream) == step.expected_version
        appended = step.sealed("digest") if step.needs_secret else step.events
        for version, event in enumerate(appended, start=step.expected_version + 1):
            stored = events.decode(event.TYPE, events.encode(event))
            model.apply(Fact(1, step.stream, version, stored, dt.datetime.now(dt.UTC)))
    return model


def journal(url: str) -> list[tuple[str, str]]:
    """Type and JSON of every event, in order."""
    with psycopg.connect(url) as connection:
        query = "SELECT type, data::text FROM journal.events ORDER BY position"
        return [(row[0], row[1]) for row in connection.execute(query)]
