"""The tokens of a grant that a person gave: access token, refresh token, ID token.

How a grant is redeemed, whatever proves it (an authorization code, a device code):

    async def attempt(grant: Grant) -> Response:
        account = decide_giver(core.state, client, grant_id, grant, person, …)  # service/decisions/given.py
        terms = decide_person_terms(…)                                          # service/decisions/person.py
        redemption = Redemption(GRANT_TYPE, grant_id, grant.version, person, account, terms, DeviceRedeemed(…))
        return await redeem_person_grant(exchange, caller, redemption)

    return await change_grant(core, grant_id, attempt)      # service/grants/change.py; again where others were faster

There is no await between a decision and the `grant.version` that it rests on: a grant is folded on while it is held.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET

from projections.access_model import Client
from projections.accounts import Account
from projections.grants import Person
from schema.events import AuthorizationRedeemed, DeviceRedeemed, TokenIssued
from service.client_auth.authenticate import AuthenticatedClient
from service.decisions.issue import Terms
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.grants import REFRESH_TOKEN, clock
from service.grants.minting import Minted, TokenResponse, mint
from service.http.response import Response, answer
from service.oidc.id_token import make_id_token
from service.oidc.scopes import OFFLINE_ACCESS, OPENID
from service.tokens.handles import REFRESH_TOKEN as REFRESH_PREFIX
from service.tokens.handles import new_handle
from service.tokens.jwt import PersonClaims


class Redemption(NamedTuple):
    """A grant to be redeemed as it was decided: at this version of its stream, by this person, on these terms.

    `event` says that what proved it works no more.
    """

    grant_type: str
    grant_id: UUID
    version: int
    person: Person
    account: Account
    terms: Terms
    event: AuthorizationRedeemed | DeviceRedeemed


class Given(NamedTuple):
    """What an access token rests on: its grant, its number there, who gave it, and on which terms."""

    grant_id: UUID
    number: int
    person: Person
    account: Account
    terms: Terms


class PersonToken(NamedTuple):
    """An access token of a grant that a person gave; `told` are the fields that every event of one has."""

    minted: Minted
    told: dict[str, Any]


class RefreshToken(NamedTuple):
    """A refresh token's text, and its keyed digest, which alone is kept."""

    text: str
    digest: str


async def redeem_person_grant(exchange: Exchange, caller: AuthenticatedClient, redemption: Redemption) -> Response:
    """Mint the grant's first tokens, commit their event, then answer with them.

    Raises VersionConflict, InvalidClient or JournalUnavailable; no token leaves then.
    """
    core, now, client = exchange.core, clock.now(), caller.client
    given = Given(redemption.grant_id, 1, redemption.person, redemption.account, redemption.terms)
    token = await mint_person_token(exchange, caller, given, now)
    id_token = await id_token_of(core, client, given, token.minted.text, now, nonce=given.person.nonce)
    refresh = new_refresh_token(core, given.grant_id) if _stays(client, given.person) else None
    issued = TokenIssued(
        **token.told,
        grant_type=redemption.grant_type,
        refresh_digest=refresh.digest if refresh else None,
        refresh_expires_at=now + core.settings.refresh_token_lifetime if refresh else None,
    )
    await exchange.append(given.grant_id, redemption.version, redemption.event, issued)
    core.metrics.issued(redemption.grant_type, client.client_id)
    return respond(token.minted, given.terms, refresh, id_token)


async def mint_person_token(exchange: Exchange, caller: AuthenticatedClient, given: Given, now: int) -> PersonToken:
    """An access token that says who the person is to this client. Raises JournalUnavailable."""
    core, client_id, person, terms = exchange.core, caller.client.client_id, given.person, given.terms
    presented = core.subjects.of(caller.client, person.subject)
    claims = PersonClaims(
        iss=core.issuer,
        sub=presented,
        aud=terms.audience,
        exp=now + terms.lifetime,
        iat=now,
        jti=f"{given.grant_id}.{given.number}",
        client_id=client_id,
        scope=terms.scope,
        grant_id=str(given.grant_id),
        auth_time=person.auth_time,
        acr=person.acr,
        roles=tuple(sorted(given.account.roles)),
    )
    minted = await mint(core, terms.format, given.grant_id, claims)
    told = {
        "number": given.number,
        "client_id": client_id,
        "subject": person.subject,
        "presented_subject": None if presented == person.subject else presented,
        "audience": terms.audience,
        "scope": terms.scope,
        "issued_at": now,
        "expires_at": now + terms.lifetime,
        "auth_method": caller.method,
        "format": terms.format,
        "kid": minted.kid,
        "digest": minted.digest,
        "user_agent": exchange.request.user_agent,
    }
    return PersonToken(minted, told)


def new_refresh_token(core: Core, grant_id: UUID) -> RefreshToken:
    """A fresh refresh token of a grant."""
    text = new_handle(REFRESH_PREFIX, grant_id)
    return RefreshToken(text, core.digester.digest(text))


async def id_token_of(
    core: Core, client: Client, given: Given, access_token: str, now: int, *, nonce: str | None = None
) -> str | None:
    """The ID token that goes with an access token, None where the scope has no `openid`."""
    if OPENID not in given.terms.scope.split(" "):
        return None
    return await make_id_token(core, client, given.person, now=now, access_token=access_token, nonce=nonce)


def respond(minted: Minted, terms: Terms, refresh: RefreshToken | None, id_token: str | None) -> Response:
    """The answer with the tokens of a commit."""
    return answer(
        TokenResponse(
            access_token=minted.text,
            expires_in=terms.lifetime,
            scope=terms.scope,
            refresh_token=refresh.text if refresh else UNSET,
            id_token=id_token or UNSET,
        )
    )


def _stays(client: Client, person: Person) -> bool:
    """Whether a refresh token comes with the grant (OpenID Connect Core section 11)."""
    return OFFLINE_ACCESS in person.scope.split(" ") and REFRESH_TOKEN in client.settings.grants
