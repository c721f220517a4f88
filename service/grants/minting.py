"""Access tokens as text, and the answer that they go out with; the same for every grant."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from schema.events import TokenFormat
from service.endpoints.core import Core
from service.tokens.handles import new_access_token
from service.tokens.jwt import Claims


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A successful token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3)."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int
    scope: str
    refresh_token: str | UnsetType = UNSET
    id_token: str | UnsetType = UNSET


class Minted(NamedTuple):
    """A token's text and the parts of its event that depend on its form."""

    text: str
    kid: str | None = None
    digest: str | None = None


async def mint(core: Core, token_format: TokenFormat, grant_id: UUID, claims: Claims) -> Minted:
    """The token that says these claims, or an opaque one that leads to them. Raises JournalUnavailable."""
    if token_format == "opaque":
        text = new_access_token(grant_id)
        return Minted(text, digest=core.digester.digest(text))
    signer = await core.ring.signer()
    return Minted(signer.sign(claims), kid=signer.kid)
