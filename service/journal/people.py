"""Which streams one person, session or user code led to, asked of Postgres: for pages, withdrawals and sign-outs."""

from __future__ import annotations

from uuid import UUID

from service.journal.postgres import PostgresJournal

# The lists of types are literals, so that the partial indexes of migration 0005 serve these queries.
_GRANTS_OF_SUBJECT = """
    SELECT stream FROM journal.events
    WHERE type IN ('authorization.granted', 'device.approved') AND data->>'subject' = $1 ORDER BY position
"""
_GRANTS_OF_SESSION = """
    SELECT stream FROM journal.events
    WHERE type IN ('authorization.granted', 'device.approved') AND data->>'session' = $1 ORDER BY position
"""
_SESSIONS_OF_SUBJECT = """
    SELECT stream FROM journal.events WHERE type = 'session.started' AND data->>'subject' = $1 ORDER BY position
"""
_GRANTS_OF_USER_CODE = """
    SELECT stream FROM journal.events
    WHERE type = 'device.requested' AND data->>'user_code_digest' = $1 ORDER BY position DESC LIMIT 1
"""


async def grants_of_subject(journal: PostgresJournal, subject: str) -> list[UUID]:
    """The grants that a person gave, oldest first, dead ones too. Raises JournalUnavailable."""
    return [row["stream"] for row in await journal.fetch(_GRANTS_OF_SUBJECT, subject)]


async def grants_of_session(journal: PostgresJournal, session: UUID) -> list[UUID]:
    """The grants that were given in a session, oldest first, dead ones too. Raises JournalUnavailable."""
    return [row["stream"] for row in await journal.fetch(_GRANTS_OF_SESSION, str(session))]


async def sessions_of_subject(journal: PostgresJournal, subject: str) -> list[UUID]:
    """The sessions that a person began, oldest first, dead ones too. Raises JournalUnavailable."""
    return [row["stream"] for row in await journal.fetch(_SESSIONS_OF_SUBJECT, subject)]


async def grant_of_user_code(journal: PostgresJournal, digest: str) -> UUID | None:
    """The latest device request of a user code, by its keyed digest. Raises JournalUnavailable."""
    rows = await journal.fetch(_GRANTS_OF_USER_CODE, digest)
    return rows[0]["stream"] if rows else None
