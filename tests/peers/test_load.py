from __future__ import annotations

import os
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarks.load import Case, Mixed, gather, measure
from benchmarks.programs import lacks
from tests.peers.answering import Answer, Asked, answering

pytestmark = pytest.mark.skipif(lacks("wrk", "taskset") is not None, reason=lacks("wrk", "taskset") or "")
CORE = str(min(os.sched_getaffinity(0)))
LONG = 60
"""Seconds that a run which ends by itself does not take."""


def lines(folder: Path, number: int) -> Path:
    """A file of so many forms."""
    file = folder / "forms"
    file.write_text("\n".join(f"token={each}" for each in range(number)))
    return file


def test_what_is_good_once_is_sent_once_and_the_run_ends_with_the_last(tmp_path: Path) -> None:
    """Nothing of the file is left out or repeated, though wrk looks at a request before it begins."""
    with answering(lambda _: Answer()) as server:
        case = Case("case", server.url, ("a", "b"), lines(tmp_path, 101), once=True)
        measured = measure(case, LONG, 4, CORE)
    assert Counter(asked.body for asked in server.asked) == Counter(f"token={each}" for each in range(101))
    assert (measured.answers, measured.bad) == (101, 0)
    assert {asked.headers["authorization"] for asked in server.asked} == {"Basic YTpi"}


def test_who_proves_themselves_in_the_form_sends_no_secret(tmp_path: Path) -> None:
    """As with a client assertion."""
    with answering(lambda _: Answer()) as server:
        measure(Case("case", server.url, ("", ""), lines(tmp_path, 3), once=True), LONG, 2, CORE)
    assert not any("authorization" in asked.headers for asked in server.asked)


def test_tokens_are_gathered_from_as_many_answers() -> None:
    """Every access token that was given, and no more are asked for."""
    numbers = iter(range(1_000))
    with answering(lambda _: Answer(body={"access_token": f"t{next(numbers)}"})) as server:
        tokens = gather(Case("case", server.url, ("a", "b"), "form=1"), 50, 4, CORE)
    assert sorted(tokens) == sorted(f"t{each}" for each in range(50))
    assert {asked.body for asked in server.asked} == {"form=1"}


def test_an_answer_that_is_not_good_is_not_overlooked_where_tokens_are_gathered() -> None:
    """A run must not begin with fewer than it needs."""
    with answering(lambda _: Answer(400)) as server, pytest.raises(AssertionError):
        gather(Case("case", server.url, ("a", "b"), "form=1"), 5, 2, CORE)


@pytest.mark.parametrize(
    ("answer", "case", "bad"),
    [
        (Answer(), {}, 0),
        (Answer(500), {}, 10),
        (Answer(401), {"good": 401}, 0),
        (Answer(body={"active": True}), {}, 0),
        (Answer(body={"active": False}), {}, 10),
        (Answer(body={"active": False}), {"inactive": True}, 0),
        (Answer(body={"active": True}), {"inactive": True}, 10),
    ],
)
def test_answers_that_are_not_the_expected_ones_are_counted(
    answer: Answer, case: dict[str, Any], bad: int, tmp_path: Path
) -> None:
    """By status, and by whether a token is active."""
    with answering(lambda _: answer) as server:
        asked = Case("case", server.url, ("a", "b"), lines(tmp_path, 10), once=True)._replace(**case)
        assert measure(asked, LONG, 2, CORE).bad == bad


def test_a_rotated_token_is_used_once_and_then_the_one_of_its_answer(tmp_path: Path) -> None:
    """For as long as the run goes on, with as many as there were at the start."""
    known = {str(number) for number in range(4)}
    numbers = iter(range(4, 10_000_000))

    def answer(asked: Asked) -> Answer:
        token = asked.body.partition("=")[2]
        if token not in known:
            return Answer(400)
        known.remove(token)
        known.add(following := str(next(numbers)))
        return Answer(body={"access_token": "a", "refresh_token": following})

    forms = tmp_path / "forms"
    forms.write_text("\n".join(f"refresh_token={token}" for token in sorted(known)))
    with answering(lambda asked: answer(asked._replace(body=asked.body.rpartition("&")[2]))) as server:
        measured = measure(Case("case", server.url, ("a", "b"), forms, rotating=True), 1, 4, CORE)
    assert measured.bad == 0
    assert len(server.asked) > 8
    assert len({asked.body for asked in server.asked}) == len(server.asked)


def test_cases_are_mixed_by_their_weights(tmp_path: Path) -> None:
    """In any stretch of requests; one that is good once ends the run for all."""

    def answer(asked: Asked) -> Answer:
        return Answer(401) if asked.path == "/refused" else Answer(body={"active": asked.path != "/inactive"})

    with answering(answer) as server:
        of = {name: Case(name, f"{server.url}/{name}", ("a", "b"), "form=1") for name in ("refused", "inactive")}
        parts = (
            (6, Case("verify", f"{server.url}/verify?a=b", ("", ""), "Bearer x", bearer=True)),
            (2, of["refused"]._replace(good=401)),
            (1, of["inactive"]._replace(inactive=True)),
            (1, Case("once", f"{server.url}/once", ("a", "b"), lines(tmp_path, 10), once=True)),
        )
        measured = measure(Mixed("mixed", parts), LONG, 4, CORE)
        counted = Counter(urlsplit(asked.path).path for asked in server.asked)
        assert measured.bad == 0
        assert measured.answers == len(server.asked)
        assert counted["/once"] == 10
        assert 54 <= counted["/verify"] <= 66
        assert 18 <= counted["/refused"] <= 22
        assert {asked.headers.get("authorization") for asked in server.asked if asked.path == "/verify?a=b"} == {
            "Bearer x"
        }


def test_an_answer_of_another_part_is_no_good_one(tmp_path: Path) -> None:
    """A refusal that is not refused shows, though others of the mix may be answered so."""
    with answering(lambda _: Answer()) as server:
        parts = (
            (1, Case("good", server.url, ("a", "b"), lines(tmp_path, 10), once=True)),
            (1, Case("refused", server.url, ("a", "c"), "form=1", good=401)),
        )
        assert measure(Mixed("mixed", parts), LONG, 2, CORE).bad >= 10


def test_a_request_that_is_never_answered_is_bad(tmp_path: Path) -> None:
    """Where the server closes the connection instead, wrk opens another one, and says nothing."""
    answers = cycle([Answer(), None])
    with answering(lambda _: next(answers)) as server:
        assert measure(Case("case", server.url, ("a", "b"), "form=1"), 1, 2, CORE).bad > 0


def flow(url: str, folder: Path) -> Case:
    """A code flow of three sessions."""
    file = folder / "flows"
    file.write_text("\n".join(f"/authorize?challenge=c{each}\tsession=s{each}\tv{each}" for each in range(3)))
    return Case("flow", f"{url}/authorize", ("app", "b"), file, 303, exchange="/token", redirect_uri="http://app/cb")


def test_a_code_flow_is_two_requests_and_counted_once(tmp_path: Path) -> None:
    """Each code is exchanged once, with the verifier and the client of the request that it came from."""
    codes: dict[str, str] = {}
    numbers = iter(range(10_000_000))

    def answer(asked: Asked) -> Answer:
        if asked.path.startswith("/authorize"):
            query = parse_qs(urlsplit(asked.path).query)
            session = asked.headers["cookie"].removeprefix("session=s")
            assert query["challenge"] == [f"c{session}"]
            codes[code := f"code{next(numbers)}"] = f"v{session}"
            return Answer(303, location=f"http://app/cb?code={code}&state={query['state'][0]}")
        form = {name: values[0] for name, values in parse_qs(asked.body).items()}
        good = {"grant_type": "authorization_code", "redirect_uri": "http://app/cb"}
        good |= {"code": form["code"], "code_verifier": codes.pop(form["code"], "used")}
        return Answer(200 if form == good else 400, {"access_token": "a"})

    with answering(answer) as server:
        measured = measure(flow(server.url, tmp_path), 1, 4, CORE)
    exchanges = [asked for asked in server.asked if asked.path == "/token"]
    assert measured.bad == 0
    assert 0 < measured.answers <= len(exchanges)
    assert {asked.headers["authorization"] for asked in exchanges} == {"Basic YXBwOmI="}


def test_a_flow_that_brings_no_code_is_bad(tmp_path: Path) -> None:
    """An error is sent back to the application by a redirect, too."""
    with answering(lambda _: Answer(303, location="http://app/cb?error=access_denied&state=1")) as server:
        measured = measure(flow(server.url, tmp_path), 1, 2, CORE)
    assert measured.bad > 0
    assert measured.answers == 0
