"""The same requests, good ones and attacks, get the same right answers of every API, whoever's verifier protects it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.gateways.client import ADDRESS
from tests.interop.deviations import DEVIATIONS
from tests.interop.issuing import OTHER_API, Issuing, issuing
from tests.interop.sending import received
from tests.interop.serving import APIS, serving
from tests.interop.thirty import BAD_TOKEN, OK, Answer, Request, Tokens, bearer, the_requests
from tests.interop.tokens import Forge, claims_of, opened_keys, own_key, persons_tokens

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

REPORTING = ("nginx", "guard", "express-oauth2-jwt-bearer")
DOCUMENT = Path(__file__).parents[2] / "docs" / "verifiers.md"
LEARNING = ("nginx", "guard", "openid-client")
SECONDS = 30.0


class Attacker(NamedTuple):
    """A server whose keys an attacker would have an API fetch, and what it was asked for."""

    url: str
    asked: list[str]


@pytest.fixture(scope="module")
def server() -> Iterator[Issuing]:
    """A running Tallystick."""
    with issuing() as up:
        yield up


@pytest.fixture(scope="module")
def attacker() -> Iterator[Attacker]:
    """Listens, and serves nothing."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 the name is http.server's
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listening.serve_forever)
    thread.start()
    yield Attacker(f"http://127.0.0.1:{listening.server_port}", asked)
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def requests(server: Issuing, attacker: Attacker) -> dict[str, Request]:
    """The requests, made once: each API gets the same bytes. What is to be retired, revoked or disabled is so."""
    first = server.signing()
    retired = opened_keys(server)[first]
    server.product.cli("keys", "rotate", "--now")
    server.product.cli("keys", "retire", first)
    given = {
        "expired": server.token("hasty"),
        "gone": server.token("gone"),
        "revoked": server.token("worker"),
        "opaque": server.token("opaque"),
        "no scope": server.token("worker", "write:users"),
        "other api": server.token("worker", "read:payments", OTHER_API),
    }
    server.revoke("worker", given["revoked"])
    server.product.cli("client", "disable", "gone")
    forge = Forge(server.token("worker"), opened_keys(server)[server.signing()])
    _wait_until_expired(given["expired"])
    given["expired"] = forge.aged(given["expired"])
    return the_requests(Tokens(forge, await persons_tokens(server), retired, own_key(), attacker.url, given))


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a line to who runs the tests."""

    def show(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return show


@pytest.mark.parametrize("name", APIS)
def test_every_request_gets_the_right_answer(
    name: str, server: Issuing, requests: Mapping[str, Request], attacker: Attacker, told: Callable[[str], None]
) -> None:
    """But for the deviations that are written down, each with its reason. No request makes an API ask an attacker for a
    key; and where refusals are reported, each is one event, with its reason.
    """
    attacker.asked.clear()
    head = server.head()
    right = right_answers(name, requests)
    with serving(name, server) as api:
        got = {each: received(api, agent(name, each), request.sent) for each, request in requests.items()}
        answers = {each: answer for each, (answer, _) in got.items()}
        assert {each: (right[each], answer) for each, answer in answers.items() if answer != right[each]} == {}
        assert attacker.asked == []
        if name not in REPORTING:
            return
        # What has no challenge was refused by the HTTP server, which reports nothing.
        refused = {each for each, answer in answers.items() if answer.error is not None}
        recorded = events(server, head, name, refused)
    check_events(name, requests, answers, recorded)
    delay = max(moment(event["time"]) - got[each].at for each, event in recorded.items())
    told(f"{name}: {len(requests)} requests, {len(refused)} refusals, each an event within {max(0.0, delay):.2f} s")


@pytest.mark.parametrize("name", LEARNING)
def test_a_token_that_was_good_is_refused_once_it_is_revoked(name: str, server: Issuing) -> None:
    """By what asks Tallystick at the next request; by the guard as soon as it hears of it."""
    token = server.token("worker")
    with serving(name, server) as api:
        assert received(api, agent(name, "before"), bearer(token)).answer == OK
        server.revoke("worker", token)
        until = time.monotonic() + SECONDS
        answer = received(api, agent(name, "after"), bearer(token)).answer
        while answer == OK and name == "guard" and time.monotonic() < until:
            answer = received(api, agent(name, "after"), bearer(token)).answer
        assert answer == BAD_TOKEN


def test_deviations_are_of_requests_that_there_are(requests: Mapping[str, Request]) -> None:
    """Each is of a known API and request, says why, and answers otherwise than the rule: none outlives its cause."""
    for name, deviations in DEVIATIONS.items():
        assert name in APIS
        for each, deviation in deviations.items():
            assert deviation.answer != requests[each].right, (name, each)
            assert len(deviation.why) > 20, (name, each)


def test_the_document_counts_them(requests: Mapping[str, Request]) -> None:
    """As many as docs/verifiers.md says."""
    assert f"the same\n{len(requests)} requests" in DOCUMENT.read_text()


def right_answers(name: str, requests: Mapping[str, Request]) -> dict[str, Answer]:
    """What an API must answer."""
    others = {each: deviation.answer for each, deviation in DEVIATIONS.get(name, {}).items()}
    return {each: others.get(each, request.right) for each, request in requests.items()}


def agent(name: str, each: str) -> str:
    """What a request calls itself."""
    return f"thirty/{name}/{each}"


def events(server: Issuing, head: int, name: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The event of each refusal, once all are there."""
    by_agent = {agent(name, each): each for each in wanted}
    until = time.monotonic() + SECONDS
    while True:
        found = [event for event in server.refusals(head) if event["data"].get("user_agent") in by_agent]
        if len(found) >= len(wanted) or time.monotonic() > until:
            break
        time.sleep(0.1)
    of_each = {by_agent[event["data"]["user_agent"]]: event for event in found}
    assert (wanted - of_each.keys(), len(found)) == (set(), len(wanted))
    return of_each


def check_events(
    name: str, requests: Mapping[str, Request], answers: Mapping[str, Answer], recorded: Mapping[str, dict[str, Any]]
) -> None:
    """Each has the status that was answered, and says why."""
    statuses = {each: event["data"]["status"] for each, event in recorded.items()}
    assert {each: answers[each].status for each in recorded} == statuses
    assert {event["data"]["endpoint"] for event in recorded.values()} == {"verify" if name == "nginx" else "api"}
    assert {event["source"] for event in recorded.values()} == {ADDRESS}
    for each, event in recorded.items():
        reason = f"{event['data']['reason']} {event['data'].get('detail') or ''}".strip()
        assert reason_of(name, requests[each], answers[each]) == reason, each


def reason_of(name: str, request: Request, answer: Answer) -> str:
    """What is recorded of a refusal by an API."""
    if name == "nginx":
        return request.reasons.verify
    if name == "guard":
        return request.reasons.guard
    # express-oauth2-jwt-bearer tells no more than its error.
    told = {"": "no_token", "invalid_token": "token_not_active", "insufficient_scope read:users": "scope_missing"}
    return told.get(answer.error or "", request.reasons.guard)


def _wait_until_expired(token: str) -> None:
    while time.time() < claims_of(token)["exp"] + 1:
        time.sleep(0.05)


def moment(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
