"""How often the anomaly engine keeps what it remembers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from consumers.anomalies.judge import State
from consumers.anomalies.memories import Memories


class Slow:
    """A ledger that takes its time to keep a snapshot, deliveries with nothing to do, and a consumer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.kept: list[int] = []

    async def keep(self, position: int, *_: object) -> None:
        """Takes that time."""
        await asyncio.sleep(self.seconds)
        self.kept.append(position)

    async def settled(self) -> None:
        """At once."""

    async def acknowledge(self, _: object) -> None:
        """At once."""


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, [1, 2]), (0.05, [1])], ids=["quick", "slow"])
async def test_what_takes_long_to_keep_is_kept_less_often(seconds: float, kept: list[int]) -> None:
    """At most a twentieth of the time goes into it: encoding, compressing and writing."""
    slow: Any = Slow(seconds)
    memories = Memories(slow, slow, relearn=0.0, interval=0.1)

    async def judged(position: int) -> None:
        judge = cast("Any", SimpleNamespace(position=position, state=State))
        memories.keep_if_due(judge, cast("Any", None), slow)
        if memories._keeping is not None:
            await memories._keeping

    await judged(1)
    await asyncio.sleep(0.2)
    await judged(2)
    assert slow.kept == kept
