"""What a person allows a client: noted when they say so, and taken back with everything that hangs on it."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple
from uuid import UUID

from projections.access_model import Client
from projections.accounts import Account
from schema.envelope import Context
from schema.events import ConsentGranted, ConsentWithdrawn, Event
from schema.streams import consent_stream
from service.endpoints.core import Core
from service.errors import AccessDenied
from service.grants.revoke import revoke_grant
from service.journal.port import Append, JournalUnavailable, VersionConflict

_ATTEMPTS = 10
_AT_ONCE = 32
_SURELY_OVER = 60
"""Seconds by which the clocks of two workers may differ."""

# A grant is over when it is revoked or the last of its codes and tokens has expired. The indexes of migration 0005
# serve this query.
_LIVING = """
    SELECT given.stream, given.client, given.data->>'scope' AS scope,
           max(extract(epoch FROM each.recorded_at))::bigint AS used_at
    FROM journal.events given JOIN journal.events each ON each.stream = given.stream
    WHERE given.type IN ('authorization.granted', 'device.approved') AND given.data->>'subject' = $1
    GROUP BY given.stream, given.version, given.client, given.data->>'scope'
    HAVING NOT bool_or(each.type = 'grant.revoked') AND min(each.position) > $2
       AND max(greatest((each.data->>'expires_at')::bigint, (each.data->>'refresh_expires_at')::bigint)) > $3
    ORDER BY used_at DESC
"""


class LivingGrant(NamedTuple):
    """A grant of a person that is not over. `used_at` (seconds) is when a token was last made of it."""

    grant_id: UUID
    client_id: str
    scopes: frozenset[str]
    used_at: int


async def living_grants(core: Core, account: Account) -> list[LivingGrant]:
    """The grants of a person that are not over, the last used first. Raises JournalUnavailable."""
    until = int(time.time()) - _SURELY_OVER
    rows = await core.journal.fetch(_LIVING, account.subject, account.grants_after, until)
    return [
        LivingGrant(row["stream"], row["client"], frozenset(row["scope"].split(" ")), row["used_at"]) for row in rows
    ]


async def allow(core: Core, context: Context, subject: str, client: Client, scopes: frozenset[str]) -> None:
    """Commit that a person allows a client these scopes, unless they did before; known to this worker on return.

    A first-party client needs none. Raises AccessDenied where there is not that client any more, but perhaps another
    one of its id, or JournalUnavailable.
    """
    for _ in range(_ATTEMPTS):
        if allows(core, subject, client, scopes):
            return
        if _standing(core, client) is None:
            raise _gone()
        new = scopes - core.state.consents.scopes(subject, client.client_id)
        event = ConsentGranted(client_id=client.client_id, subject=subject, scopes=tuple(sorted(new)))
        if await _append(core, context, subject, event) is not None:
            await _check_same(core, context, subject, client)
            return
    raise JournalUnavailable("the consent changes too fast")


async def _check_same(core: Core, context: Context, subject: str, client: Client) -> None:
    """Take a consent back that was committed when its client had been replaced: the new one is not who was meant.

    That of a client which is merely gone is forgotten when its id is registered again. Raises AccessDenied or
    JournalUnavailable.
    """
    if _standing(core, client) is not None:
        return
    last = await _withdraw_consent(core, context, subject, client.client_id)
    if last is not None:
        await core.follower.settled(last)
    raise _gone()


def _standing(core: Core, client: Client) -> Client | None:
    """The client as it is now; None if it is gone, disabled or replaced by another one of its id."""
    known = core.state.access.clients.get(client.client_id)
    return known if known is not None and known.enabled and known.since == client.since else None


def _gone() -> AccessDenied:
    return AccessDenied("taken_back_meanwhile", "The application was removed or disabled.")


def allows(core: Core, subject: str, client: Client, scopes: frozenset[str]) -> bool:
    """Whether a person allows this very client these scopes, which is there still, as far as this worker knows."""
    known = _standing(core, client)
    if known is None:
        return False
    return known.settings.first_party or scopes <= core.state.consents.scopes(subject, client.client_id)


async def withdraw(core: Core, context: Context, account: Account, client_id: str) -> int | None:
    """Commit that a person no longer allows a client anything, and revoke each of its grants from them.

    Returns the last position, None where there was nothing to end; the caller waits for it with
    `core.follower.settled` before it answers. Raises JournalUnavailable; then it can be tried again.
    """
    await core.follower.refresh()
    # Consent goes first: what is granted from then on is seen, by who grants it, to be not allowed.
    last = await _withdraw_consent(core, context, account.subject, client_id)
    due = [grant.grant_id for grant in await living_grants(core, account) if grant.client_id == client_id]
    for start in range(0, len(due), _AT_ONCE):
        some = due[start : start + _AT_ONCE]
        revoked = await asyncio.gather(*(revoke_grant(core, context, each, "consent_withdrawn") for each in some))
        last = max((position for position in (last, *revoked) if position is not None), default=None)
    return last


async def _withdraw_consent(core: Core, context: Context, subject: str, client_id: str) -> int | None:
    for _ in range(_ATTEMPTS):
        if not core.state.consents.scopes(subject, client_id):
            return None
        position = await _append(core, context, subject, ConsentWithdrawn(client_id=client_id, subject=subject))
        if position is not None:
            return position
    raise JournalUnavailable("the consent changes too fast")


async def _append(core: Core, context: Context, subject: str, event: ConsentGranted | ConsentWithdrawn) -> int | None:
    """Commit and fold; None where somebody else changed the consent meanwhile, which is folded then too."""
    stream = consent_stream(subject, event.client_id)
    events: tuple[Event, ...] = (event,)
    version = core.state.consents.version_of(stream)
    try:
        appended = await core.journal.append(Append(stream, version, events, context))
    except VersionConflict:
        await core.follower.refresh()
        return None
    await core.follower.folded(appended.last)
    return appended.last
