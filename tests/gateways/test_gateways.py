"""Each gateway of `deploy/gateways/` in front of an API: who passes, who does not, and what strangers cannot say.

`make gateways` runs these.
"""

from __future__ import annotations

import base64
import itertools
import json
import time

import pytest

from tests.gateways.client import ADDRESS, bearer
from tests.gateways.conftest import Behind

pytestmark = pytest.mark.gateways

NAMES = ("X-Auth-Subject", "X-Auth-Client", "X-Auth-Scope", "X-Auth-Roles", "X-Auth-Token-Id", "X-Auth-Acr")
BARE = 'Bearer realm="tallystick"'
INVALID, INSUFFICIENT = 'error="invalid_token"', 'error="insufficient_scope"'


@pytest.mark.parametrize("client", ["worker", "opaque"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_good_token_passes_and_the_api_learns_whose_it_is(behind: Behind, client: str, method: str) -> None:
    """By any method, with the body and the query as they were."""
    body = b"x" * 70_000 if method == "POST" else None
    target = "/users/7?page=2&name=a%20b%2Fc%5C..%5Cd&at=//x/../y"
    asked = behind.served(target, bearer(behind.token(client=client)), method=method, body=body)
    assert (asked.method, asked.target) == (method, target)
    assert asked.all("x-auth-subject") == asked.all("x-auth-client") == [client]
    assert asked.all("x-auth-scope") == ["read:users"]
    (token_id,) = asked.all("x-auth-token-id")
    assert token_id.endswith(".1")
    assert "".join(asked.all("x-auth-roles") + asked.all("x-auth-acr")) == ""
    assert asked.all("x-forwarded-for") == [ADDRESS]
    assert asked.all("x-forwarded-proto") == ["https"]


def test_each_path_needs_its_own_scope(behind: Behind) -> None:
    """And one that is open needs none; the API is then told of nobody. What is not named is not there."""
    writer = bearer(behind.token("write:users"))
    assert behind.served("/admin/x", writer).all("x-auth-scope") == ["write:users"]
    answer, rejected = behind.refused("/users/7", [writer])
    assert (answer.status, rejected.data["detail"]) == (403, "read:users")
    assert not any(name.lower().startswith("x-auth") for name, _ in behind.served("/health").headers)
    before = len(behind.api.asked)
    assert behind.ask("/elsewhere", writer).status == 404
    assert behind.api.asked[before:] == []


def test_what_is_not_enough_is_refused_with_its_challenge_and_its_event(behind: Behind) -> None:
    """None, no bearer, rubbish, tampered, unsigned, of another audience, too little."""
    good = behind.token()
    head, _, rest = good.partition(".")
    payload, _, signature = rest.partition(".")
    tampered = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    unsigned = f"{_encoded({'alg': 'none', 'typ': 'at+jwt'})}.{payload}."
    other = behind.token("read:payments", resource="https://api.example.com/payments")
    for sent, status, error, reason in (
        ([], 401, BARE, "no_token"),
        ([("Authorization", "Basic d29ya2VyOng=")], 401, BARE, "no_token"),
        ([bearer("x.y.z")], 401, INVALID, "token_not_active"),
        ([bearer(tampered)], 401, INVALID, "token_not_active"),
        ([bearer(unsigned)], 401, INVALID, "token_not_active"),
        ([bearer(other)], 401, INVALID, "token_of_other_audience"),
    ):
        answer, rejected = behind.refused("/users/7", sent)
        assert (answer.status, rejected.data["reason"]) == (status, reason)
        assert error in answer.challenge
        assert (rejected.source, rejected.data["endpoint"], rejected.data["status"]) == (ADDRESS, "verify", status)
    answer, rejected = behind.refused("/admin/x", [bearer(good)])
    assert (answer.status, rejected.data["reason"]) == (403, "scope_missing")
    assert INSUFFICIENT in answer.challenge
    assert answer.challenge.endswith('scope="write:users"')


def test_expired_token_is_refused(behind: Behind) -> None:
    """Once its second is over."""
    token = behind.token(client="brief")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    while time.time() <= claims["exp"]:
        time.sleep(0.05)
    answer, rejected = behind.refused("/users/7", [bearer(token)])
    assert (answer.status, rejected.data["detail"]) == (401, "token_expired")
    assert INVALID in answer.challenge


@pytest.mark.parametrize("client", ["worker", "opaque"])
def test_revoked_token_is_refused_at_once(behind: Behind, client: str) -> None:
    """The first request after the revocation was answered does not pass."""
    token = behind.token(client=client)
    behind.served("/users/7", bearer(token))
    behind.revoke(token, client)
    answer, rejected = behind.refused("/users/7", [bearer(token)])
    assert (answer.status, rejected.data["detail"]) == (401, "token_revoked")
    assert INVALID in answer.challenge


def test_two_authorizations_are_refused(behind: Behind) -> None:
    """nginx refuses these by itself, and tells nobody."""
    twice = [bearer(behind.token()), bearer(behind.token())]
    if behind.gateway == "nginx":
        before = len(behind.api.asked)
        assert behind.ask("/users/7", *twice).status == 400
        assert behind.api.asked[before:] == []
        return
    answer, rejected = behind.refused("/users/7", twice)
    assert (answer.status, rejected.data["reason"]) == (401, "token_not_active")
    assert INVALID in answer.challenge


@pytest.mark.parametrize("query", ["access_token={}", "a=1&access%5Ftoken={}"])
def test_token_in_the_query_is_refused(behind: Behind, query: str) -> None:
    """Even beside a good header: it is in logs by now."""
    token = behind.token()
    for sent in ([], [bearer(token)]):
        answer, rejected = behind.refused(f"/users/7?{query.format(token)}", sent)
        assert (answer.status, rejected.data["reason"]) == (401, "token_in_query")
        assert 'error="invalid_request"' in answer.challenge


@pytest.mark.parametrize("separators", [*itertools.product("-_", repeat=2), *zip(".~!", ".~!", strict=True)])
def test_identity_from_outside_never_reaches_the_api(behind: Behind, separators: tuple[str, str]) -> None:
    """Not beside a good token, not where nobody is asked, and not in another spelling that means the same to many."""
    first, second = separators
    spoofed = []
    for name in NAMES:
        start, middle, end = name.split("-", 2)
        spelt = f"{start}{first}{middle}{second}{end.replace('-', second)}"
        spoofed += [(spelt, "spoofed"), (spelt.lower(), "spoofed"), (spelt.upper(), "spoofed")]
    token = bearer(behind.token())
    for asked in (behind.served("/users/7", token, *spoofed), behind.served("/health", *spoofed)):
        assert not [line for line in asked.headers if "spoofed" in line[1]]
    assert behind.served("/users/7", *spoofed, token).all("x-auth-subject") == ["worker"]


def test_where_a_request_came_from_cannot_be_said_from_outside(behind: Behind) -> None:
    """The event has the address of the connection, HTTPS stays HTTPS, and the API is told of nothing else."""
    said = [
        ("X-Forwarded-For", "6.6.6.6, 127.0.0.1"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "evil.example.com"),
        ("X-Forwarded-Uri", "/health"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Original-URI", "/health"),
        ("X-Real-IP", "6.6.6.6"),
        ("Forwarded", "for=6.6.6.6;proto=http"),
    ]
    asked = behind.served("/users/7", bearer(behind.token()), *said)
    assert asked.all("x-forwarded-for") == [ADDRESS]
    assert asked.all("x-forwarded-proto") == ["https"]
    assert asked.all("forwarded") == []
    assert "evil.example.com" not in "".join(asked.all("x-forwarded-host"))
    answer, rejected = behind.refused("/users/7", said)
    assert (answer.status, rejected.data["reason"], rejected.source) == (401, "no_token", ADDRESS)


def test_what_a_path_needs_cannot_be_said_from_outside(behind: Behind) -> None:
    """Neither by header nor by query: a token for reading never reaches what needs another."""
    said = [
        ("X-Verify-Scope", "read:users"),
        ("X-Envoy-Original-Path", "/verify/audience=https:%2F%2Fapi.example.com%2Fusers/x"),
        ("X-Original-URI", "/verify?audience=https://api.example.com/users"),
    ]
    for target in ("/admin/x?scope=read:users", "/admin/x?audience=https://api.example.com/users&scope=read:users"):
        answer, rejected = behind.refused(target, [bearer(behind.token()), *said])
        assert (answer.status, rejected.data["reason"]) == (403, "scope_missing")


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
