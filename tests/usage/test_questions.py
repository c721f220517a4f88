"""The questions of docs/usage.md, asked by an analyst of a history with known answers."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from schema import events
from schema.streams import client_stream, derived_stream, resource_stream
from tests.servers import Database
from tests.usage.folding import begin, cut, fold, folder
from tests.usage.histories import Telling, token
from tests.usage.test_docs import DOCUMENT

PAYMENTS, USERS = "https://payments.example.com", "https://users.example.com"
TODAY = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "Which clients hold scopes": [
        ("idle", "read", True),
        ("web", "admin", True),
        ("worker", "write", False),
    ],
    "Which API refuses most": [
        ("payments-api", "inactive_token", "token_expired", 5),
        (USERS, "insufficient_scope", "scope_missing", 3),
        ("payments-api", "inactive_token", "token_revoked", 2),
    ],
    "How many people used": [(PAYMENTS, 2), (USERS, 1)],
    "For how long are tokens used": [(PAYMENTS, 3_600, 90)],
    "Which clients' refresh chains": [("web", 2, 3, 1)],
    "At which hours": [("worker", 9, 3), ("web", 15, 2), ("web", 14, 1)],
}


def questions() -> dict[str, str]:
    """The statements of the document, by the headings that they stand under."""
    asked = DOCUMENT.read_text().partition("\n## Questions\n")[2].partition("\n## ")[0]
    sections = [section.partition("\n") for section in asked.split("\n### ")[1:]]
    return {heading: "\n".join(re.findall(r"^ {4}(.+)$", body, re.MULTILINE)) for heading, _, body in sections}


def _at(days_ago: int, hour: float = 0) -> float:
    return TODAY.timestamp() - days_ago * 86_400 + hour * 3_600


def _told() -> Telling:
    """Two people, three clients, two APIs, and half a year."""
    telling = Telling(_at(200))
    for uri in (PAYMENTS, USERS):
        telling.tell(resource_stream(uri), events.ResourceRegistered(uri=uri, scopes={"read": "", "write": ""}))
    for client, scopes in (("web", ("read", "admin")), ("worker", ("read", "write")), ("idle", ("read",))):
        telling.tell(
            client_stream(client), events.ClientRegistered(client_id=client, auth_method="none", scopes=scopes)
        )
    _machine(telling, _at(150, 9), "worker", "read write")
    _machine(telling, _at(20, 9), "worker", "read")
    _machine(telling, _at(19, 9), "worker", "read")
    _machine(telling, _at(18, 9), "worker", "read")
    _person(telling, "zoe", PAYMENTS, _at(3, 14), refreshes=3, reused=True)
    _person(telling, "zoe", USERS, _at(2, 15), refreshes=0)
    _person(telling, "yan", PAYMENTS, _at(1, 15), refreshes=0, chain=True)
    counts = events.IntrospectionCount(
        resource=PAYMENTS, scope="read", grant_type="x", introspector="payments-api", count=10, ages=(6, 3, 0, 0, 1)
    )
    telling.now = _at(1, 16)
    telling.alone(events.UsageRecorded(client_id="web", minute=int(telling.now), introspections=(counts,)))
    telling.now = dt.datetime.now(dt.UTC).timestamp()
    _refuse(telling)
    return telling


def _refuse(telling: Telling) -> None:
    """By introspection, by an API itself, by both of one request; and secrets guessed in an API's name."""
    refusals = (
        ("introspect", "payments-api", None, "inactive_token", "token_expired", 5),
        ("introspect", "payments-api", None, "inactive_token", "token_revoked", 2),
        ("introspect", "users-api", None, "inactive_token", "token_unknown", 1),
        ("introspect", "payments-api", None, "invalid_client", "bad_secret", 12),
        ("api", "web", USERS, "insufficient_scope", "scope_missing", 3),
        ("api", None, PAYMENTS, "invalid_token", "token_not_active", 7),
    )
    for endpoint, client, api, error, reason, times in refusals:
        refused: dict[str, Any] = {"endpoint": endpoint, "error": error, "reason": reason, "status": 400}
        for _ in range(times):
            telling.alone(events.AccessRejected(**refused, client_id=client, api=api))


def _machine(telling: Telling, at: float, client: str, scope: str) -> None:
    telling.now = at
    common = token(at, client, client, USERS, scope)
    telling.alone(events.TokenIssued(**common, grant_type="client_credentials"))


def _person(
    telling: Telling,
    person: str,
    api: str,
    at: float,
    *,
    refreshes: int,
    reused: bool = False,
    chain: bool = False,
) -> None:
    """A grant of an hour's tokens, with a refresh token where that is used or asked for."""
    telling.now = at
    stream = derived_stream(int(at * 1_000), person)
    common = token(at, "web", person, api, "read") | {"expires_at": int(at) + 3_600}
    refresh: dict[str, Any] = (
        {"refresh_digest": "r", "refresh_expires_at": int(at) + 10**8} if refreshes or chain else {}
    )
    telling.tell(stream, events.TokenIssued(**common, grant_type="authorization_code", **refresh))
    for generation in range(1, refreshes + 1):
        telling.now = at + 3_600 * (generation + 2)
        common |= {"number": generation + 1, "issued_at": int(telling.now), "expires_at": int(telling.now) + 3_600}
        telling.tell(stream, events.TokenRefreshed(**common, generation=generation, refresh_digest="r"))
    if reused:
        telling.tell(stream, events.TokenReuseDetected(client_id="web", kind="refresh_token"))
        telling.tell(stream, events.GrantRevoked(client_id="web", reason="refresh_token_reused"))


@pytest.fixture
async def analyst(database: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A session of an analyst; the history is folded."""
    owner: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    try:
        history = _told().facts
        await begin(owner, history)
        async with folder(database) as connection:
            await fold(connection, cut(history, (7, 3, 1)))
        await owner.execute("SET ROLE tallystick_analyst")
        yield owner
    finally:
        await owner.close()


async def test_every_question_of_the_document_has_its_answer(analyst: asyncpg.Connection[Any]) -> None:
    """Each statement of docs/usage.md gives, to the analysts' role, what is known of the history; times aside."""
    answers = {}
    for heading, statement in questions().items():
        rows = await analyst.fetch(statement)
        known = next((each for each in ANSWERS if heading.startswith(each)), heading)
        answers[known] = [tuple(value for value in row if not isinstance(value, dt.datetime)) for row in rows]

    assert answers == ANSWERS
