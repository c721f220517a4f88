"""What runs beside the workers says of itself in `projection.progress`: projections, anomaly partitions, webhooks; the
relay in `journal.relay`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from service.journal.postgres import PostgresJournal

Kind = Literal["projections", "anomalies", "webhooks"]

SILENT = 10.0
"""After so many seconds without a sign of life nothing is believed that a part said of itself last."""

RELAY = "relay"
"""The name of the relay among what lags."""

_READ = """
    SELECT name, position, state, reason, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent
    FROM projection.progress ORDER BY name
"""


_LAGGING = """
    WITH folds AS (
        SELECT name, position, state, reason, seen_at FROM projection.progress
        UNION ALL
        SELECT 'relay', position, state, reason, seen_at FROM journal.relay
    )
    SELECT f.name, f.position, f.state, f.reason,
        extract(epoch FROM clock_timestamp() - f.seen_at)::float8 AS silent,
        greatest(0, coalesce(extract(epoch FROM clock_timestamp() - next.recorded_at), 0))::float8 AS lag
    FROM folds f LEFT JOIN LATERAL (
        SELECT recorded_at FROM journal.events WHERE position > f.position ORDER BY position LIMIT 1
    ) next ON true
    ORDER BY f.name
"""


class Progress(NamedTuple):
    """One of them: the last position that it has done with, how it is, and for how many seconds it has been silent."""

    name: str
    position: int
    state: str
    reason: str
    silent: float

    @property
    def kind(self) -> Kind:
        """What it is, by its name."""
        if self.name.startswith("anomalies-"):
            return "anomalies"
        return "webhooks" if self.name.startswith("webhook:") else "projections"

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, as a sentence; None where it runs."""
        if self.state == "halted":
            return f"{self.name} halted: {self.reason}"
        if self.silent > SILENT:
            return f"{self.name} has been silent for {self.silent:.0f} s"
        return None if self.state == "running" else f"{self.name} is {self.state}: {self.reason}"


class Lagging(NamedTuple):
    """The same, the relay included, with the age in seconds of the oldest event that is still to be done."""

    progress: Progress
    lag: float


async def read_progress(journal: PostgresJournal) -> list[Progress]:
    """All of them, by name. Raises JournalUnavailable."""
    return [Progress(**dict(row)) for row in await journal.fetch(_READ)]


async def read_lagging(journal: PostgresJournal) -> list[Lagging]:
    """All of them and the relay (`relay`), by name. Raises JournalUnavailable."""
    rows = [dict(row) for row in await journal.fetch(_LAGGING)]
    return [Lagging(lag=row.pop("lag"), progress=Progress(**row)) for row in rows]
