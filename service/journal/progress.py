"""What runs beside the workers says of itself in `projection.progress`: projections, anomaly partitions, webhooks."""

from __future__ import annotations

from typing import Literal, NamedTuple

from service.journal.postgres import PostgresJournal

Kind = Literal["projections", "anomalies", "webhooks"]

SILENT = 10.0
"""After so many seconds without a sign of life nothing is believed that a part said of itself last."""

_READ = """
    SELECT name, position, state, reason, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent
    FROM projection.progress ORDER BY name
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


async def read_progress(journal: PostgresJournal) -> list[Progress]:
    """All of them, by name. Raises JournalUnavailable."""
    return [Progress(**dict(row)) for row in await journal.fetch(_READ)]
