"""How often a device may ask whether a person has decided (RFC 8628 section 3.5), counted for all workers together."""

from __future__ import annotations

from uuid import UUID

from service.endpoints.core import Core
from service.journal.postgres import PostgresJournal

SLOWER = 5
"""Seconds by which the interval grows each time a device asks too early (section 3.5)."""

_LEEWAY = 0.5
"""Seconds that an answer may have taken longer than the question after it."""

# The moment that counts is that of the last question in time; one too early moves only the interval, which is then
# known by the moment that stayed. Postgres tells the time: the clocks of workers differ.
_ASKED = """
    INSERT INTO runtime.device_polls AS last (grant_id, polled_at, interval_seconds)
    VALUES ($1, statement_timestamp(), $2)
    ON CONFLICT (grant_id) DO UPDATE SET
        polled_at = CASE
            WHEN last.polled_at + make_interval(secs => last.interval_seconds - $4::float8) > statement_timestamp()
            THEN last.polled_at ELSE statement_timestamp() END,
        interval_seconds = CASE
            WHEN last.polled_at + make_interval(secs => last.interval_seconds - $4::float8) > statement_timestamp()
            THEN last.interval_seconds + $3 ELSE last.interval_seconds END
    RETURNING polled_at = statement_timestamp() AS in_time
"""
_FORGET = "DELETE FROM runtime.device_polls WHERE polled_at < now() - interval '2 hours'"
_FORGET_LOOKS = "DELETE FROM runtime.device_looks WHERE looked_at < now() - interval '2 hours'"


async def asked_in_time(core: Core, grant_id: UUID) -> bool:
    """Note that a device asks; whether it waited as long as it had to. Raises JournalUnavailable."""
    rows = await core.journal.fetch(_ASKED, grant_id, core.settings.device_interval, SLOWER, _LEEWAY)
    return bool(rows[0]["in_time"])


async def forget_devices(journal: PostgresJournal) -> None:
    """Forget what was noted of devices whose codes have long expired. Raises JournalUnavailable."""
    await journal.fetch(_FORGET)
    await journal.fetch(_FORGET_LOOKS)
