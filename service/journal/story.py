"""One event, or the story of a grant, read from the journal."""

from __future__ import annotations

from uuid import UUID

from schema.envelope import RECORDED_COLUMNS, RecordedEvent
from service.journal.leader import POSTGRES_FAILURES
from service.journal.port import JournalUnavailable
from service.journal.postgres import connect

_EVENT = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE position = $1"  # noqa: S608 constant
# A token's id is its grant's id, a dot and its number. Nothing was refused for a token before its grant began.
_STORY = f"""
    SELECT {RECORDED_COLUMNS} FROM journal.events WHERE stream = $1::uuid
    UNION ALL
    SELECT {RECORDED_COLUMNS} FROM journal.events
    WHERE type = 'access.rejected' AND starts_with(data ->> 'token_id', $2)
      AND stream <> $1::uuid AND position > (SELECT min(position) FROM journal.events WHERE stream = $1::uuid)
    ORDER BY position
"""  # noqa: S608 constant


def grant_of(text: str) -> UUID | None:
    """The grant that an id of a grant or of one of its tokens (`<grant id>.<number>`) names; None for other text."""
    grant, _, number = text.partition(".")
    try:
        return UUID(grant) if number.isdecimal() or not number else None
    except ValueError:
        return None


async def event_at(database_url: str, position: int) -> list[RecordedEvent]:
    """The event at a position, if there is one. Raises JournalUnavailable."""
    return await _fetch(database_url, _EVENT, position)


async def story_of(database_url: str, grant: UUID) -> list[RecordedEvent]:
    """The events of a grant and the refusals of its tokens, in order. Raises JournalUnavailable."""
    return await _fetch(database_url, _STORY, grant, f"{grant}.")


async def _fetch(database_url: str, query: str, *arguments: object) -> list[RecordedEvent]:
    connection = await connect(database_url)
    try:
        return [RecordedEvent.from_row(row) for row in await connection.fetch(query, *arguments)]
    except POSTGRES_FAILURES as error:
        raise JournalUnavailable(f"Postgres: {error}") from error
    finally:
        connection.terminate()
