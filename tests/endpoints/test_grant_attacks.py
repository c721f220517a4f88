"""Attacks on the grants that people give. Each is named for what the attacker tries, and fails."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from schema.events import ResourceRegistered, RoleRegistered, RoleWithdrawn
from schema.streams import account_stream, resource_stream, role_stream
from service.bootstrap import open_worker
from service.settings import Settings
from service.tokens.handles import new_handle
from tests.endpoints.granting import (
    ALL,
    REDIRECT,
    Code,
    Later,
    active,
    app,
    end,
    first_tokens,
    granted,
    person,
    redeem,
    refresh,
    revoke,
    withdraw,
)
from tests.endpoints.world import (
    REVOKE,
    TOKEN,
    Answer,
    Party,
    World,
    assertion_claims,
    assertion_form,
    client_of_app,
    signed,
)

shared = pytest.mark.asyncio(loop_scope="session")
REUSED = ["token.reuse_detected", "grant.revoked", "access.rejected"]


def types_of(answer: Answer) -> list[str]:
    """What was committed for an answer."""
    return [event.type for event in answer.events]


def refused(answer: Answer) -> str:
    """The reason of a refusal, which told the caller nothing but invalid_grant."""
    assert (400, {"error", "error_description"}) == (answer.status, set(answer.body))
    assert (types_of(answer), answer.body["error"]) == (["access.rejected"], "invalid_grant")
    reason: str = answer.last["reason"]
    return reason


@shared
async def test_code_bound_to_another_client(world: World) -> None:
    """An app that got hold of another's code gets nothing, uses nothing up, and cannot have the grant revoked."""
    party, thief, who = await app(world), await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    assert refused(await redeem(world, thief, code)) == "code_of_other_client"
    tokens = await redeem(world, party, code)
    assert tokens.status == 200
    assert refused(await redeem(world, thief, code)) == "code_of_other_client"
    assert await active(world, tokens.body["access_token"])
    assert (await refresh(world, party, tokens.body["refresh_token"])).status == 200


@shared
@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
async def test_code_replayed(world: World, auth_method: str) -> None:
    """A second use is refused, and every token that the first one gave, by refreshes too, is dead."""
    party, who = await app(world, auth_method=auth_method), await person(world.core)
    code = await granted(world.core, party, who)
    first = (await redeem(world, party, code)).body
    second = (await refresh(world, party, first["refresh_token"])).body
    answer = await redeem(world, party, code)
    assert (types_of(answer), answer.error) == (REUSED, (400, "invalid_grant", "code_reused"))
    for token in (first["access_token"], second["access_token"]):
        assert not await active(world, token)
    for token in (first["refresh_token"], second["refresh_token"]):
        assert refused(await refresh(world, party, token)) == "grant_revoked"
    assert refused(await redeem(world, party, code)) == "grant_revoked"


@shared
async def test_code_replayed_without_its_verifier(world: World) -> None:
    """Whoever has the code of another's redeemed grant gets nothing, and the grant ends: the code is about."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    first = (await redeem(world, party, code)).body
    answer = await redeem(world, party, code, code_verifier="x" * 43)
    assert (types_of(answer), answer.status) == (REUSED, 400)
    assert not await active(world, first["access_token"])


@shared
async def test_verifier_omitted(world: World) -> None:
    """No verifier, an empty one, a wrong one, the challenge itself: no tokens, and the right one still works."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    for verifier in (None, ""):
        assert (await redeem(world, party, code, code_verifier=verifier)).error[1:] == (
            "invalid_request",
            "missing_parameter",
        )
    malformed = await redeem(world, party, code, code_verifier="short")
    assert malformed.error == (400, "invalid_request", "malformed_code_verifier")
    grant = await world.core.grants.get(code.grant_id)
    assert grant is not None
    assert grant.code is not None
    for verifier in ("x" * 43, grant.code.code_challenge, code.verifier.swapcase()):
        assert refused(await redeem(world, party, code, code_verifier=verifier)) == "code_verifier_mismatch"
    world.secrets.discard(grant.code.code_challenge)  # it stands in an event, and is worth nothing
    assert (await redeem(world, party, code)).status == 200


@shared
@pytest.mark.parametrize("redirect", [REDIRECT + "/", REDIRECT + "?x=1", "HTTPS://app.example.com/callback", "x"])
async def test_redirect_uri_of_another_request(world: World, redirect: str) -> None:
    """A code that was sent elsewhere than it is said to have been is not exchanged."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    assert refused(await redeem(world, party, code, redirect_uri=redirect)) == "redirect_uri_mismatch"


ALTERATIONS: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[:-1],
    "one more": lambda text: text + "A",
    "checksum": lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
    "secret": lambda text: text[:40] + ("A" if text[40] != "A" else "B") + text[41:],
    "other case": str.swapcase,
    "prefix": lambda text: "tly_at_" + text[7:],
    "padding": lambda text: text + "=",
    "nothing but the prefix": lambda text: text[:7],
    "space": lambda text: text + " ",
}


@shared
@pytest.mark.parametrize("how", ALTERATIONS)
async def test_truncated_or_altered_handle(world: World, how: str) -> None:
    """No text but the very one is accepted; what was altered is told from what was never issued."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    altered = ALTERATIONS[how]
    assert refused(await redeem(world, party, code._replace(text=altered(code.text)))) == "code_malformed"
    tokens = (await redeem(world, party, code)).body
    token = tokens["refresh_token"]
    assert refused(await refresh(world, party, altered(token))) == "refresh_token_malformed"
    assert (await refresh(world, party, token)).status == 200


@shared
@pytest.mark.parametrize("prefix", ["tly_ac_", "tly_rt_"])
async def test_handle_with_a_right_checksum_and_a_guessed_secret(world: World, prefix: str) -> None:
    """It takes the secret: to know the grant's id, which is in every JWT of it, is worth nothing."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    guessed = new_handle(prefix, code.grant_id)
    if prefix == "tly_ac_":
        assert refused(await redeem(world, party, code._replace(text=guessed))) == "code_unknown"
        assert (await redeem(world, party, code)).status == 200
        assert refused(await redeem(world, party, code._replace(text=guessed))) == "code_unknown"
    else:
        tokens = (await redeem(world, party, code)).body
        assert refused(await refresh(world, party, guessed)) == "refresh_token_unknown"
        assert (await refresh(world, party, tokens["refresh_token"])).status == 200


@shared
async def test_one_kind_of_handle_for_another(world: World) -> None:
    """A refresh token is no code, a code no refresh token, an access token neither."""
    party, who = await app(world, token_format="opaque"), await person(world.core)
    tokens = await first_tokens(world, party, who)
    code = await granted(world.core, party, who, ask=False)
    for text in (tokens["refresh_token"], tokens["access_token"]):
        assert refused(await redeem(world, party, code._replace(text=text))) == "code_malformed"
    for text in (code.text, tokens["access_token"]):
        assert refused(await refresh(world, party, text)) == "refresh_token_malformed"


@shared
async def test_refresh_token_of_another_client(world: World) -> None:
    """Present or old, it gives another app nothing, and the grant of its own lives on."""
    party, thief, who = await app(world), await app(world), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    third = (await refresh(world, party, second["refresh_token"])).body
    for tokens in (first, second, third):
        assert refused(await refresh(world, thief, tokens["refresh_token"])) == "refresh_token_of_other_client"
    assert await active(world, third["access_token"])
    assert (await refresh(world, party, third["refresh_token"])).status == 200


@shared
async def test_refresh_after_revocation(world: World) -> None:
    """Once its revocation is answered a refresh token gives nothing, nor does the one before or after it."""
    party, who = await app(world), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    assert (await revoke(world, party, second["refresh_token"])).status == 200
    for tokens in (first, second):
        assert refused(await refresh(world, party, tokens["refresh_token"])) == "grant_revoked"
        assert not await active(world, tokens["access_token"])


@shared
@pytest.mark.parametrize("by", ["refresh token", "operator", "withdrawal"])
async def test_revoked_token_inside_the_grace_window(world: World, by: str) -> None:
    """The window is for lost answers: it brings back nothing that was revoked, by whomever."""
    party, who = await app(world), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    await ENDINGS[by](world, party, who, first)
    for token in (first["refresh_token"], second["refresh_token"]):
        assert refused(await refresh(world, party, token)) == "grant_revoked"
    assert not await active(world, second["access_token"])


async def _by_token(world: World, party: Party, _: object, tokens: dict[str, str]) -> None:
    assert types_of(await revoke(world, party, tokens["refresh_token"])) == ["grant.revoked"]


ENDINGS: dict[str, Callable[..., Awaitable[None]]] = {
    "refresh token": _by_token,
    "operator": lambda world, _, __, tokens: end(world.core, tokens["grant_id"]),
    "withdrawal": lambda world, party, who, tokens: withdraw(world.core, who, party, tokens["grant_id"]),
}


@shared
async def test_thiefs_replay_does_not_outlive_the_next_use(world: World) -> None:
    """Within the window a thief gets a sibling; as soon as its owner goes on, it is worth nothing and ends it all."""
    party, who = await app(world), await person(world.core)
    first = await first_tokens(world, party, who)
    owners = (await refresh(world, party, first["refresh_token"])).body
    thiefs = (await refresh(world, party, first["refresh_token"])).body
    goes_on = await refresh(world, party, owners["refresh_token"])
    assert goes_on.status == 200
    assert types_of(await refresh(world, party, thiefs["refresh_token"])) == REUSED
    for tokens in (owners, thiefs, goes_on.body):
        assert not await active(world, tokens["access_token"])


@shared
async def test_withdrawn_consent_leaves_no_refresh_alive(world: World) -> None:
    """Neither tokens nor codes that the person gave before give anything after; a new consent brings none back."""
    party, who = await app(world), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    waiting = await granted(world.core, party, who, ask=False)
    await withdraw(world.core, who, party, first["grant_id"])
    assert refused(await redeem(world, party, waiting)) == "consent_withdrawn"
    for token in (first["refresh_token"], second["refresh_token"]):
        assert refused(await refresh(world, party, token)) == "grant_revoked"
    again = await first_tokens(world, party, who)
    assert refused(await refresh(world, party, second["refresh_token"])) == "grant_revoked"
    assert (await refresh(world, party, again["refresh_token"])).status == 200


@shared
@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token", "client_credentials"])
async def test_unconfigured_scope_by_any_grant(world: World, grant_type: str) -> None:
    """A scope that is not the client's is in no token, though it stands in the grant or in the request."""
    grants = ("authorization_code", "refresh_token", "client_credentials")
    party = await app(world, scopes=("read:users", "offline_access"), grants=grants)
    who = await person(world.core)
    if grant_type == "client_credentials":
        form = {"grant_type": grant_type, "scope": "write:users"}
        answer = await world.call(TOKEN, form, headers=party.basic)
        assert answer.error == (400, "invalid_scope", "scope_not_allowed")
        return
    answer = await redeem(world, party, await granted(world.core, party, who, scope=ALL))
    assert answer.body["scope"] == "offline_access read:users"
    if grant_type == "refresh_token":
        token = answer.body["refresh_token"]
        for scope in ("write:users", "openid"):
            asked = await refresh(world, party, token, scope=scope)
            assert asked.error == (400, "invalid_scope", "no_scope")
        assert (await refresh(world, party, token, scope=ALL)).body["scope"] == "offline_access read:users"


@shared
async def test_scope_that_a_role_governs_by_a_person_without_it(world: World) -> None:
    """A person who has lost the role gives nothing of it, though the grant was for it."""
    name = f"writer-{uuid.uuid4().hex[:8]}"
    scope, uri = f"write:{name}", f"https://{name}.example.com"
    await world.append(resource_stream(uri), 0, ResourceRegistered(uri=uri, scopes={scope: "Write"}))
    await world.append(role_stream(name), 0, RoleRegistered(name=name, scopes=(scope,)))
    party = await app(world, resources=(uri,), scopes=(scope, "offline_access"))
    who = await person(world.core, name)
    tokens = await first_tokens(world, party, who, scope=f"offline_access {scope}", resources=(uri,))
    assert tokens["scope"] == f"offline_access {scope}"
    await world.append(account_stream(who.name), 2, RoleWithdrawn(subject=who.subject, role=name))
    assert (await refresh(world, party, tokens["refresh_token"])).body["scope"] == "offline_access"


@shared
@pytest.mark.parametrize("kind", ["authorization_code", "refresh_token"])
async def test_answer_to_a_reuse_waits_for_every_worker(
    world: World, kind: str, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the refusal is there, no worker can call a token of the grant active any more (promise 4)."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    token = (await redeem(world, party, code)).body["refresh_token"]
    await refresh(world, party, token)
    later(60)
    waited: list[int] = []
    settled = world.core.follower.settled

    async def note(position: int) -> None:
        waited.append(position)
        await settled(position)

    monkeypatch.setattr(world.core.follower, "settled", note)
    again = await (redeem(world, party, code) if kind == "authorization_code" else refresh(world, party, token))
    assert types_of(again) == REUSED
    assert [again.events[1].position] == waited


@shared
async def test_replayed_assertion_revokes_nothing(world: World) -> None:
    """Who has an old proof and an old token of a client is not the client: refused for the proof, the grant lives."""
    key, who = ec.generate_private_key(ec.SECP256R1()), await person(world.core)
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    party = (await app(world, auth_method="private_key_jwt", jwks=(jwk,)))._replace(secret="")
    code = await granted(world.core, party, who)
    form = {
        "grant_type": "authorization_code",
        "code": code.text,
        "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier,
    }
    used = assertion_form(signed(assertion_claims(party.client_id), key))
    first = await world.call(TOKEN, form | used)
    assert first.status == 200
    token = {"grant_type": "refresh_token", "refresh_token": first.body["refresh_token"]}
    for replayed in (form | used, token | used, {"token": first.body["refresh_token"]} | used):
        path = REVOKE if "token" in replayed else TOKEN
        assert (await world.call(path, replayed)).error == (401, "invalid_client", "assertion_replayed")
    assert await active(world, first.body["access_token"])
    fresh_proof = assertion_form(signed(assertion_claims(party.client_id), key))
    assert (await world.call(TOKEN, token | fresh_proof)).status == 200


async def test_refresh_after_restart(fresh: World, settings: Settings, later: Later) -> None:
    """A worker that starts later knows the present token, the one before in its window, and every old one."""
    party, who = await app(fresh), await person(fresh.core)
    ended = await first_tokens(fresh, party, who)
    await revoke(fresh, party, ended["refresh_token"])
    first = await first_tokens(fresh, party, who, ask=False)
    second = (await refresh(fresh, party, first["refresh_token"])).body
    async with open_worker(settings) as core, client_of_app(core) as http:
        restarted = World(core, http)
        restarted.api = fresh.api
        assert refused(await refresh(restarted, party, ended["refresh_token"])) == "grant_revoked"
        retried = await refresh(restarted, party, first["refresh_token"])
        assert (retried.status, retried.event["retry"]) == (200, True)
        third = await refresh(restarted, party, second["refresh_token"])
        assert (third.status, third.event["generation"]) == (200, 2)
    async with open_worker(settings) as core, client_of_app(core) as http:
        restarted = World(core, http)
        restarted.api = fresh.api
        later(60)
        assert types_of(await refresh(restarted, party, first["refresh_token"])) == REUSED
        assert refused(await refresh(restarted, party, third.body["refresh_token"])) == "grant_revoked"
        assert not await active(restarted, third.body["access_token"])


async def test_code_replayed_at_a_worker_that_started_later(fresh: World, settings: Settings) -> None:
    """That a code was exchanged is known after a restart."""
    party, who = await app(fresh), await person(fresh.core)
    code: Code = await granted(fresh.core, party, who)
    tokens = (await redeem(fresh, party, code)).body
    async with open_worker(settings) as core, client_of_app(core) as http:
        restarted = World(core, http)
        restarted.api = fresh.api
        assert types_of(await redeem(restarted, party, code)) == REUSED
        assert not await active(restarted, tokens["access_token"])
