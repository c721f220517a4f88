from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import jwt
import msgspec
import pytest
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from schema.envelope import Context
from schema.events import ClientDisabled, ClientRegistered, ClientRemoved
from schema.streams import client_stream
from service.bootstrap import open_worker
from service.oidc import backchannel
from service.oidc.hint import read_id_token_hint
from service.sessions.end import end_session
from service.settings import Settings
from service.tokens.jwt import NotOurToken, read_claims
from tests.endpoints.world import client_of_app
from tests.oidc.receiver import Receiver, open_receiver
from tests.oidc.world import OidcWorld, SignedInSession
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def no_waiting(oidc: OidcWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(oidc.core.backchannel, "_waits", (0.0, 0.0))


async def signed_in_at(world: OidcWorld, *uris: str | None, **settings: Any) -> SignedInSession:
    """A session in which clients with these back-channel addresses got a grant each."""
    session = await world.session(await world.person())
    for uri in uris:
        await world.grant(await world.client(backchannel_logout_uri=uri, **settings), session)
    return session


async def sign_out(world: OidcWorld, session: SignedInSession) -> list[dict[str, Any]]:
    """End a session; returns the outcomes that were journalled for it."""
    before = await world.core.journal.head()
    await end_session(world.core, Context(actor="somebody", source="192.0.2.7"), session.id, "logout")
    await world.core.backchannel.settled()
    return await notices(world, session.id, before)


async def notices(world: OidcWorld, session: UUID, after: int) -> list[dict[str, Any]]:
    """The outcomes in a session's stream."""
    events = await world.events_after(after)
    return [json.loads(each.data) for each in events if each.type == "logout.notified" and each.stream == session]


async def test_client_hears_that_a_session_ended(oidc: OidcWorld, receiver: Receiver) -> None:
    """A POST with a logout token that a library finds good, and its outcome is journalled with who caused it."""
    session = await signed_in_at(oidc, receiver.uri)
    (notice,) = await sign_out(oidc, session)
    (sent,) = receiver.received
    assert {"logout_token"} == sent.form.keys()
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    keys = KeySet.import_key_set((await oidc.http.get("/.well-known/jwks.json")).json())
    token = jose.decode(sent.form["logout_token"], keys)
    assert token.header["typ"] == "logout+jwt"
    claims = dict(token.claims)
    assert claims.pop("exp") - claims.pop("iat") == 120
    assert len(claims.pop("jti")) == 36
    assert {
        "iss": oidc.core.issuer,
        "aud": notice["client_id"],
        "sub": session.person.subject,
        "sid": str(session.id),
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    } == claims
    assert {"subject": session.person.subject, "delivered": True, "detail": "status 200"} == {
        name: value for name, value in notice.items() if name != "client_id"
    }
    recorded = (await oidc.core.journal.read_stream(session.id))[-1]
    assert ("somebody", "192.0.2.7", notice["client_id"]) == (recorded.actor, recorded.source, recorded.client)


async def test_logout_token_is_no_other_token(oidc: OidcWorld, receiver: Receiver) -> None:
    """It is neither an access token nor an ID token, and has no nonce (section 2.4)."""
    await sign_out(oidc, await signed_in_at(oidc, receiver.uri))
    (token,) = receiver.tokens
    with pytest.raises(NotOurToken):
        read_claims(token, oidc.core.ring.verifiers())
    assert read_id_token_hint(oidc.core, token) is None
    assert "nonce" not in jwt.decode(token, options={"verify_signature": False})


async def test_every_client_of_the_session_hears_once(oidc: OidcWorld, receiver: Receiver) -> None:
    """Two grants are one notice; clients without an address, disabled ones and those of other sessions hear nothing."""
    session = await signed_in_at(oidc, receiver.uri, receiver.uri, None)
    twice = await oidc.client(backchannel_logout_uri=receiver.uri)
    disabled = await oidc.client(backchannel_logout_uri=receiver.uri)
    for client in (twice, twice, disabled):
        await oidc.grant(client, session)
    await oidc.append(client_stream(disabled.client_id), 1, ClientDisabled(client_id=disabled.client_id))
    await signed_in_at(oidc, receiver.uri)
    outcomes = await sign_out(oidc, session)
    told = {jwt.decode(token, options={"verify_signature": False})["aud"] for token in receiver.tokens}
    assert len(receiver.tokens) == len(told) == len(outcomes) == 3
    assert told == {outcome["client_id"] for outcome in outcomes}
    assert disabled.client_id not in told


async def test_new_owner_of_an_id_hears_nothing(oidc: OidcWorld, receiver: Receiver) -> None:
    """A client that got the id of a removed one is not told who was signed in at that one."""
    client = await oidc.client(backchannel_logout_uri="https://old.example.com/")
    session = await oidc.session(await oidc.person())
    await oidc.grant(client, session)
    assert isinstance(client.settings, ClientRegistered)
    again = msgspec.structs.replace(client.settings, backchannel_logout_uri=receiver.uri)
    await oidc.append(client_stream(client.client_id), 1, ClientRemoved(client_id=client.client_id), again)
    assert await sign_out(oidc, session) == []


async def test_pairwise_client_hears_of_the_subject_it_knows(oidc: OidcWorld, receiver: Receiver) -> None:
    """The logout token's `sub` and `sid` are those of its ID tokens; the event has the account's."""
    session = await oidc.session(await oidc.person())
    client = await oidc.client(backchannel_logout_uri=receiver.uri, subject_type="pairwise")
    given = await oidc.grant(client, session)
    known = jwt.decode(await oidc.id_token(given), options={"verify_signature": False})
    (notice,) = await sign_out(oidc, session)
    told = jwt.decode(receiver.tokens[0], options={"verify_signature": False})
    assert known["sub"] == told["sub"] != session.person.subject
    assert known["sid"] == told["sid"] != str(session.id)
    assert session.person.subject == notice["subject"]


@pytest.mark.parametrize(
    ("statuses", "tries", "delivered"),
    [
        ([200], 1, True),
        ([204], 1, True),
        ([500, 503, 200], 3, True),
        ([500], 3, False),
        ([429, 200], 2, True),
        ([400], 1, False),
        ([404], 1, False),
    ],
)
async def test_failures_that_may_pass_are_tried_again(
    oidc: OidcWorld, receiver: Receiver, statuses: list[int], tries: int, delivered: bool
) -> None:
    """Three times at most; a client that refuses is not asked again. Each try has a token of its own."""
    receiver.statuses = statuses.copy()
    (notice,) = await sign_out(oidc, await signed_in_at(oidc, receiver.uri))
    assert tries == len(receiver.tokens) == len(set(receiver.tokens))
    assert (delivered, f"status {statuses[-1]}") == (notice["delivered"], notice["detail"])


async def test_redirects_are_not_followed(oidc: OidcWorld, receiver: Receiver) -> None:
    """A logout token goes to the registered address and nowhere else."""
    receiver.statuses, receiver.headers = [307], {"location": receiver.uri.replace("backchannel", "elsewhere")}
    (notice,) = await sign_out(oidc, await signed_in_at(oidc, receiver.uri))
    assert [each.path for each in receiver.received] == ["/backchannel"]
    assert (notice["delivered"], notice["detail"]) == (False, "status 307")


async def test_what_the_client_answers_is_not_kept(oidc: OidcWorld, receiver: Receiver) -> None:
    """Neither its body, however long, nor its cookies; nothing of them is in the event."""
    receiver.body = b"secret-of-the-client" * 1_000_000
    receiver.headers = {"set-cookie": "a=secret-of-the-client", "x-more": "secret-of-the-client"}
    first = await sign_out(oidc, await signed_in_at(oidc, receiver.uri))
    outcomes = first + await sign_out(oidc, await signed_in_at(oidc, receiver.uri))
    assert [outcome["delivered"] for outcome in outcomes] == [True, True]
    assert all("Cookie" not in each.headers for each in receiver.received)
    assert "secret-of-the-client" not in json.dumps(outcomes)


async def test_client_that_cannot_be_reached_is_told_of(oidc: OidcWorld) -> None:
    """Nobody listens there: three tries, then the journal says so."""
    port = free_port()
    (notice,) = await sign_out(oidc, await signed_in_at(oidc, f"http://127.0.0.1:{port}/"))
    assert (notice["delivered"], notice["detail"]) == (False, "ClientConnectorError")


async def test_silent_client_is_given_up(oidc: OidcWorld, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for an answer is bounded; the sign-out never waits for it."""
    monkeypatch.setattr(backchannel, "_TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    monkeypatch.setattr(oidc.core.backchannel, "_http", None)
    receiver.silent = True
    session = await signed_in_at(oidc, receiver.uri)
    (notice,) = await sign_out(oidc, session)
    assert (notice["delivered"], len(receiver.tokens)) == (False, 3)
    assert "Timeout" in notice["detail"]
    http = oidc.core.backchannel._http
    assert http is not None
    await http.close()
    monkeypatch.setattr(oidc.core.backchannel, "_http", None)


async def test_sign_out_does_not_wait_for_clients(oidc: OidcWorld, receiver: Receiver) -> None:
    """The session is over while the notice is still under way."""
    receiver.silent = True
    session = await signed_in_at(oidc, receiver.uri)
    await asyncio.wait_for(end_session(oidc.core, Context(), session.id, "logout"), 15)
    await asyncio.wait_for(receiver.heard.wait(), 15)
    assert (await oidc.core.sessions.reload(session.id)).ended
    for task in list(oidc.core.backchannel._tasks):
        task.cancel()
    await oidc.core.backchannel.settled()


async def test_many_notices_of_one_session_are_all_journalled(oidc: OidcWorld, receiver: Receiver) -> None:
    """They share a stream and do not push each other out."""
    session = await signed_in_at(oidc, *[receiver.uri] * 12)
    outcomes = await sign_out(oidc, session)
    assert [outcome["delivered"] for outcome in outcomes] == [True] * 12


async def test_outcome_is_journalled_beside_other_events_of_the_session(
    oidc: OidcWorld, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version conflict, as with another worker that writes there, is tried again."""
    session = await signed_in_at(oidc, receiver.uri, receiver.uri)

    # As if each were written by a worker of its own.
    monkeypatch.setattr(oidc.core.sessions, "turn", lambda _: asyncio.Lock())
    outcomes = await sign_out(oidc, session)
    assert len(outcomes) == 2


async def test_session_that_is_slow_to_write_holds_no_other_up(oidc: OidcWorld, receiver: Receiver) -> None:
    """Outcomes are written one after the other within their session alone."""
    slow, quick = await signed_in_at(oidc, receiver.uri), await signed_in_at(oidc, receiver.uri)
    async with oidc.core.sessions.turn(slow.id):
        await end_session(oidc.core, Context(), slow.id, "logout")
        before = await oidc.core.journal.head()
        await end_session(oidc.core, Context(), quick.id, "logout")
        async with asyncio.timeout(15):
            while not await notices(oidc, quick.id, before):
                await asyncio.sleep(0.01)
    await oidc.core.backchannel.settled()


@pytest.mark.parametrize("bound", ["_UNDER_WAY", "_UNDER_WAY_PER_CLIENT"])
async def test_notices_too_many_are_journalled_at_once(
    oidc: OidcWorld, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """While a client hangs, so many wait; the next is not sent, which the journal says. Room comes back."""
    monkeypatch.setattr(backchannel, bound, 2)
    client = await oidc.client(backchannel_logout_uri=receiver.uri)
    sessions = [await oidc.session(await oidc.person()) for _ in range(4)]
    for session in sessions:
        await oidc.grant(client, session)
    receiver.silent = True
    for session in sessions[:3]:
        await end_session(oidc.core, Context(), session.id, "logout")
    async with asyncio.timeout(15):
        while not (left_out := await notices(oidc, sessions[2].id, 0)):
            await asyncio.sleep(0.01)
    assert [(each["delivered"], each["detail"]) for each in left_out] == [(False, "too many notices wait")]
    receiver.silent = False
    receiver.closing.set()
    await oidc.core.backchannel.settled()
    (told,) = await sign_out(oidc, sessions[3])
    assert told["delivered"] is True
    assert oidc.core.backchannel._under_way.total() == 0


async def test_client_that_hangs_leaves_room_for_others(
    oidc: OidcWorld, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own notices wait for it, within its own bound; another client hears at once."""
    monkeypatch.setattr(backchannel, "_UNDER_WAY_PER_CLIENT", 8)
    monkeypatch.setattr(backchannel, "_UNDER_WAY", 10)
    async with open_receiver() as hanging:
        hanging.silent = True
        client = await oidc.client(backchannel_logout_uri=hanging.uri)
        for _ in range(20):
            session = await oidc.session(await oidc.person())
            await oidc.grant(client, session)
            await end_session(oidc.core, Context(), session.id, "logout")
        quick = await signed_in_at(oidc, receiver.uri)
        before = await oidc.core.journal.head()
        await end_session(oidc.core, Context(), quick.id, "logout")
        async with asyncio.timeout(15):
            while not (told := await notices(oidc, quick.id, before)):
                await asyncio.sleep(0.01)
        assert [each["delivered"] for each in told] == [True]
        hanging.closing.set()
        await oidc.core.backchannel.settled()


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[OidcWorld]:
    """A worker of the test's own, which stops at the end."""
    async with open_worker(settings) as core, client_of_app(core) as http:
        yield OidcWorld(core, http)


async def test_worker_that_stops_gives_notices_up_in_order(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those under way get a moment; what was not delivered by then is journalled as that."""
    monkeypatch.setattr(backchannel, "_STOP_SECONDS", 0.2)
    receiver.silent = True
    async with worker(settings) as world:
        session = await signed_in_at(world, receiver.uri)
        await end_session(world.core, Context(), session.id, "logout")
        await receiver.heard.wait()
    async with worker(settings) as world:
        (notice,) = await notices(world, session.id, 0)
    assert (notice["delivered"], notice["detail"]) == (False, "the server stopped")


async def test_worker_that_stops_lets_quick_clients_hear(settings: Settings, receiver: Receiver) -> None:
    """A notice begun a moment before is still delivered."""
    async with worker(settings) as world:
        session = await signed_in_at(world, receiver.uri)
        await end_session(world.core, Context(), session.id, "logout")
    assert len(receiver.tokens) == 1
    async with worker(settings) as world:
        (notice,) = await notices(world, session.id, 0)
    assert notice["delivered"] is True
