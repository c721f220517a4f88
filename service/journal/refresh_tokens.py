"""Which refresh tokens a grant ever had, asked of Postgres: only where memory does not know the one that came."""

from __future__ import annotations

from uuid import UUID

from service.journal.postgres import PostgresJournal

_ISSUED = """
    SELECT version FROM journal.events
    WHERE stream = $1 AND type IN ('token.issued', 'token.refreshed') AND data->>'refresh_digest' = $2
"""


async def refresh_token_issued(journal: PostgresJournal, grant_id: UUID, digest: str) -> int | None:
    """The version of the grant's stream at which a refresh token was issued, by its keyed digest; None where it never
    was. Raises JournalUnavailable.
    """
    rows = await journal.fetch(_ISSUED, grant_id, digest)
    return rows[0]["version"] if rows else None
