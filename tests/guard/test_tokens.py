"""Which tokens the guard takes, and how it refuses the others (RFC 6750, RFC 9068, RFC 9470)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick_guard import Needs, Refused
from tests.guard.issuer import KINDS, Issuer, request

NOW = int(time.time())
HOUR = 3_600


def segment(value: Any) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(issuer: Issuer) -> str:
    """A good token but for `alg: none`."""
    payload = issuer.token().split(".")[1]
    return f"{segment({'typ': 'at+jwt', 'alg': 'none', 'kid': issuer.kid})}.{payload}."


def signed_by_public_key(issuer: Issuer) -> str:
    """HS256 whose secret is the issuer's public key, in PEM."""
    pem = issuer.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = issuer.token().split(".")[1]
    message = f"{segment({'typ': 'at+jwt', 'alg': 'HS256', 'kid': issuer.kid})}.{payload}"
    mac = hmac.new(pem, message.encode(), hashlib.sha256).digest()
    return f"{message}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def tampered(issuer: Issuer) -> str:
    """Another payload under the signature of the first."""
    header, _, signature = issuer.token().split(".")
    payload = issuer.token(scope="admin").split(".")[1]
    return f"{header}.{payload}.{signature}"


def foreign(issuer: Issuer) -> str:
    """The same claims by another's key, under the same key id."""
    return issuer.token(key=KINDS[issuer.alg]())


BAD: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "expired": (lambda issuer: issuer.token(exp=NOW - HOUR, iat=NOW - 2 * HOUR), "token_expired"),
    "not yet valid": (lambda issuer: issuer.token(nbf=NOW + HOUR), "token_not_yet_valid"),
    "issued in the future": (lambda issuer: issuer.token(iat=NOW + HOUR, exp=NOW + 2 * HOUR), "token_not_yet_valid"),
    "wrong audience": (lambda issuer: issuer.token(aud="https://other.example.com"), "token_of_other_audience"),
    "audience that begins alike": (
        lambda issuer: issuer.token(aud="https://api.example.com/"),
        "token_of_other_audience",
    ),
    "wrong issuer": (lambda issuer: issuer.token(iss="https://evil.example.com"), "token_of_other_issuer"),
    "tampered": (tampered, "bad_token_signature"),
    "another's key": (foreign, "bad_token_signature"),
    "unknown kid": (lambda issuer: issuer.token({"kid": "nobody"}), "unknown_key"),
    "no kid": (lambda issuer: issuer.token({"kid": None}), "token_header"),
    "kid that is no text": (
        lambda issuer: f"{segment({'typ': 'at+jwt', 'alg': 'ES256', 'kid': 1})}.e30.e30",
        "token_malformed",
    ),
    "alg none": (unsigned, "token_algorithm"),
    "HS256 by the public key": (signed_by_public_key, "token_algorithm"),
    "ID token": (lambda issuer: issuer.token({"typ": "JWT"}), "token_header"),
    "no typ": (lambda issuer: issuer.token({"typ": None}), "token_header"),
    "crit": (lambda issuer: issuer.token({"crit": ["exp"]}), "token_malformed"),
    "bound to a key": (lambda issuer: issuer.token(cnf={"jkt": "x"}), "token_bound_to_key"),
    "no expiry": (lambda issuer: issuer.token(exp=None), "missing_claim"),
    "expiry that is a text": (lambda issuer: issuer.token(exp=str(NOW + HOUR)), "bad_claims"),
    "no audience": (lambda issuer: issuer.token(aud=None), "missing_claim"),
    "no client": (lambda issuer: issuer.token(client_id=None), "missing_claim"),
    "roles that are none": (lambda issuer: issuer.token(roles="admin"), "bad_claims"),
    "scope that is none": (lambda issuer: issuer.token(scope=["admin"]), "bad_claims"),
    "no JWT": (lambda _: "x.y.z", "token_malformed"),
    "opaque": (lambda _: "tly_at_abc", "token_malformed"),
    "too long": (lambda _: "x" * 9_000, "token_malformed"),
    "beyond ASCII": (lambda _: "tökén", "token_malformed"),
    "two words": (lambda issuer: f"{issuer.token()} x", "token_malformed"),
    "DER for a raw signature": (lambda issuer: issuer.token() + "AAAA", "bad_token_signature"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_is_refused(name: str) -> None:
    """401 `invalid_token`: the caller is not told why, the reason is."""
    issuer = Issuer()
    make, reason = BAD[name]
    async with issuer.guard() as guard:
        with pytest.raises(Refused) as refused:
            await guard.authorize(request(make(issuer)))
    assert (refused.value.status, refused.value.error, refused.value.reason) == (401, "invalid_token", reason)
    told = refused.value.challenge("api")
    assert told == 'Bearer realm="api", error="invalid_token", error_description="The access token is not valid."'


@pytest.mark.parametrize("alg", KINDS)
async def test_good_token_gives_its_rights(alg: str) -> None:
    """Each algorithm; the second request needs no keys and no signature."""
    issuer = Issuer(alg=alg)
    token = issuer.token(roles=["clerk"], acr="pwd", auth_time=NOW)
    async with issuer.guard() as guard:
        needs = Needs.of("read:users", roles=["clerk"])
        await guard.authorize(request(token), needs)
        access = await guard.authorize(request(token), needs)
        assert (access.subject, access.client_id) == ("billing-worker", "billing-worker")
        assert access.scopes == {"read:users", "write:users"}
        assert access.roles == {"clerk"}
        assert (access.acr, access.auth_time) == ("pwd", NOW)
        assert access.claims["jti"] == access.token_id
    assert len(issuer.asked) == 2


async def test_algorithm_is_that_of_the_key() -> None:
    """A key for PS256 does not verify RS256, though it could."""
    issuer = Issuer(alg="PS256")
    async with issuer.guard() as guard:
        with pytest.raises(Refused, match="unknown_key"):
            await guard.authorize(request(issuer.token({"alg": "RS256"})))


async def test_leeway_is_for_clocks_that_differ() -> None:
    """A token that expired within the leeway is good, whether it is known or not, and not a moment longer."""
    issuer = Issuer()
    now = time.time()
    token = issuer.token(exp=int(now) - 3, iat=int(now) - 600)
    async with issuer.guard(leeway=60.0) as guard:
        await guard.authorize(request(token))
        await guard.authorize(request(token))
    async with issuer.guard(leeway=1.0) as guard:
        with pytest.raises(Refused, match="token_expired"):
            await guard.authorize(request(token))


async def test_known_token_expires_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was good is looked at again once its time is over."""
    issuer = Issuer()
    token = issuer.token()
    async with issuer.guard() as guard:
        await guard.authorize(request(token))
        for known in guard._known.values():
            known.until = time.time() - 1
        monkeypatch.setattr(issuer, "fails", True)
        await guard.authorize(request(token))  # the signature is verified anew, by the keys of before
        assert all(known.until > time.time() for known in guard._known.values())


async def test_no_more_tokens_are_kept_than_it_was_told() -> None:
    """The cache is bounded; what fell out is verified again."""
    issuer = Issuer()
    tokens = [issuer.token(jti=f"g.{number}") for number in range(5)]
    async with issuer.guard(cache_size=2) as guard:
        for token in tokens * 2:
            await guard.authorize(request(token))
        assert len(guard._known) == 2


@pytest.mark.parametrize(
    ("scope", "status", "error", "reason"),
    [
        (request(), 401, "", "no_token"),
        (request(headers=((b"authorization", b"Basic eDp5"),)), 401, "", "no_token"),
        (request(headers=((b"authorization", b"Bearer"),)), 401, "", "no_token"),
        (request(headers=((b"authorization", b"Bearer   "),)), 401, "", "no_token"),
        (request("a", "b"), 400, "invalid_request", "two_authorizations"),
        (request(query=b"access_token=x"), 400, "invalid_request", "token_in_query"),
        (request("a", query=b"x=1&access_token=x"), 400, "invalid_request", "token_in_query"),
        (request("a", query=b"access_token"), 400, "invalid_request", "token_in_query"),
    ],
)
async def test_request_without_a_proper_token(scope: Any, status: int, error: str, reason: str) -> None:
    """RFC 6750 section 3: who sends none is told the scheme alone; who sends it in another way, that."""
    async with Issuer().guard() as guard:
        with pytest.raises(Refused) as refused:
            await guard.authorize(scope)
    assert (refused.value.status, refused.value.error, refused.value.reason) == (status, error, reason)
    assert ("error=" in refused.value.challenge("api")) is bool(error)


async def test_scheme_is_read_in_any_case() -> None:
    """RFC 9110 section 11.1."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        header = (b"authorization", f"bEARER {issuer.token()}".encode())
        assert (await guard.authorize(request(headers=(header,)))).client_id == "billing-worker"
        query = b"my_access_token=1&access_tokens=2"
        assert (await guard.authorize(request(issuer.token(), query=query))).client_id == "billing-worker"


@pytest.mark.parametrize(
    ("needs", "reason", "challenge"),
    [
        (
            Needs.of("read:users admin"),
            "scope_missing",
            (
                'error="insufficient_scope", error_description="The access token has not the scope that is needed.", '
                'scope="admin read:users"'
            ),
        ),
        (
            Needs.of("read:users", roles=["boss"]),
            "role_missing",
            'error="insufficient_scope", error_description="A role that is needed is missing.", scope="read:users"',
        ),
        (
            Needs.of(acr=["mfa", "phr"]),
            "acr_too_low",
            (
                'error="insufficient_user_authentication", error_description="A stronger sign-in is needed.", '
                'acr_values="mfa phr"'
            ),
        ),
        (
            Needs.of(max_age=60),
            "sign_in_too_old",
            (
                'error="insufficient_user_authentication", error_description="A more recent sign-in is needed.", '
                'max_age="60"'
            ),
        ),
    ],
)
async def test_good_token_that_is_not_enough(needs: Needs, reason: str, challenge: str) -> None:
    """403 with the scope that is needed (RFC 6750 section 3.1), 401 with how to sign in (RFC 9470 section 3)."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        with pytest.raises(Refused) as refused:
            await guard.authorize(request(issuer.token(roles=["clerk"], acr="pwd", auth_time=NOW - HOUR)), needs)
        assert refused.value.access is not None
    assert refused.value.reason == reason
    assert refused.value.status == (403 if "scope" in refused.value.error else 401)
    assert refused.value.challenge("api") == f'Bearer realm="api", {challenge}'


async def test_sign_in_that_is_strong_and_recent_enough() -> None:
    """One of the `acr` values is enough; a token of nobody's sign-in never is recent."""
    issuer = Issuer()
    needs = Needs.of(acr=["mfa", "phr"], max_age=60)
    async with issuer.guard() as guard:
        await guard.authorize(request(issuer.token(acr="phr", auth_time=int(time.time()))), needs)
        with pytest.raises(Refused, match="sign_in_too_old"):
            await guard.authorize(request(issuer.token()), Needs.of(max_age=60))
