"""How far what follows the journal is behind while something else is measured."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from service.projecting.lag import read_lags

_PAUSE = 0.25
_FOLLOWING = ("usage", "anomalies-1")


class Lags:
    """Looks several times a second, as long as it is entered. `most` has the greatest lags by name: events, seconds."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)
        self.most: dict[str, tuple[int, float]] = {}
        self.looked = 0

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looking.join()

    def __str__(self) -> str:
        return ", ".join(f"{name} {events:,} events ({age:.2f} s)" for name, (events, age) in self.most.items())

    def _look(self) -> None:
        while not self._over.wait(_PAUSE):
            for lag in asyncio.run(read_lags(self._url)):
                if lag.name in _FOLLOWING:
                    events, age = self.most.get(lag.name, (0, 0.0))
                    self.most[lag.name] = max(events, lag.lag_events), max(age, lag.lag_seconds)
            self.looked += 1
