"""Ending a grant and every token of it, whoever else changes it at the same time.

Who refreshes all the time, at another worker, could be faster than a revocation again and again. It waits for no luck:
after a few attempts it holds the journal for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from projections.grants import Grant
from schema.envelope import Context
from schema.events import Event, GrantRevoked
from service.endpoints.core import Core
from service.journal.insist import append_at_the_end
from service.journal.port import Append, VersionConflict
from service.journal.postgres import PostgresJournal

_ATTEMPTS = 3

Reload = Callable[[UUID], Awaitable[Grant]]
"""What a grant's events make as of now; its version is 0 if there are none. Raises JournalUnavailable."""


async def revoke_grant(core: Core, context: Context, grant_id: UUID, reason: str, *before: Event) -> int | None:
    """Commit `grant.revoked`, after the events `before`; returns its position, None where it was revoked already.

    The caller waits with `core.follower.settled` before it answers. Raises JournalUnavailable.
    """
    return await revoke_in(core.journal, core.grants.reload, context, grant_id, reason, *before)


async def revoke_in(
    journal: PostgresJournal, reload: Reload, context: Context, grant_id: UUID, reason: str, *before: Event
) -> int | None:
    """The same without a worker. Raises JournalUnavailable."""
    grant = await reload(grant_id)
    owner = grant.person or grant.device or next(iter(grant.tokens.values()), None)
    if owner is None:
        return None
    events = (*before, GrantRevoked(client_id=owner.client_id, reason=reason))
    for _ in range(_ATTEMPTS):
        if grant.revoked:
            return None
        try:
            return (await journal.append(Append(grant_id, grant.version, events, context))).last
        except VersionConflict:
            grant = await reload(grant_id)
    appended = await append_at_the_end(journal, grant_id, events, context, unless=GrantRevoked.TYPE)
    return appended.last if appended else None
