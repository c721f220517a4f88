"""The journal's past, for rules: in pages, from Postgres."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container
from typing import Protocol

import msgspec

from consumers.anomalies.judge import Poison
from schema.envelope import Fact, RecordedEvent
from schema.events import UnknownEventType

PAGE = 2_000


class History(Protocol):
    """Reads the journal."""

    async def page(self, after: int, limit: int) -> list[RecordedEvent]:
        """The events after a position, in order, at most `limit`."""
        ...

    async def time_at(self, position: int) -> float | None:
        """When the first event from a position on was recorded, in seconds since 1970; None where there is none."""
        ...


class Page(list[Fact]):
    """Facts of some types, from a page whose last event is at `end`."""

    end: int = 0


async def first_since(history: History, moment: float, head: int) -> int:
    """The first position that was recorded at `moment` or later, `head` + 1 where there is none."""
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        at = await history.time_at(middle)
        if at is None or at >= moment:
            high = middle
        else:
            low = middle + 1
    return low


async def pages(history: History, after: int, until: int, types: Container[str]) -> AsyncGenerator[Page, None]:
    """The facts of some types after a position, up to `until`. Raises Poison for one that cannot be read."""
    while after < until:
        rows = await history.page(after, min(PAGE, until - after))
        if not rows:
            return
        page = Page(_fact(row) for row in rows if row.type in types)
        after = page.end = rows[-1].position
        yield page


def _fact(recorded: RecordedEvent) -> Fact:
    try:
        return recorded.fact()
    except (UnknownEventType, msgspec.DecodeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise Poison(f"event {recorded.position} ({recorded.type}) cannot be read: {what}") from error
