"""The parts of `tallystick consume`: a mistake in one is told, ends none, and is tried again."""

from __future__ import annotations

import asyncio

import pytest

from service import bootstrap
from service.bootstrap import open_journal, run_consumers
from service.journal.postgres import PostgresJournal
from service.keys.master import MasterKeyError
from service.parts import Pace, Part, run_parts
from service.settings import Settings, SettingsError
from tests.relay.support import until

BRISK = Pace(least=0.02, most=0.2, report=0.01)
LEFT_ALONE = (
    "INSERT INTO projection.progress (name, state, seen_at) VALUES ($1, 'running', now() - interval '3 seconds')"
)


class Runs:
    """A part that fails so many times, and then runs."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.begun = 0
        self._failures = failures
        self._error = error or ValueError("a mistake")

    async def run(self) -> None:
        """Fail, or run until cancelled."""
        self.begun += 1
        if self.begun <= self._failures:
            raise self._error
        await asyncio.Event().wait()


async def _state(journal: PostgresJournal, name: str) -> tuple[str, str]:
    (row,) = await journal.fetch("SELECT state, reason FROM projection.progress WHERE name = $1", name)
    return row["state"], row["reason"]


async def test_a_mistake_in_one_part_ends_no_other(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and started again, after longer and longer pauses; the other part was never stopped."""
    good, bad, stop = Runs(0), Runs(3), asyncio.Event()
    async with open_journal(settings) as journal:
        parts = (Part("good", "anomalies-", good.run), Part("bad", "webhook:", bad.run))
        running = asyncio.create_task(run_parts(journal, stop, parts, BRISK))
        await until(lambda: bad.begun == 4)
        stop.set()
        await running

    assert (good.begun, bad.begun) == (1, 4)
    pauses = [each.getMessage() for each in caplog.records if "started again" in each.getMessage()]
    assert [f"bad is started again in {pause} s" for pause in ("0.02", "0.04", "0.08")] == pauses


async def test_what_stopped_is_shown(settings: Settings) -> None:
    """The rows of a part that stopped say so, unless another process gives a sign of life; others are left alone."""
    stop, bad = asyncio.Event(), Runs(1_000)
    async with open_journal(settings) as journal:
        for name in ("anomalies-1", "webhook:left"):
            await journal.fetch(LEFT_ALONE, name)
        await journal.fetch("INSERT INTO projection.progress (name, state) VALUES ('webhook:taken', 'running')")
        pace = BRISK._replace(least=60.0, most=60.0)
        running = asyncio.create_task(run_parts(journal, stop, (Part("bad", "webhook:", bad.run),), pace))
        halted = ("halted", "it stopped by a mistake of this program (ValueError); the log says more")
        async with asyncio.timeout(30.0):
            while await _state(journal, "webhook:left") != halted:
                await asyncio.sleep(0.01)
        assert (await _state(journal, "anomalies-1"))[0] == "running"
        assert (await _state(journal, "webhook:taken"))[0] == "running"
        stop.set()
        await running


@pytest.mark.parametrize("error", [SettingsError("no such file"), MasterKeyError("no key")])
async def test_what_waiting_does_not_mend_ends_the_process(settings: Settings, error: Exception) -> None:
    """Wrong settings are not tried again."""
    async with open_journal(settings) as journal:
        with pytest.raises(type(error)):
            await run_parts(journal, asyncio.Event(), (Part("bad", "webhook:", Runs(1, error).run),), BRISK)


async def test_consumers_are_such_parts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a mistake in the anomaly engine nor one in the webhooks ends `tallystick consume`, or the other."""
    anomalies, webhooks, stop = Runs(1), Runs(1), asyncio.Event()
    monkeypatch.setattr(bootstrap, "make_partitions", lambda *_: anomalies)
    monkeypatch.setattr(bootstrap, "run_webhooks", lambda *_: webhooks.run())
    running = asyncio.create_task(run_consumers(settings, stop))
    await until(lambda: anomalies.begun == webhooks.begun == 2)
    assert not running.done()
    stop.set()
    await running
