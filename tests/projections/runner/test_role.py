"""`tallystick project`, run as an operator runs it, and the list of how far each fold is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any, TypeAlias

import asyncpg

from service.projecting.lag import read_lags
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.running import at_position, in_state
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"


async def test_project_folds_until_it_is_stopped(owner: Owner, database: Database) -> None:
    """It folds, says that it runs, and on SIGTERM that it was stopped; exit code 0."""
    await commit(owner, some_facts(1, 30))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.cli.main", "project"),
        env=environment | {"TALLYSTICK_DATABASE_URL": database.service_url},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await at_position(owner, 30, "usage")
        await in_state(owner, "running", "usage")
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()
    assert (await in_state(owner, "starting", "usage"))["reason"] == "stopped"


async def test_without_a_database() -> None:
    """It says which setting is missing; exit code 1."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.cli.main", "project"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, b"TALLYSTICK_DATABASE_URL" in err) == (1, True)


async def test_lag_in_events_and_seconds(owner: Owner, database: Database) -> None:
    """Behind by what is not folded, since the oldest of it was recorded; silent after ten seconds."""
    await commit(owner, some_facts(1, 10))
    await owner.execute(
        "UPDATE journal.events SET recorded_at = clock_timestamp() - make_interval(secs => 100 - position)"
    )
    await owner.execute(
        "INSERT INTO projection.progress (name, position, state, reason, seen_at) VALUES"
        " ('usage', 10, 'running', '', clock_timestamp() - interval '5 seconds'),"
        " ('webhook:a', 4, 'degraded', 'no answer', clock_timestamp()),"
        " ('anomalies-1', 0, 'halted', 'event 1', clock_timestamp() - interval '1 hour'),"
        " ('anomalies-2', 10, 'running', '', clock_timestamp() - interval '1 hour')"
    )
    lags = {lag.name: lag for lag in await read_lags(database.service_url)}
    assert [
        (lags[name].name, lags[name].lag_events, lags[name].state) for name in ("usage", "webhook:a", "anomalies-1")
    ] == [("usage", 0, "running"), ("webhook:a", 6, "degraded"), ("anomalies-1", 10, "halted")]
    assert lags["anomalies-2"].state == "silent"
    assert (lags["usage"].lag_seconds, 95 <= lags["webhook:a"].lag_seconds < 300) == (0.0, True)
    assert "relay" in lags
