"""For any history, any pages, restarts and rebuilds meanwhile: a rebuild gives the tables that live folding gave."""

from __future__ import annotations

from typing import Any, TypeAlias

import asyncpg
from hypothesis import HealthCheck, given, settings

from projections.usage import usage_projection
from schema import events
from schema.envelope import Fact
from tests.projections.histories import access_histories
from tests.projections.runner.counting import Counting, counted, once
from tests.projections.runner.harness import Stage, assert_rebuilt_equals_live, stages, tables_of
from tests.servers import Database
from tests.usage.histories import BEGIN, Telling, usage_histories

Owner: TypeAlias = "asyncpg.Connection[Any]"
few = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@few
@given(history=access_histories(), lives=stages)
async def test_counting(owner: Owner, database: Database, history: list[Fact], lives: list[Stage]) -> None:
    """The projection that shows each event once."""
    await assert_rebuilt_equals_live(owner, database, Counting(), history, lives)
    assert once(len(history)) == await counted(owner)


@few
@given(history=usage_histories(), lives=stages)
async def test_usage(owner: Owner, database: Database, history: list[Fact], lives: list[Stage]) -> None:
    """The usage figures."""
    await assert_rebuilt_equals_live(owner, database, usage_projection(7_200), history, lives)


async def test_minutes_at_the_edge_of_what_is_kept(owner: Owner, database: Database) -> None:
    """A rebuilt slot, which leaves out at once what is forgotten in the end, has the oldest minute that is kept."""
    telling = Telling()
    for second in (0, 60, 7_200, 7_260):
        telling.now = BEGIN + second
        telling.alone(events.LoginFailed(reason="wrong_password", method="pwd"))
    await assert_rebuilt_equals_live(owner, database, usage_projection(7_200), telling.facts, [])
    minutes = (await tables_of(owner, usage_projection(7_200)))["usage_data.per_minute"]
    assert [int(row[0].timestamp()) - BEGIN for row in minutes] == [60, 7_200, 7_260]
