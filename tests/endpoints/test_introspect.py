from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from zlib import crc32

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from schema.streams import new_stream
from service.tokens.handles import new_access_token
from service.tokens.jwt import header_segment
from tests.endpoints.world import INTROSPECT, PAYMENTS, USERS, Answer, World, signed

pytestmark = pytest.mark.asyncio(loop_scope="session")

INACTIVE = b'{"active":false}'


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def check_inactive(answer: Answer, reason: str) -> None:
    """The answer says nothing but inactive, byte for byte; the audit alone learns why, and of which token."""
    assert (answer.status, answer.content) == (200, INACTIVE)
    assert ("inactive_token", reason) == (answer.event["error"], answer.event["reason"])
    assert "token_id" in answer.event or len(answer.event["token_digest"]) == 43


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_active_token_is_told_in_full(world: World, token_format: str) -> None:
    """An active token's answer has what RFC 7662 section 2.2 names, and is no event."""
    party = await world.worker(token_format=token_format)
    token = await world.issue(party, scope="read:users")
    answer = await world.introspect(token)
    body = answer.body
    now = int(time.time())
    assert now - 5 <= body["iat"] <= now
    assert {
        "active": True,
        "scope": "read:users",
        "client_id": party.client_id,
        "token_type": "Bearer",
        "exp": body["iat"] + 600,
        "iat": body["iat"],
        "sub": party.client_id,
        "aud": USERS,
        "iss": world.core.issuer,
        "jti": f"{body['grant_id']}.1",
        "grant_id": body["grant_id"],
    } == body
    assert answer.events == []


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
async def test_token_type_hint_is_only_a_hint(world: World, hint: str) -> None:
    """A wrong or unknown hint does not hide a token (RFC 7662 section 2.1)."""
    token = await world.issue(world.service)
    assert (await world.introspect(token, token_type_hint=hint)).body["active"] is True


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_token_for_another_audience_is_inactive(world: World, token_format: str) -> None:
    """An API learns nothing of tokens that are for somebody else."""
    party = await world.worker(token_format=token_format)
    stranger = await world.introspector(PAYMENTS)
    check_inactive(await world.introspect(await world.issue(party), stranger), "token_of_other_audience")


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_revoked_token_is_inactive(world: World, token_format: str) -> None:
    """A revoked token is inactive from the answer of the revocation on."""
    party = await world.worker(token_format=token_format)
    token = await world.issue(party)
    assert (await world.revoke(token, party)).status == 200
    check_inactive(await world.introspect(token), "token_revoked")


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_expired_token_is_inactive(world: World, token_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token ends with its lifetime, known before or not."""
    party = await world.worker(token_format=token_format, access_token_lifetime=60)
    token = await world.issue(party)
    assert (await world.introspect(token)).body["active"] is True
    end = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: end)
    check_inactive(await world.introspect(token), "token_expired")


async def test_token_of_a_disabled_client_is_inactive(world: World) -> None:
    """With its client a token ends, at once."""
    party = await world.worker()
    token = await world.issue(party)
    await world.disable(party)
    check_inactive(await world.introspect(token), "client_disabled")


def forged(token: str, name: str) -> str:
    """A text that is nearly the token."""
    header, payload, signature = token.split(".")
    stranger = ec.generate_private_key(ec.SECP256R1())
    claims, kid = unverified(token), jwt.get_unverified_header(token)["kid"]
    none = urlsafe_b64encode(b'{"typ":"at+jwt","alg":"none"}').rstrip(b"=").decode()
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    other_scope = signed(claims | {"scope": "admin"}, stranger, typ="at+jwt", kid=kid).split(".")[1]
    raw = bytearray(urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return {
        "foreign signature": signed(claims, stranger, typ="at+jwt", kid=kid),
        "foreign jwk": signed(claims, stranger, typ="at+jwt", kid=kid, jwk=jwk),
        "foreign kid": signed(claims, stranger, typ="at+jwt", kid="stranger"),
        "other issuer": signed(claims | {"iss": "https://evil.example.com"}, stranger, typ="at+jwt", kid=kid),
        "altered payload": f"{header}.{other_scope}.{signature}",
        "altered signature": f"{header}.{payload}.{urlsafe_b64encode(raw).rstrip(b'=').decode()}",
        "alg none": f"{none}.{payload}.",
        "no signature": f"{header}.{payload}.",
        "cut": token[:-1],
        "one more": token + "A",
        "padded": token + "==",
        "other bits": token[:-1] + chr(ord(token[-1]) + 1),
        "four parts": f"{header}.{payload}.{payload}.{signature}",
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "foreign signature",
        "foreign jwk",
        "foreign kid",
        "other issuer",
        "altered payload",
        "altered signature",
        "alg none",
        "no signature",
        "cut",
        "one more",
        "padded",
        "other bits",
        "four parts",
    ],
)
async def test_token_that_is_not_exactly_ours_is_inactive(world: World, name: str) -> None:
    """Neither foreign nor altered tokens pass, even right after the true one was seen; no text of ours has a twin."""
    token = await world.issue(world.service)
    assert (await world.introspect(token)).body["active"] is True
    check_inactive(await world.introspect(forged(token, name)), "token_unknown")


def checked(body: str) -> str:
    """A body with its checksum: anyone can compute it."""
    return body + urlsafe_b64encode(crc32(body.encode()).to_bytes(4, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("x", "token_unknown"),
        ("..", "token_unknown"),
        ("a.b.c", "token_unknown"),
        ("\u00fc.\u00fc.\u00fc", "token_unknown"),
        ("A" * 9_000, "token_unknown"),
        ("tly_at_", "token_malformed"),
        ("tly_at_" + "A" * 71, "token_malformed"),
        ("tly_at_" + "\u00fc" * 71, "token_malformed"),
        ("tly_ac_" + "A" * 71, "token_unknown"),
        ("tly_rt_" + "A" * 71, "refresh_token_presented"),
        (checked("tly_at_" + "!" * 22 + "A" * 43), "token_malformed"),
        (checked("tly_at_" + "A" * 1 + "!" * 21 + "A" * 43), "token_malformed"),
        (checked("tly_at_" + "A" * 21 + "B" + "A" * 43), "token_malformed"),
        (checked("tly_at_" + "=" * 22 + "A" * 43), "token_malformed"),
        pytest.param(new_access_token(new_stream()), "token_unknown", id="of an unknown grant"),
    ],
)
async def test_text_that_is_no_token_is_inactive(world: World, token: str, reason: str) -> None:
    """Any text has the same answer as a token that ended; the audit tells a typing mistake from a guess."""
    check_inactive(await world.introspect(token), reason)


async def test_mistyped_handle_is_told_from_a_guess(world: World) -> None:
    """One wrong character of an opaque token is malformed; another secret for its grant is unknown."""
    token = await world.issue(await world.worker(token_format="opaque"))
    wrong = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    check_inactive(await world.introspect(wrong), "token_malformed")
    check_inactive(await world.introspect(checked(token[:29] + "A" * 43)), "token_unknown")


async def test_jwt_of_a_grant_that_was_never_committed_is_inactive(world: World) -> None:
    """A signature alone is not enough: without its event a token does not exist (promise 1)."""
    token = await world.issue(world.service)
    signer = await world.core.ring.signer()
    claims = unverified(token)
    grant_id = str(new_stream())
    key = signer._private
    uncommitted = signed(claims | {"grant_id": grant_id, "jti": f"{grant_id}.1"}, key, typ="at+jwt", kid=signer.kid)
    second = signed(claims | {"jti": f"{claims['grant_id']}.2"}, key, typ="at+jwt", kid=signer.kid)
    ours = header_segment(signer.kid, "ES256").decode()
    for text in (uncommitted, second):
        _, payload, _ = text.split(".")
        message = f"{ours}.{payload}"
        signature = signer._algorithm.sign(message.encode(), key)
        minted = f"{message}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        check_inactive(await world.introspect(minted), "token_unknown")


async def test_caller_that_introspects_nothing_is_refused(world: World) -> None:
    """A client that is no API learns nothing, not even of its own token."""
    token = await world.issue(world.service)
    answer = await world.introspect(token, world.service)
    assert answer.error == (400, "unauthorized_client", "not_an_introspector")


async def test_unauthenticated_caller_is_refused(world: World) -> None:
    """Nobody introspects without proof of who asks (RFC 7662 section 2.1)."""
    token = await world.issue(world.service)
    answer = await world.call(INTROSPECT, {"token": token})
    assert answer.error == (401, "invalid_client", "no_client_authentication")
    public = await world.call(INTROSPECT, {"token": token, "client_id": world.public.client_id})
    assert public.error == (400, "unauthorized_client", "not_an_introspector")


async def test_token_must_be_given(world: World) -> None:
    """A request without a token is malformed."""
    answer = await world.call(INTROSPECT, {"token": ""}, headers=world.api.basic)
    assert answer.error == (400, "invalid_request", "missing_parameter")


async def test_disabled_api_learns_nothing_more(world: World) -> None:
    """A caller that was disabled is refused at once."""
    api = await world.introspector(USERS)
    token = await world.issue(world.service)
    assert (await world.introspect(token, api)).body["active"] is True
    await world.disable(api)
    assert (await world.introspect(token, api)).error == (401, "invalid_client", "client_disabled")
