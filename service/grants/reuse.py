"""What follows when a code or refresh token comes that was used before: whoever has it, there are two of them."""

from __future__ import annotations

from uuid import UUID

from schema.events import TokenReuseDetected
from service.endpoints.exchange import Exchange
from service.grants.revoke import revoke_grant


async def end_reused(exchange: Exchange, grant_id: UUID, detected: TokenReuseDetected, reason: str) -> None:
    """Revoke the grant, and wait until no worker knows better. The caller refuses then, as if nothing had been.

    Raises InvalidClient when the proof of who asks was used before, or JournalUnavailable.
    """
    core = exchange.core
    await exchange.use_assertion()
    last = await revoke_grant(core, exchange.context, grant_id, reason, detected)
    await core.follower.settled(await core.journal.head() if last is None else last)
