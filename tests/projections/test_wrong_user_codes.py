from __future__ import annotations

import datetime as dt

from projections.state import WorkerState
from projections.wrong_user_codes import WrongUserCodes
from schema import events
from schema.envelope import Fact
from schema.streams import new_stream
from tests.projections.histories import MOMENT

START = MOMENT.timestamp()


def refused(
    second: int, *, who: str | None = "zoe", source: str | None = "192.0.2.7", endpoint: str = "device"
) -> Fact:
    """A user code that was refused."""
    event = events.AccessRejected(
        endpoint=endpoint, error="invalid_grant", reason="unknown_user_code", status=400, detail=who
    )
    return Fact(second + 1, new_stream(), 1, event, MOMENT + dt.timedelta(seconds=second), source)


def test_counted_by_person_and_by_source() -> None:
    """One that nobody signed in entered counts for its source; an IPv6 source is the network that it is of."""
    codes = WrongUserCodes()
    for fact in (
        refused(1),
        refused(2, who="ann"),
        refused(3, who=None, source="2001:db8::1"),
        refused(4, source=None),
    ):
        codes.apply(fact)
    assert codes.of_person("zoe") == (START + 1, START + 4)
    assert codes.of_source("192.0.2.7") == (START + 1, START + 2)
    assert codes.of_source("2001:db8::ffff") == (START + 3,)
    assert () == codes.of_source(None) == codes.of_person("bob")


def test_other_refusals_do_not_count() -> None:
    """A refusal of another endpoint is none of a user code."""
    codes = WrongUserCodes()
    codes.apply(refused(1, endpoint="token"))
    assert () == codes.of_person("zoe") == codes.of_source("192.0.2.7")


def test_the_latest_are_kept() -> None:
    """Memory is bounded for each person and in their number, whatever comes in whatever order."""
    codes = WrongUserCodes(kept=2, limit=2)
    for second in (3, 1, 2):
        codes.apply(refused(second))
    assert codes.of_person("zoe") == (START + 2, START + 3)
    for who in ("ann", "bob"):
        codes.apply(refused(4, who=who))
    assert codes.of_person("zoe") == ()


def test_a_worker_folds_the_same() -> None:
    """A worker's state holds the same, at the position of the last event."""
    state = WorkerState(grant_limit=1)
    state.apply(refused(1))
    assert (state.position, state.wrong_user_codes.of_person("zoe")) == (2, (START + 1,))
