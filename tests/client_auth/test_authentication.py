from __future__ import annotations

import hmac
import time
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from service.client_auth import secret as secret_module
from service.tokens.handles import new_client_secret
from tests.endpoints.world import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    USERS,
    Party,
    World,
    assertion_claims,
    assertion_form,
    basic,
    fresh_party,
    signed,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANT = {"grant_type": "client_credentials"}
KEY = ec.generate_private_key(ec.SECP256R1())
JWK: dict[str, Any] = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)


async def key_client(world: World, **settings: Any) -> Party:
    """A client that authenticates by its key."""
    rights = {"grants": ("client_credentials",), "resources": (USERS,), "scopes": ("read:users",)}
    party = fresh_party()._replace(secret="")
    return await world.register(party, auth_method="private_key_jwt", jwks=(JWK,), **(rights | settings))


def proof(party: Party, **changes: object) -> dict[str, str]:
    """A fresh assertion of the client."""
    return assertion_form(signed(assertion_claims(party.client_id, **changes), KEY))


@pytest.mark.parametrize("secret", ["pa:ss", "a+b c%", "\u00fc\U0001f511 \u540d", "x", "=&?/", "a" * 500])
async def test_any_secret_can_be_sent_by_basic_and_post(world: World, secret: str) -> None:
    """A secret of any characters arrives whole: encoded in the header, or as a parameter."""
    for method in ("client_secret_basic", "client_secret_post"):
        party = fresh_party()._replace(secret=secret)
        rights = {"grants": ("client_credentials",), "resources": (USERS,), "scopes": ("read:users",)}
        await world.register(party, auth_method=method, **rights)
        header = basic(quote_plus(party.client_id), quote_plus(secret))
        sent = {"headers": header} if method == "client_secret_basic" else {}
        form = GRANT if method == "client_secret_basic" else GRANT | party.post
        answer = await world.call(TOKEN, form, **sent)  # type: ignore[arg-type]
        assert (200, method) == (answer.status, answer.event["auth_method"])


@pytest.mark.parametrize("path", [TOKEN, INTROSPECT, REVOKE])
async def test_two_methods_at_once_are_refused(world: World, path: str) -> None:
    """Even if each alone would do, two at once are invalid_client with a challenge."""
    answer = await world.call(path, GRANT | world.service.post, headers=world.service.basic)
    assert answer.error == (401, "invalid_client", "two_auth_methods")
    assert answer.headers["www-authenticate"] == 'Basic realm="tallystick", charset="UTF-8"'


@pytest.mark.parametrize(
    ("registered", "used"),
    [
        ("client_secret_basic", "client_secret_post"),
        ("client_secret_post", "client_secret_basic"),
        ("client_secret_basic", "none"),
        ("private_key_jwt", "none"),
        ("client_secret_basic", "private_key_jwt"),
    ],
)
async def test_only_the_registered_method_is_taken(world: World, registered: str, used: str) -> None:
    """A client authenticates as it is registered, so that a weaker method is no way around a stronger one."""
    party = fresh_party()
    jwks = (JWK,) if "private_key_jwt" in {registered, used} else ()
    await world.register(party, auth_method=registered, grants=("client_credentials",), resources=(USERS,), jwks=jwks)
    form = {
        "client_secret_post": party.post,
        "none": {"client_id": party.client_id},
        "private_key_jwt": proof(party),
    }.get(used, {})
    answer = await world.call(TOKEN, GRANT | form, headers=party.basic if used == "client_secret_basic" else {})
    assert answer.error == (401, "invalid_client", "wrong_auth_method")
    assert party.client_id == answer.event["client_id"]


async def test_failures_of_a_secret_cannot_be_told_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong secret, unknown client, disabled client, rotated client: the same bytes after the same comparisons."""
    disabled, rotating = await world.worker(), await world.worker()
    await world.disable(disabled)
    await world.rotate(rotating, int(time.time()) + 600)
    cases = {
        "bad_secret": Party(world.service.client_id, new_client_secret()),
        "unknown_client": fresh_party(),
        "client_disabled": disabled,
        "bad_secret of two": Party(rotating.client_id, new_client_secret()),
        "bad_secret without one": Party(world.public.client_id, new_client_secret()),
    }
    compared: list[int] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared[-1] += 1
        return compare(one, other)

    monkeypatch.setattr("service.tokens.digest.hmac.compare_digest", counted)
    answers = set()
    for name, party in cases.items():
        compared.append(0)
        answer = await world.call(TOKEN, GRANT, headers=party.basic)
        assert name.split()[0] == answer.event["reason"]
        answers.add((answer.status, answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1
    assert [secret_module._SLOTS] * len(cases) == compared


async def test_failures_of_an_assertion_cannot_be_told_apart(world: World) -> None:
    """Unknown, disabled, wrongly signed, expired: the same bytes."""
    disabled, known, unknown = await key_client(world), await key_client(world), fresh_party()
    await world.disable(disabled)
    stranger = ec.generate_private_key(ec.SECP256R1())
    forms = {
        "client_disabled": proof(disabled),
        "unknown_client": proof(unknown),
        "bad_assertion_signature": assertion_form(signed(assertion_claims(known.client_id), stranger)),
        "assertion_expired": proof(known, exp=1),
    }
    answers = set()
    for reason, form in forms.items():
        answer = await world.call(TOKEN, GRANT | form)
        assert reason == answer.event["reason"]
        answers.add((answer.status, answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1


async def test_claim_of_an_unknown_client_is_in_the_audit(world: World) -> None:
    """What an unknown caller says it is can be read, by whichever method it says so, cleaned and cut."""
    name = "\u202ehunter" + "x" * 100
    seen = [
        (await world.call(TOKEN, GRANT, headers=basic(quote_plus(name), "a"))).event["claimed_client"],
        (await world.call(TOKEN, GRANT | {"client_id": name, "client_secret": "a"})).event["claimed_client"],
        (await world.call(TOKEN, GRANT | proof(Party(name)))).event["claimed_client"],
        (await world.call(TOKEN, GRANT | {"client_id": name})).event["claimed_client"],
    ]
    assert seen == ["?hunter" + "x" * 57] * 4


async def test_secret_in_the_wrong_field_is_not_kept(world: World) -> None:
    """A secret that was given as the client id, the grant type, the scope or a resource does not reach the audit."""
    secret = new_client_secret()
    token = await world.issue(world.service)
    world.secrets |= {secret, token}
    for text in (secret, token):
        await world.call(TOKEN, GRANT | {"client_id": text})
        await world.call(TOKEN, GRANT, headers=basic(text, "x"))
        for field in ("grant_type", "scope", "resource"):
            value = f"https://{text}" if field == "resource" else text
            await world.call(TOKEN, GRANT | {field: value}, headers=world.service.basic)
        await world.call(TOKEN, content=f"{text}=1&{text}=2".encode(), headers={"user-agent": text})


async def test_secrets_overlap_while_they_are_rotated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old and new secret work until the overlap ends, then only the new one."""
    old = await world.worker()
    new = await world.rotate(old, int(time.time()) + 600)
    for party in (old, new):
        assert (await world.call(TOKEN, GRANT, headers=party.basic)).status == 200
    newest = await world.rotate(new, int(time.time()) + 600)
    statuses = [(await world.call(TOKEN, GRANT, headers=party.basic)).status for party in (old, new, newest)]
    assert statuses == [401, 200, 200]


@pytest.mark.parametrize("ago", [0, 1, 600])
async def test_old_secret_is_refused_after_the_overlap(world: World, ago: int) -> None:
    """From the second on in which the overlap ends, the old secret is worth nothing."""
    old = await world.worker()
    new = await world.rotate(old, int(time.time()) - ago)
    assert (await world.call(TOKEN, GRANT, headers=old.basic)).error == (401, "invalid_client", "bad_secret")
    assert (await world.call(TOKEN, GRANT, headers=new.basic)).status == 200


async def test_disabled_client_is_refused_at_once(world: World) -> None:
    """The next request after the event is refused, by either secret."""
    old = await world.worker()
    new = await world.rotate(old, int(time.time()) + 600)
    assert (await world.call(TOKEN, GRANT, headers=new.basic)).status == 200
    await world.disable(old)
    for party in (old, new):
        assert (await world.call(TOKEN, GRANT, headers=party.basic)).error == (401, "invalid_client", "client_disabled")


async def test_assertion_is_used_once(world: World) -> None:
    """A jti is good for one request, at any endpoint."""
    party = await key_client(world, introspects=(USERS,))
    for path, form in ((TOKEN, GRANT), (INTROSPECT, {"token": "x"}), (REVOKE, {"token": "x"})):
        once = proof(party)
        assert (await world.call(path, form | once)).status == 200
        for again in (TOKEN, INTROSPECT, REVOKE):
            answer = await world.call(again, GRANT | {"token": "x"} | once)
            assert answer.error == (401, "invalid_client", "assertion_replayed")
            assert party.client_id == answer.event["client_id"]


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (TOKEN, {"grant_type": "password"}),
        (TOKEN, GRANT | {"scope": "read:nothing"}),
        (TOKEN, GRANT | {"resource": "#"}),
        (TOKEN, {}),
        (INTROSPECT, {"token": "x"}),
        (INTROSPECT, {}),
        (REVOKE, {"token": "x"}),
        (REVOKE, {}),
    ],
)
async def test_assertion_that_was_refused_for_its_request_is_used_up(
    world: World, path: str, form: dict[str, str]
) -> None:
    """A proof that authenticated is used up even where the request was refused for something else; the replay is
    refused as a replay, whatever it asks for.
    """
    party = await key_client(world)
    once = proof(party)
    first = await world.call(path, form | once)
    assert first.event["reason"] != "assertion_replayed"
    for replay in (form, GRANT | {"token": "x"}):
        answer = await world.call(path, replay | once)
        assert answer.error == (401, "invalid_client", "assertion_replayed")


async def test_active_introspection_uses_the_assertion_up(world: World) -> None:
    """An answer without an event of its own still counts as the one use."""
    party = await key_client(world, introspects=(USERS,))
    form = {"token": await world.issue(world.service)} | proof(party)
    assert (await world.call(INTROSPECT, form)).body["active"] is True
    assert (await world.call(INTROSPECT, form)).error == (401, "invalid_client", "assertion_replayed")


async def test_revocation_uses_the_assertion_up(world: World) -> None:
    """The revocation and the use of its proof are one commit."""
    party = await key_client(world, introspects=(USERS,))
    token = (await world.call(TOKEN, GRANT | proof(party))).body["access_token"]
    form = {"token": token} | proof(party)
    assert [event.type for event in (await world.call(REVOKE, form)).events] == ["token.revoked"]
    assert (await world.call(REVOKE, form)).error == (401, "invalid_client", "assertion_replayed")


async def test_assertion_that_failed_is_not_used_up(world: World) -> None:
    """Nobody uses up another's jti without its key."""
    party = await key_client(world)
    stranger = ec.generate_private_key(ec.SECP256R1())
    claims = assertion_claims(party.client_id)
    forged = await world.call(TOKEN, GRANT | assertion_form(signed(claims, stranger)))
    assert forged.error == (401, "invalid_client", "bad_assertion_signature")
    assert (await world.call(TOKEN, GRANT | assertion_form(signed(claims, KEY)))).status == 200


@pytest.mark.parametrize("header", [{}, {"client_id": "other-worker"}])
async def test_form_may_not_name_another_client_than_the_assertion(world: World, header: dict[str, str]) -> None:
    """client_id is optional beside an assertion and must be its issuer (RFC 7521 section 4.2)."""
    party = await key_client(world)
    answer = await world.call(TOKEN, GRANT | proof(party) | header)
    if header:
        assert answer.error == (401, "invalid_client", "bad_assertion_signature")
        assert answer.event["client_id"] == "other-worker"
    else:
        assert answer.status == 200


async def test_public_client_may_not_do_more_than_revoke(world: World) -> None:
    """A client that proves nothing gets no token."""
    answer = await world.call(TOKEN, GRANT | {"client_id": world.public.client_id})
    assert answer.error == (400, "unauthorized_client", "grant_not_allowed")
