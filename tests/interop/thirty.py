"""The same requests for every API: what each sends, what it must be answered, and why it was refused.

A request is for `GET /users`, which needs the scope `read:users`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.interop.tokens import Forge, Key, PersonsTokens, encoded, hs256, jws


class Answer(NamedTuple):
    """A status, and what the challenge says (RFC 6750 section 3): None where there is none, nothing where it names the
    scheme alone, else the error, with the scope that is needed behind it.
    """

    status: int
    error: str | None = None


OK = Answer(200)
NO_TOKEN = Answer(401, "")
BAD_TOKEN = Answer(401, "invalid_token")
BAD_REQUEST = Answer(400, "invalid_request")
NOT_ENOUGH = Answer(403, "insufficient_scope read:users")


class Sent(NamedTuple):
    """A request: its `Authorization` headers, its query, and a form in its body."""

    authorizations: tuple[bytes, ...] = ()
    query: str = ""
    form: str = ""


class Reasons(NamedTuple):
    """Why it is refused, in the words of docs/rejections.md: by the guard, and by /verify with its detail."""

    guard: str = ""
    verify: str = ""


class Request(NamedTuple):
    """One of the requests: what it sends, what it must be answered, and the reasons that are recorded."""

    sent: Sent
    right: Answer
    reasons: Reasons = Reasons()


class Tokens(NamedTuple):
    """What the requests are made of: tokens that the server gave, and a forge with the server's keys.

    `elsewhere` is an address that no API may ever ask for a key.
    """

    forge: Forge
    person: PersonsTokens
    retired: Key
    own: Key
    elsewhere: str
    given: Mapping[str, str]


def bearer(*tokens: str, scheme: str = "Bearer") -> Sent:
    """A header for each token."""
    return Sent(tuple(f"{scheme} {token}".encode("latin-1") for token in tokens))


_UNKNOWN = "token_not_active token_unknown"
_NONE = Reasons("no_token", "no_token")


def bad(sent: Sent, guard: str, verify: str = _UNKNOWN) -> Request:
    """A request with a token that is not good."""
    return Request(sent, BAD_TOKEN, Reasons(guard, verify))


def the_requests(tokens: Tokens) -> dict[str, Request]:
    """All of them by name."""
    return {
        **_good(tokens),
        **_without_token(tokens),
        **_not_enough(tokens),
        **_in_other_places(tokens),
        **_tampered_with(tokens),
        **_of_other_keys(tokens),
        **_with_other_headers(tokens),
        **_with_other_claims(tokens),
        **_no_tokens(tokens),
    }


def _good(tokens: Tokens) -> dict[str, Request]:
    good = tokens.forge.good
    return {
        "good": Request(bearer(good), OK),
        "good, scheme in lower case": Request(bearer(good, scheme="bearer"), OK),
        "good, given by a person": Request(bearer(tokens.person.access), OK),
        "good, opaque": Request(bearer(tokens.given["opaque"]), OK),
    }


def _without_token(tokens: Tokens) -> dict[str, Request]:
    basic = base64.b64encode(f"worker:{tokens.forge.good[:40]}".encode()).decode()
    return {
        "no Authorization": Request(Sent(), NO_TOKEN, _NONE),
        "scheme Basic": Request(Sent((f"Basic {basic}".encode(),)), NO_TOKEN, _NONE),
        "scheme alone": Request(Sent((b"Bearer",)), NO_TOKEN, _NONE),
    }


def _not_enough(tokens: Tokens) -> dict[str, Request]:
    """Tokens of the server that it would not take, or not for this."""
    given = tokens.given
    return {
        "scope missing": Request(
            bearer(given["no scope"]), NOT_ENOUGH, Reasons("scope_missing", "scope_missing read:users")
        ),
        "expired": bad(bearer(given["expired"]), "token_expired", "token_not_active token_expired"),
        "for another API": bad(bearer(given["other api"]), "token_of_other_audience", "token_of_other_audience"),
        "revoked": bad(bearer(given["revoked"]), "token_revoked", "token_not_active token_revoked"),
        "of a disabled client": bad(bearer(given["gone"]), "token_revoked", "token_not_active client_disabled"),
        "ID token": bad(bearer(tokens.person.id), "token_header"),
        "refresh token": bad(bearer(tokens.person.refresh), "token_malformed"),
    }


def _in_other_places(tokens: Tokens) -> dict[str, Request]:
    good = tokens.forge.good
    in_query = Reasons("token_in_query", "token_in_query")
    header = bearer(good)
    return {
        "in the query": Request(Sent(query=f"access_token={good}"), BAD_REQUEST, in_query),
        "in the query too": Request(header._replace(query=f"access_token={good}"), BAD_REQUEST, in_query),
        "in the body": Request(Sent(form=f"access_token={good}"), NO_TOKEN, _NONE),
        "two headers": Request(bearer(good, good), BAD_REQUEST, Reasons("two_authorizations", _UNKNOWN)),
        "two headers, the second good": Request(
            bearer("x", good), BAD_REQUEST, Reasons("two_authorizations", _UNKNOWN)
        ),
    }


def _tampered_with(tokens: Tokens) -> dict[str, Request]:
    forge = tokens.forge
    header, _, signature = forge.good.split(".")
    payload = encoded(json.dumps(forge.claims(scope="read:users write:users")).encode())
    other = encoded(bytes(byte ^ 1 for byte in base64.urlsafe_b64decode(signature + "==")))
    good = forge.good.rpartition(".")[0]
    return {
        "payload altered": bad(bearer(f"{header}.{payload}.{signature}"), "bad_token_signature"),
        "signature altered": bad(bearer(f"{good}.{other}"), "bad_token_signature"),
        "signature left out": bad(bearer(f"{good}."), "bad_token_signature"),
        "alg none": bad(bearer(forge.headed(alg="none", sign=lambda _: b"")), "token_algorithm"),
        "alg none, spelt otherwise": bad(bearer(forge.headed(alg="nOnE", sign=lambda _: b"")), "token_algorithm"),
    }


def _of_other_keys(tokens: Tokens) -> dict[str, Request]:
    forge, own, key = tokens.forge, tokens.own, tokens.forge.key
    jwk = json.dumps(key.jwk).encode()
    return {
        "HS256 by the public key, PEM": bad(bearer(forge.headed(alg="HS256", sign=hs256(key.pem))), "token_algorithm"),
        "HS256 by the public key, JWK": bad(bearer(forge.headed(alg="HS256", sign=hs256(jwk))), "token_algorithm"),
        "of an unknown key": bad(bearer(forge.headed(own, kid=own.kid, alg=own.alg)), "unknown_key"),
        "of another key under our kid": bad(bearer(forge.headed(own, alg=own.alg)), "bad_token_signature"),
        "of a retired key": bad(
            bearer(forge.headed(tokens.retired, kid=tokens.retired.kid, alg=tokens.retired.alg)), "unknown_key"
        ),
    }


def _with_other_headers(tokens: Tokens) -> dict[str, Request]:
    forge, own = tokens.forge, tokens.own

    def injected(kid: str = own.kid, **header: Any) -> Sent:
        return bearer(forge.headed(own, **{"kid": kid, "alg": own.alg, **header}))

    return {
        "without kid": bad(bearer(forge.headed(kid=None)), "token_header"),
        "without kid, of another key": bad(bearer(forge.headed(own, kid=None, alg=own.alg)), "token_header"),
        "jwk in the header": bad(injected(jwk=own.jwk), "unknown_key"),
        "jku in the header": bad(injected(jku=f"{tokens.elsewhere}/jwks"), "unknown_key"),
        "x5u in the header": bad(injected(x5u=f"{tokens.elsewhere}/x5u"), "unknown_key"),
        "kid that is a path": bad(injected(kid="../../../../dev/null"), "unknown_key"),
        "crit that nobody knows": bad(bearer(forge.headed(crit=["tally"], tally=1)), "token_malformed"),
        "typ JWT": bad(bearer(forge.headed(typ="JWT")), "token_header"),
        "without typ": bad(bearer(forge.headed(typ=None)), "token_header"),
    }


def _with_other_claims(tokens: Tokens) -> dict[str, Request]:
    forge = tokens.forge
    claims = forge.claims()
    twice = json.dumps(claims)[:-1] + ', "aud": "https://api.example.com/payments"}'
    later = int(time.time()) + 3_600
    return {
        "not yet valid": bad(bearer(forge.claiming(nbf=later)), "token_not_yet_valid"),
        "of another issuer": bad(bearer(forge.claiming(iss="https://auth.example.org")), "token_of_other_issuer"),
        "without exp": bad(bearer(forge.claiming(exp=None)), "missing_claim"),
        "exp that is a text": bad(bearer(forge.claiming(exp=str(later))), "bad_claims"),
        "without client_id": bad(bearer(forge.claiming(client_id=None)), "missing_claim"),
        "a claim twice": bad(bearer(forge.saying(twice.encode())), "token_of_other_audience"),
        "claims that are a list": bad(bearer(forge.saying(b"[1]")), "bad_claims"),
        "claims that are no JSON": bad(bearer(forge.saying(b"{")), "bad_claims"),
    }


def _no_tokens(tokens: Tokens) -> dict[str, Request]:
    good = tokens.forge.good
    long = jws(tokens.forge.header(), json.dumps(tokens.forge.claims(more="x" * 7_000)).encode(), tokens.forge.key.sign)
    return {
        "garbage": bad(bearer("garbage"), "token_malformed"),
        "garbage of three parts": bad(bearer("a.b.c"), "token_malformed"),
        "too long": bad(bearer(long), "token_malformed"),
        "a space in it": bad(bearer(f"{good[:50]} {good[50:]}"), "token_malformed"),
        "a control character in it": bad(bearer(f"{good}\x01"), "token_malformed"),
        "beyond ASCII": bad(bearer(f"{good}é"), "token_malformed"),
    }
