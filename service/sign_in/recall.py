"""The failed sign-ins of before this worker started: a restart forgives nothing."""

from __future__ import annotations

from projections.login_failures import LoginFailures
from schema.envelope import Fact
from schema.events import LoginFailed, decode
from service.journal.postgres import PostgresJournal

_AT_MOST = 100_000
# The type is a literal, so that the partial index of migration 0005 serves this query; so does now(), which stays the
# same while it runs: by clock_timestamp() every failure that the journal ever had would be looked at.
_RECENT = """
    SELECT position, stream, version, data::text AS data, recorded_at, source FROM journal.events
    WHERE type = 'login.failed' AND recorded_at > now() - make_interval(secs => $2) AND position <= $1
    ORDER BY recorded_at DESC LIMIT $3
"""


async def recall_login_failures(
    journal: PostgresJournal, failures: LoginFailures, position: int, window: float
) -> None:
    """Fold those up to a position that are not older than `window` seconds. Raises JournalUnavailable."""
    for row in reversed(await journal.fetch(_RECENT, position, float(window), _AT_MOST)):
        event = decode(LoginFailed.TYPE, row["data"])
        failures.apply(Fact(row["position"], row["stream"], row["version"], event, row["recorded_at"], row["source"]))
