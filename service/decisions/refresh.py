"""What a refresh token is worth (RFC 6749 section 6, RFC 9700 section 4.14).

A refresh token works once: its use makes the next generation. A client that lost the answer may use the same one again
within a grace window, a few times; that makes more tokens of the new generation, siblings, and the first of them that
is used ends the others. So two parties that hold copies cannot go on side by side: the first use by one makes old what
the other has, and whoever uses an old token has the whole grant revoked.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

from projections.access_model import Client
from projections.accounts import Account
from projections.grants import Grant, Person, Refresh
from projections.state import WorkerState
from service.decisions.given import REFUSED, decide_giver, handle_id
from service.decisions.issue import Terms
from service.decisions.person import decide_person_terms
from service.errors import InvalidGrant
from service.settings import Settings

Use = Literal["rotate", "keep", "retry", "reuse"]


class RefreshPresented(NamedTuple):
    """What a client presents: the refresh token by its keyed digest, and what it asks for."""

    digest: str
    scope: str | None = None
    resource: str | None = None


class Refreshing(NamedTuple):
    """A use that is granted: the number of the access token, the generation of the refresh token, and the terms."""

    use: Use
    number: int
    generation: int
    person: Person
    account: Account
    terms: Terms


class RefreshReused(NamedTuple):
    """A refresh token that was used before: the grant is to be revoked."""

    generation: int


def knows(grant: Grant, digest: str) -> bool:
    """Whether a digest is that of the grant's refresh token, or of the one before; an older one the journal alone
    tells from a forged one.
    """
    return grant.refresh is not None and (digest in grant.refresh.digests or digest == grant.refresh.previous)


def use_of(refresh: Refresh, client: Client, digest: str, settings: Settings, now: int) -> Use:
    """What the use of a genuine refresh token is.

    One that is to stay the same rotates all the same where it has siblings, and where the client is public (RFC 9700
    section 2.2.2).
    """
    if digest in refresh.digests:
        stays = not client.settings.refresh_rotation and client.settings.auth_method != "none"
        return "keep" if stays and len(refresh.digests) == 1 else "rotate"
    in_grace = now < refresh.rotated_at + settings.refresh_grace
    if digest == refresh.previous and in_grace and refresh.retries < settings.refresh_grace_retries:
        return "retry"
    return "reuse"


def decide_refresh(
    state: WorkerState,
    client: Client,
    grant_id: UUID,
    grant: Grant,
    presented: RefreshPresented,
    *,
    issuer: str,
    settings: Settings,
    now: int,
) -> Refreshing | RefreshReused:
    """What comes of a refresh token that is known to be genuine. Raises InvalidGrant, InvalidScope or InvalidTarget."""
    person, refresh = grant.person, grant.refresh
    if person is None or refresh is None:
        raise InvalidGrant("refresh_token_unknown", REFUSED, token_digest=presented.digest)
    if person.client_id != client.client_id:
        raise _refused("refresh_token_of_other_client", grant_id)
    use = use_of(refresh, client, presented.digest, settings, now)
    if use == "reuse" and not grant.revoked:
        return RefreshReused(refresh.generation)
    account = decide_giver(state, client, grant_id, grant, person, session_end_revokes=settings.session_end_revokes)
    _check_lifetime(refresh, grant_id, settings, now)
    terms = decide_person_terms(
        state.access,
        client,
        account,
        person,
        issuer=issuer,
        scope=presented.scope,
        resource=presented.resource,
        default_lifetime=settings.access_token_lifetime,
    )
    generation = refresh.generation + (use == "rotate")
    return Refreshing(use, grant.last_number + 1, generation, person, account, terms)


def _check_lifetime(refresh: Refresh, grant_id: UUID, settings: Settings, now: int) -> None:
    if refresh.expires_at <= now:
        raise _refused("refresh_token_expired", grant_id)
    if refresh.used_at + settings.refresh_idle_lifetime <= now:
        raise _refused("refresh_token_idle", grant_id)


def _refused(reason: str, grant_id: UUID) -> InvalidGrant:
    return InvalidGrant(reason, REFUSED, token_id=handle_id(grant_id))
