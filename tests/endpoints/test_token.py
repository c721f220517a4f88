from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from tests.endpoints.world import FOREIGN, PAYMENTS, SCOPES, TOKEN, USERS, Answer, Party, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANT = {"grant_type": "client_credentials"}


async def ask(world: World, party: Party, **form: str) -> Answer:
    """A token request of a party."""
    return await world.call(TOKEN, GRANT | form, headers=party.basic)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "read:users write:users"),
        ("", "read:users write:users"),
        ("read:users", "read:users"),
        ("write:users read:users", "read:users write:users"),
        ("read:users read:users", "read:users"),
    ],
)
async def test_scope_is_narrowed_to_what_is_asked(world: World, asked: str | None, granted: str) -> None:
    """A scope that is asked for is given exactly; without one the client gets all it may have; the answer tells."""
    answer = await ask(world, world.service, **({} if asked is None else {"scope": asked}))
    assert (200, granted) == (answer.status, answer.body["scope"])
    assert granted == answer.event["scope"]


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("read:nothing", "scope_not_allowed"),
        ("read:users read:nothing", "scope_not_allowed"),
        ("read:payments", "scope_not_allowed"),
        ("READ:USERS", "scope_not_allowed"),
        (" read:users", "malformed_scope"),
        ("read:users ", "malformed_scope"),
        ("read:users  write:users", "malformed_scope"),
        ('read:"users"', "malformed_scope"),
        ("read:us\\ers", "malformed_scope"),
        ("read:\u00fcsers", "malformed_scope"),
    ],
)
async def test_scope_that_is_not_allowed_is_refused(world: World, scope: str, reason: str) -> None:
    """A scope that is unknown, of another resource or malformed is invalid_scope, never silently dropped."""
    answer = await ask(world, world.service, scope=scope)
    assert (400, "invalid_scope", reason) == answer.error


async def test_client_without_scope_at_its_resource_gets_no_token(world: World) -> None:
    """A token without any scope is not issued."""
    party = await world.worker(scopes=())
    assert (await ask(world, party)).error == (400, "invalid_scope", "no_scope")


async def test_resource_scope_that_the_client_lacks_is_refused(world: World) -> None:
    """What the resource has is not enough: the client must have the scope too."""
    party = await world.worker(scopes=("read:users",))
    assert (await ask(world, party, scope="write:users")).error == (400, "invalid_scope", "scope_not_allowed")


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("https://unknown.example.com", "unknown_resource"),
        (FOREIGN, "resource_not_allowed"),
        (USERS + "#part", "malformed_resource"),
        (USERS + "#", "malformed_resource"),
        ("users.example.com", "malformed_resource"),
        ("/users", "malformed_resource"),
        ("https://[", "malformed_resource"),
        (USERS + "/", "unknown_resource"),
    ],
)
async def test_resource_that_cannot_be_had_is_refused(world: World, resource: str, reason: str) -> None:
    """A resource that is malformed, unknown or not the client's is invalid_target (RFC 8707 section 2)."""
    answer = await ask(world, world.service, resource=resource)
    assert (400, "invalid_target", reason) == answer.error
    assert answer.event["client_id"] == world.service.client_id


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"resource": PAYMENTS}, PAYMENTS),
        ({"resource": USERS, "scope": "read:users"}, USERS),
        ({"scope": "read:payments"}, PAYMENTS),
        ({"scope": "read:foreign shared"}, FOREIGN),
        ({}, "resource_not_named"),
        ({"scope": "shared"}, "resource_not_named"),
        ({"scope": "read:users read:payments"}, "resource_not_named"),
        ({"scope": "read:users read:nothing"}, "scope_not_allowed"),
        ({"resource": PAYMENTS, "scope": "read:users"}, "scope_not_allowed"),
    ],
)
async def test_audience_is_deduced_only_when_it_is_the_only_one(
    world: World, form: dict[str, str], expected: str
) -> None:
    """With several resources, the one named, else the only one that has all scopes asked for, else invalid_target."""
    every = tuple(sorted({scope for scopes in SCOPES.values() for scope in scopes}))
    party = await world.worker(resources=tuple(SCOPES), scopes=every)
    answer = await ask(world, party, **form)
    found = answer.event["audience"] if answer.status == 200 else answer.event["reason"]
    assert expected == found


async def test_client_without_resource_gets_no_token(world: World) -> None:
    """A token has an audience, or there is none."""
    party = await world.worker(resources=())
    assert (await ask(world, party)).error == (400, "invalid_target", "no_resource")


async def test_jwt_is_what_rfc_9068_says(world: World) -> None:
    """A plain JWT library verifies the token against the published keys and finds every claim of RFC 9068."""
    answer = await ask(world, world.service, scope="read:users")
    token = answer.body["access_token"]
    keys = jwt.PyJWKSet.from_dict((await world.http.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, keys[header["kid"]], audience=USERS, issuer=world.core.issuer)
    (recorded,) = answer.events
    now = int(time.time())
    assert {"typ": "at+jwt", "alg": "ES256", "kid": header["kid"]} == header
    assert now - 5 <= claims["iat"] <= now
    assert {
        "iss": world.core.issuer,
        "sub": "billing-worker",
        "aud": USERS,
        "iat": claims["iat"],
        "exp": claims["iat"] + 600,
        "jti": f"{recorded.stream}.1",
        "client_id": "billing-worker",
        "scope": "read:users",
        "grant_id": str(recorded.stream),
    } == claims
    assert answer.event["kid"] == header["kid"]
    assert {"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": "read:users"} == answer.body


async def test_no_two_tokens_are_the_same(world: World) -> None:
    """Each token has an id of its own."""
    tokens = {await world.issue(world.service) for _ in range(5)}
    assert len({jwt.decode(token, options={"verify_signature": False})["jti"] for token in tokens}) == 5


async def test_opaque_token_is_kept_as_a_digest(world: World) -> None:
    """A client of opaque tokens gets a handle; its event has the keyed digest and no kid."""
    party = await world.worker(token_format="opaque")
    answer = await ask(world, party)
    token = answer.body["access_token"]
    assert token.startswith("tly_at_")
    assert answer.event["digest"] == world.core.digester.digest(token)
    assert "kid" not in answer.event
    assert (await world.introspect(token)).body["active"] is True


@pytest.mark.parametrize("lifetime", [1, 7, 86_400])
async def test_lifetime_is_the_clients(world: World, lifetime: int) -> None:
    """A client's own token lifetime goes before the default one."""
    party = await world.worker(access_token_lifetime=lifetime)
    answer = await ask(world, party)
    issued: dict[str, Any] = answer.event
    assert (lifetime, lifetime) == (answer.body["expires_in"], issued["expires_at"] - issued["issued_at"])


async def test_event_of_an_issuance_tells_all_of_it(world: World) -> None:
    """The receipt says who, for what, how it was proven, from where and in which trace."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await world.call(TOKEN, GRANT, headers=world.service.basic | {"traceparent": trace})
    (recorded,) = answer.events
    assert ("billing-worker", "127.0.0.1", trace) == (recorded.actor, recorded.source, recorded.trace)
    assert answer.event["auth_method"] == "client_secret_basic"
    assert answer.event["user_agent"] == "protocol-test/1.0"
    assert answer.event["grant_type"] == "client_credentials"


@pytest.mark.parametrize(
    ("form", "status", "error", "reason"),
    [
        ({}, 400, "invalid_request", "missing_parameter"),
        ({"grant_type": ""}, 400, "invalid_request", "missing_parameter"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", "unsupported_grant_type"),
        ({"grant_type": "CLIENT_CREDENTIALS"}, 400, "unsupported_grant_type", "unsupported_grant_type"),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type", "unsupported_grant_type"),
    ],
)
async def test_grant_type_must_be_one_of_ours(
    world: World, form: dict[str, str], status: int, error: str, reason: str
) -> None:
    """A grant type that is missing or unknown has its own RFC 6749 error."""
    answer = await world.call(TOKEN, form, headers=world.service.basic)
    assert (status, error, reason) == answer.error


async def test_grant_that_the_client_may_not_use_is_refused(world: World) -> None:
    """A client without the grant is an unauthorized_client, whatever else it has."""
    party = await world.worker(grants=())
    assert (await ask(world, party)).error == (400, "unauthorized_client", "grant_not_allowed")


async def test_client_is_authenticated_before_its_grant_is_looked_at(world: World) -> None:
    """Who proves nothing learns nothing of what would have been allowed."""
    answer = await world.call(TOKEN, {"grant_type": "password", "client_id": world.service.client_id})
    assert answer.error == (401, "invalid_client", "wrong_auth_method")


async def test_unknown_parameters_are_ignored(world: World) -> None:
    """A parameter that nobody asked for changes nothing (RFC 6749 section 3.2)."""
    answer = await ask(world, world.service, audience="https://x", state="abc", actor_token="x")
    assert answer.status == 200
