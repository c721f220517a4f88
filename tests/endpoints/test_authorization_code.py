"""The authorization code grant: what comes of a code, and which attempts come to nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest

from schema.events import AccountDisabled
from schema.streams import account_stream
from service.grants import clock
from tests.endpoints.granting import (
    ALL,
    REDIRECT,
    Later,
    active,
    app,
    first_tokens,
    granted,
    person,
    proof,
    redeem,
    refresh,
    withdraw,
)
from tests.endpoints.world import TOKEN, USERS, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID = {"error": "invalid_grant", "error_description": "The code or token is not valid."}


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, not verified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
async def test_code_is_exchanged_for_tokens(world: World, auth_method: str) -> None:
    """An app, public or not, gets access token, refresh token and ID token in one answer of one commit."""
    party, who = await app(world, auth_method=auth_method), await person(world.core)
    code = await granted(world.core, party, who)
    answer = await redeem(world, party, code)
    body = answer.body
    assert [event.type for event in answer.events] == ["authorization.redeemed", "token.issued"]
    assert {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"} == set(body)
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, ALL)
    assert body["refresh_token"].startswith("tly_rt_")
    assert [code.grant_id] * 2 == [event.stream for event in answer.events]
    assert [event.version for event in answer.events] == [2, 3]


async def test_access_token_says_who_the_person_is_and_how_they_signed_in(world: World) -> None:
    """It is what RFC 9068 says of one that a person gave, and its event tells the same."""
    party, who = await app(world), await person(world.core, "auditor", "admin")
    code = await granted(world.core, party, who)
    answer = await redeem(world, party, code)
    claims, now = claims_of(answer.body["access_token"]), int(time.time())
    assert {
        "iss": world.core.issuer,
        "sub": who.subject,
        "aud": USERS,
        "iat": claims["iat"],
        "exp": claims["iat"] + 600,
        "jti": f"{code.grant_id}.1",
        "client_id": party.client_id,
        "scope": ALL,
        "grant_id": str(code.grant_id),
        "auth_time": claims["auth_time"],
        "acr": "2fa",
        "roles": ["admin", "auditor"],
    } == claims
    assert now - 60 <= claims["auth_time"] <= now - 30
    issued = answer.last
    assert (who.subject, "authorization_code", USERS) == (issued["subject"], issued["grant_type"], issued["audience"])
    assert world.core.digester.digest(answer.body["refresh_token"]) == issued["refresh_digest"]
    assert claims["iat"] + world.core.settings.refresh_token_lifetime == issued["refresh_expires_at"]
    assert "presented_subject" not in issued


async def test_id_token_is_of_the_same_sign_in(world: World) -> None:
    """Same subject, nonce of the request, hash of the access token."""
    party, who = await app(world), await person(world.core)
    tokens = await first_tokens(world, party, who)
    claims = claims_of(tokens["id_token"])
    assert (who.subject, party.client_id, "n-0S6_WzA2Mj") == (claims["sub"], claims["aud"], claims["nonce"])
    assert claims["at_hash"]


async def test_pairwise_subject_is_what_everybody_but_the_journal_sees(world: World) -> None:
    """Tokens, and introspection, have the client's own name of the person."""
    party, who = await app(world, subject_type="pairwise"), await person(world.core)
    answer = await redeem(world, party, await granted(world.core, party, who))
    presented = world.core.subjects.of(world.core.state.access.clients[party.client_id], who.subject)
    assert presented != who.subject
    token = answer.body["access_token"]
    assert {presented} == {claims_of(token)["sub"], claims_of(answer.body["id_token"])["sub"]}
    assert presented == (await world.introspect(token)).body["sub"]
    assert (who.subject, presented) == (answer.last["subject"], answer.last["presented_subject"])


@pytest.mark.parametrize(
    ("scope", "settings", "there"),
    [
        ("read:users", {}, set()),
        ("openid read:users", {}, {"id_token"}),
        ("offline_access read:users", {}, {"refresh_token"}),
        ("offline_access read:users", {"grants": ("authorization_code",)}, set()),
    ],
)
async def test_tokens_that_were_not_asked_for_do_not_come(
    world: World, scope: str, settings: dict[str, Any], there: set[str]
) -> None:
    """A refresh token takes `offline_access` and a client that may use it, an ID token takes `openid`."""
    party, who = await app(world, **settings), await person(world.core)
    answer = await redeem(world, party, await granted(world.core, party, who, scope=scope))
    assert there == answer.body.keys() & {"refresh_token", "id_token"}
    assert ("refresh_token" in there) == ("refresh_digest" in answer.last)


async def test_opaque_access_token_is_kept_as_a_digest(world: World) -> None:
    """A client of opaque tokens gets one from a person too, and it works."""
    party, who = await app(world, token_format="opaque"), await person(world.core)
    answer = await redeem(world, party, await granted(world.core, party, who))
    token = answer.body["access_token"]
    assert token.startswith("tly_at_")
    assert (answer.last["digest"], answer.last["format"]) == (world.core.digester.digest(token), "opaque")
    assert await active(world, token)


@pytest.mark.parametrize("missing", ["code", "redirect_uri", "code_verifier"])
async def test_each_parameter_is_required(world: World, missing: str) -> None:
    """Without any one of them the request is malformed, and the code works on."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    answer = await redeem(world, party, code, **{missing: None})
    assert answer.error == (400, "invalid_request", "missing_parameter")
    assert (await redeem(world, party, code)).status == 200


async def test_resource_narrows_the_audience(world: World) -> None:
    """The API named, if it is of the grant (RFC 8707 section 2.2)."""
    party, who = await app(world), await person(world.core)
    foreign = await redeem(world, party, await granted(world.core, party, who), resource="https://payments.example.com")
    assert foreign.error == (400, "invalid_target", "resource_not_granted")
    own = await redeem(world, party, await granted(world.core, party, who, ask=False), resource=USERS)
    assert claims_of(own.body["access_token"])["aud"] == USERS


async def test_code_is_exchanged_once_however_many_ask_at_once(world: World) -> None:
    """Of those who present one code at the same moment one gets tokens, and they are revoked at once."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    headers, named = proof(party)
    form = {
        "grant_type": "authorization_code",
        "code": code.text,
        "redirect_uri": REDIRECT,
        "code_verifier": code.verifier,
    }
    answers = await asyncio.gather(*(world.http.post(TOKEN, data=form | named, headers=headers) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert {"invalid_grant"} == {answer.json()["error"] for answer in answers if answer.status_code == 400}
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert not await active(world, won["access_token"])
    assert (await refresh(world, party, won["refresh_token"])).error == (400, "invalid_grant", "grant_revoked")


async def test_expired_code_is_refused(world: World) -> None:
    """After its minute a code is nothing."""
    party, who, now = await app(world), await person(world.core), int(time.time())
    code = await granted(world.core, party, who, issued_at=now - 60, expires_at=now)
    assert (await redeem(world, party, code)).error == (400, "invalid_grant", "code_expired")


@pytest.mark.parametrize("has_verifier", [False, True])
async def test_old_code_ends_the_grant_only_with_its_verifier(
    world: World, monkeypatch: pytest.MonkeyPatch, has_verifier: bool
) -> None:
    """Who finds the used code of a public app in a history, months later, can do nothing with it."""
    party, who, later = await app(world, auth_method="none"), await person(world.core), Later()
    code = await granted(world.core, party, who)
    tokens = (await redeem(world, party, code)).body
    monkeypatch.setattr(clock, "now", later.now)
    later(world.core.settings.authorization_code_lifetime + 1)
    again = await redeem(world, party, code if has_verifier else code._replace(verifier="x" * 43))
    reason = "code_reused" if has_verifier else "code_expired"
    assert (again.error, again.body) == ((400, "invalid_grant", reason), INVALID)
    assert await active(world, tokens["access_token"]) is not has_verifier


@pytest.mark.parametrize("change", ["account", "consent", "grant type"])
async def test_right_that_was_lost_since_gives_nothing(world: World, change: str) -> None:
    """Account, consent and client are looked at when the code comes, not only when it was given."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    if change == "account":
        await world.append(account_stream(who.name), 1, AccountDisabled(subject=who.subject))
        expected = (400, "invalid_grant", "account_disabled")
    elif change == "consent":
        await withdraw(world.core, who, party)
        expected = (400, "invalid_grant", "consent_withdrawn")
    else:
        party = await app(world, grants=("client_credentials",))
        expected = (400, "unauthorized_client", "grant_not_allowed")
    assert expected == (await redeem(world, party, code)).error


async def test_refused_code_answers_alike_whatever_the_reason(world: World) -> None:
    """The caller learns that it is not valid, and no more."""
    party, other, who = await app(world), await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    wrong = [
        await redeem(world, other, code),
        await redeem(world, party, code, redirect_uri=REDIRECT + "/x"),
        await redeem(world, party, code, code_verifier="x" * 43),
        await redeem(world, party, code, code=code.text[:-1]),
    ]
    await redeem(world, party, code)
    wrong.append(await redeem(world, party, code))
    assert [answer.body for answer in wrong] == [INVALID] * 5


async def test_scopes_of_the_identity_alone_lead_to_this_server(world: World) -> None:
    """A grant without an API is for userinfo: its access token is for the issuer, and nobody introspects it."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who, scope="openid profile", resources=())
    token = (await redeem(world, party, code)).body["access_token"]
    assert world.core.issuer == claims_of(token)["aud"]
    curious = await world.introspector(world.core.issuer, USERS)
    assert (await world.introspect(token, curious)).event["reason"] == "token_of_other_audience"
