"""What a revocation ended. Its event names a token or a grant; for which API and scope it was, earlier events tell.

Those are read from the journal by their stream, an indexed read for a page's revocations together. A token's own event
is one of its grant's stream, and never changes: it is the same whenever it is looked up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from projections.sql_projection import Link
from projections.usage.page import MORE, Ended, Page, sorted_scope
from schema import events

_REVOKED_BOUNDS = (60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000, MORE)
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

_TOKENS = """
    SELECT a.place, e.type, e.data::text
    FROM unnest($1::int[], $2::uuid[], $3::int[], $4::int[]) AS a(place, stream, version, number)
    CROSS JOIN LATERAL (
        SELECT j.type, j.data FROM journal.events j
        WHERE j.stream = a.stream AND j.version < a.version AND j.type IN ('token.issued', 'token.refreshed')
          AND (j.data->>'number')::int = a.number
        ORDER BY j.version LIMIT 1
    ) e
"""
# A grant's first token is among its first events; a long chain of refreshes is not read for it.
_GRANTS = """
    SELECT a.place, e.type, e.data::text
    FROM unnest($1::int[], $2::uuid[], $3::int[]) AS a(place, stream, version)
    CROSS JOIN LATERAL (
        SELECT j.type, j.data FROM journal.events j
        WHERE j.stream = a.stream AND j.version < least(a.version, 16)
          AND j.type IN ('token.issued', 'authorization.granted', 'device.requested')
        ORDER BY j.type = 'token.issued' DESC, j.version LIMIT 1
    ) e
"""


async def add_ended(connection: Link, page: Page) -> None:
    """Look up what the page's revocations ended, and count them."""
    if not page.ended:
        return
    tokens = [(ended, ended.number) for ended in page.ended if ended.number is not None]
    grants = [ended for ended in page.ended if ended.number is None]
    found = await _found(connection, _TOKENS, [ended for ended, _ in tokens], [number for _, number in tokens])
    _count(page, "token_revoked", (ended for ended, _ in tokens), found)
    _count(page, "grant_revoked", grants, await _found(connection, _GRANTS, grants))


async def _found(
    connection: Link, query: str, ended: Sequence[Ended], *more: Sequence[int]
) -> list[events.Event | None]:
    """For each revocation the event that tells what it ended, None where there is none."""
    found: list[events.Event | None] = [None] * len(ended)
    if ended:
        streams, versions = [each.stream for each in ended], [each.version for each in ended]
        for place, event_type, data in await connection.fetch(query, range(len(ended)), streams, versions, *more):
            found[place] = events.decode(event_type, data)
    return found


def _count(page: Page, what: str, all_ended: Iterable[Ended], found: Iterable[events.Event | None]) -> None:
    for ended, event in zip(all_ended, found, strict=True):
        resource, scope, grant_type, since = _described(event, ended)
        after = min(ended.second - since, MORE)
        page.count(
            ended.second,
            what,
            ended.client,
            resource=resource,
            scope=sorted_scope(scope),
            grant_type=grant_type,
            reason=ended.reason,
            seconds=_REVOKED_BOUNDS[bisect_left(_REVOKED_BOUNDS, after)],
        )


def _described(event: events.Event | None, ended: Ended) -> tuple[str, str, str, int]:
    """Resource, scope, grant type, and the second in which it was given."""
    match event:
        case events.TokenIssued():
            return event.audience, event.scope, event.grant_type, event.issued_at
        case events.TokenRefreshed():
            return event.audience, event.scope, "refresh_token", event.issued_at
        case events.AuthorizationGranted():
            return _only(event.resources), event.scope, "authorization_code", event.issued_at
        case events.DeviceRequested():
            return _only(event.resources), event.scope, _DEVICE, event.issued_at
        case _:
            return "", "", "", ended.second


def _only(resources: Sequence[str]) -> str:
    """The resource that was asked for; '' where there were several or none."""
    return resources[0] if len(resources) == 1 else ""
