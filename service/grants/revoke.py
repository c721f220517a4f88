"""Ending a grant and every token of it, whoever else changes it at the same time."""

from __future__ import annotations

from uuid import UUID

from schema.envelope import Context
from schema.events import Event, GrantRevoked
from service.endpoints.core import Core
from service.journal.port import Append, JournalUnavailable, VersionConflict

_ATTEMPTS = 10


async def revoke_grant(core: Core, context: Context, grant_id: UUID, reason: str, *before: Event) -> int | None:
    """Commit `grant.revoked`, after the events `before`; returns its position, None where it was revoked already.

    The caller waits with `core.follower.settled` before it answers. Raises JournalUnavailable.
    """
    for _ in range(_ATTEMPTS):
        grant = await core.grants.reload(grant_id)
        owner = grant.person or grant.device or next(iter(grant.tokens.values()), None)
        if grant.revoked or owner is None:
            return None
        revoked = GrantRevoked(client_id=owner.client_id, reason=reason)
        try:
            appended = await core.journal.append(Append(grant_id, grant.version, (*before, revoked), context))
        except VersionConflict:
            continue
        return appended.last
    raise JournalUnavailable("the grant changes too fast to be revoked")
