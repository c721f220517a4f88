"""An append that no other can be faster than, for what must not be put off: everybody else waits meanwhile."""

from __future__ import annotations

from uuid import UUID

from schema.envelope import Context
from schema.events import Event
from service.journal.append_batch import arrays_of, outcomes_of
from service.journal.port import Append, Appended, JournalError
from service.journal.postgres import APPEND, Link, PostgresJournal

_END = "SELECT max(version) AS version, bool_or(type = $2) AS there FROM journal.events WHERE stream = $1"


async def append_at_the_end(
    journal: PostgresJournal, stream: UUID, events: tuple[Event, ...], context: Context, *, unless: str
) -> Appended | None:
    """Commit events at the end of a stream, whatever its version is by then; None where it has an event of the type
    `unless`, or none at all.

    Own commits are folded as they are made, but not this one: the feed reads it. Raises JournalUnavailable.
    """

    async def work(link: Link) -> Appended | None:
        # An append of nothing locks the head of the journal until the end of the transaction.
        await link.fetchrow(APPEND, *arrays_of([]))
        end = await link.fetchrow(_END, stream, unless)
        if end is None or end["version"] is None or end["there"]:
            return None
        request = Append(stream, end["version"], events, context)
        ((outcome,), _) = outcomes_of([request], await link.fetchrow(APPEND, *arrays_of([request])))
        if isinstance(outcome, JournalError):
            raise outcome
        return outcome

    return await journal.transaction(work)
