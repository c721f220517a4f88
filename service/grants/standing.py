"""A grant that was just committed, held against what it rests on: session, client or consent may have gone."""

from __future__ import annotations

import time
from uuid import UUID

from projections.access_model import Client
from service.browser.visit import SignedIn, Visit
from service.errors import AccessDenied
from service.grants.consents import allows
from service.grants.revoke import revoke_grant


async def check_still_stands(
    visit: Visit, who: SignedIn, client: Client, scopes: frozenset[str], grant_id: UUID, position: int, told: str
) -> None:
    """Revoke a grant committed at `position` if session, client or consent ended before it.

    Whoever ended one of them revoked the grants that they found behind it; this one they may not have found. Raises
    AccessDenied, which says what is `told`, or JournalUnavailable.
    """
    core, subject = visit.core, who.account.subject
    await core.follower.folded(position)
    session = await core.sessions.get(who.session_id)
    alive = session is not None and session.alive(core.state.accounts.by_subject.get(subject), time.time())
    if alive and allows(core, subject, client, scopes):
        return
    revoked = await revoke_grant(core, visit.exchange.context, grant_id, "taken_back_meanwhile")
    if revoked is not None:
        await core.follower.settled(revoked)
    raise AccessDenied("taken_back_meanwhile", told)
