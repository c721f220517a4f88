"""From the text of a refresh token to its grant, once it is certain that the token was ever issued."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from projections.grants import Grant
from service.decisions.refresh import knows
from service.endpoints.core import Core
from service.journal.refresh_tokens import refresh_token_issued
from service.tokens.handles import REFRESH_TOKEN, parse_handle


class FoundRefreshToken(NamedTuple):
    """A genuine refresh token, the present one of its grant or an older one.

    `issued_at` is the version of the grant at which it was issued, 0 where memory knows it.
    """

    grant_id: UUID
    grant: Grant
    issued_at: int = 0


async def find_refresh_token(core: Core, text: str, digest: str) -> FoundRefreshToken | None:
    """What a refresh token leads to, None for a forged one: anybody can write a grant's id and a checksum.

    Raises MalformedHandle or JournalUnavailable.
    """
    grant_id = parse_handle(REFRESH_TOKEN, text)
    grant = await core.grants.get(grant_id)
    if grant is None or knows(grant, digest):
        return None if grant is None else FoundRefreshToken(grant_id, grant)
    issued_at = await refresh_token_issued(core.journal, grant_id, digest)
    return None if issued_at is None else FoundRefreshToken(grant_id, grant, issued_at)
