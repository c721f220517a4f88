from __future__ import annotations

import json

import pytest

from schema.events import AccessRejected
from tests.endpoints.reasons import coded_reasons, documented_reasons
from tests.endpoints.world import AGENT, INTROSPECT, REVOKE, TOKEN, World, basic

GRANT = {"grant_type": "client_credentials"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def test_reasons_are_documented() -> None:
    """docs/rejections.md has exactly the reasons of the code, with the public errors of each."""
    documented = {reason: row.errors for reason, row in documented_reasons().items()}
    assert coded_reasons() == documented


def test_reasons_are_found_where_they_hide() -> None:
    """The collector sees through conditions, variables and helper functions."""
    assert {"unknown_resource", "token_expired", "token_malformed", "bad_secret"} <= coded_reasons().keys()


@pytest.mark.asyncio(loop_scope="session")
async def test_rejection_tells_the_audit_all_that_is_known(world: World) -> None:
    """Endpoint, error, reason, client, source, agent, trace and, for a token, its id; the row says the same."""
    token = await world.issue(world.service)
    jti = (await world.introspect(token)).body["jti"]
    headers = world.other.basic | {"traceparent": TRACE}
    answer = await world.call(REVOKE, {"token": token}, headers=headers)
    (recorded,) = answer.events
    assert {
        "endpoint": "revoke",
        "error": "invalid_grant",
        "reason": "token_of_other_client",
        "status": 400,
        "client_id": "other-worker",
        "token_id": jti,
        "user_agent": AGENT,
    } == json.loads(recorded.data)
    assert (recorded.client, recorded.actor) == ("other-worker", "other-worker")
    assert (recorded.source, recorded.trace) == ("127.0.0.1", TRACE)
    assert (recorded.version, recorded.type) == (1, "access.rejected")


@pytest.mark.asyncio(loop_scope="session")
async def test_unknown_token_is_told_by_its_digest(world: World) -> None:
    """Two attempts with one unknown token can be seen to be with the same one, and nobody reads it."""
    digests = {(await world.introspect("eyJhbGciOiJub25lIn0.e30.")).event["token_digest"] for _ in range(2)}
    assert {world.core.digester.digest("eyJhbGciOiJub25lIn0.e30.")} == digests


@pytest.mark.asyncio(loop_scope="session")
async def test_unknown_client_is_under_no_ones_name(world: World) -> None:
    """A claim of a client that is not ours is not a client: the row stands under `_`."""
    answer = await world.call(TOKEN, GRANT, headers=basic("intruder", "x" * 20))
    (recorded,) = answer.events
    assert (recorded.client, recorded.actor, answer.event["claimed_client"]) == ("_", "_", "intruder")
    assert "client_id" not in answer.event


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    "trace",
    [
        "",
        "x",
        TRACE.upper(),
        TRACE + "-00",
        "01" + TRACE[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-00",
    ],
)
async def test_trace_that_is_none_is_not_kept(world: World, trace: str) -> None:
    """Only a valid traceparent goes into an event (W3C Trace Context section 3.2)."""
    answer = await world.call(INTROSPECT, {"token": "x"}, headers=world.api.basic | {"traceparent": trace})
    (recorded,) = answer.events
    assert recorded.trace is None


def test_event_has_a_place_for_all_of_it() -> None:
    """The event's fields are those that the issue asks for."""
    assert {
        "endpoint",
        "error",
        "reason",
        "status",
        "client_id",
        "claimed_client",
        "token_id",
        "token_digest",
        "user_agent",
        "detail",
        "api",
        "method",
        "route",
        "required_scope",
        "present_scope",
        "rejected_at",
    } == set(AccessRejected.__struct_fields__)
