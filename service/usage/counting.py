"""Counts introspections that found an active token; they become `usage.recorded` events, one a client and minute.

A count that is not recorded yet is lost when its process is killed: at most `TALLYSTICK_USAGE_INTERVAL` seconds of
figures, never a token, a refusal or a revocation.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from projections.grants import Token
from schema.events import AGE_BOUNDS, IntrospectionCount, UsageRecorded
from schema.streams import new_stream
from service.journal.port import Append, Journal, JournalError

log = logging.getLogger(__name__)

_MINUTE = 60


class _Kind(NamedTuple):
    resource: str
    scope: str
    grant_type: str
    introspector: str


_Place = tuple[str, int]
_Ages = dict[_Kind, list[int]]


class IntrospectionCounts:
    """What one worker counted since it last recorded. `interval` is in seconds."""

    def __init__(self, journal: Journal, interval: float) -> None:
        self._journal = journal
        self._interval = interval
        self._counts: dict[_Place, _Ages] = {}

    def count(self, token: Token, introspector: str, now: float) -> None:
        """An introspection found this token active at `now`, in seconds since 1970."""
        second = int(now)
        kinds = self._counts.setdefault((token.client_id, second - second % _MINUTE), {})
        kind = _Kind(token.audience, token.scope, token.grant_type, introspector)
        ages = kinds.get(kind)
        if ages is None:
            ages = kinds[kind] = [0] * (len(AGE_BOUNDS) + 1)
        ages[bisect_left(AGE_BOUNDS, second - token.issued_at)] += 1

    async def run(self) -> None:
        """Record every interval, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.record()

    async def record(self) -> None:
        """Commit what was counted; what cannot be committed now is kept for the next time."""
        counted, self._counts = self._counts, {}
        appends = [self._record(place, kinds) for place, kinds in counted.items()]
        await asyncio.gather(*appends)

    async def _record(self, place: _Place, kinds: _Ages) -> None:
        try:
            await self._journal.append(Append(new_stream(), 0, (_recorded(place, kinds),)))
        except JournalError as error:
            log.warning("counted introspections are recorded later: %s", error)
            self._keep(place, kinds)

    def _keep(self, place: _Place, kinds: _Ages) -> None:
        now: defaultdict[_Kind, list[int]] = defaultdict(lambda: [0] * (len(AGE_BOUNDS) + 1))
        now.update(self._counts.get(place, {}))
        for kind, ages in kinds.items():
            now[kind] = [before + after for before, after in zip(ages, now[kind], strict=True)]
        self._counts[place] = dict(now)


def _recorded(place: _Place, kinds: Mapping[_Kind, list[int]]) -> UsageRecorded:
    client_id, minute = place
    counts = (
        IntrospectionCount(**kind._asdict(), count=sum(ages), ages=tuple(ages)) for kind, ages in sorted(kinds.items())
    )
    return UsageRecorded(client_id=client_id, minute=minute, introspections=tuple(counts))
