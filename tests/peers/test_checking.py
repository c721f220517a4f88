from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from benchmarks.load import Case, Mixed
from benchmarks.peers.checking import check
from benchmarks.peers.peer import (
    CODE_FLOW,
    INTROSPECTION,
    INTROSPECTION_COLD,
    INTROSPECTION_REVOKED,
    INTROSPECTION_UNKNOWN,
    ISSUANCE_ASSERTION,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    REFUSAL,
    REVOCATION,
    ROTATION_JWT,
    SCOPE,
    USERS,
    VERIFY,
)
from tests.peers.answering import Answer, Asked, answering

_EC = ec.generate_private_key(ec.SECP256R1())
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_KEYS = {
    "keys": [
        {**ECAlgorithm.to_jwk(_EC.public_key(), as_dict=True), "kid": "ES256"},
        {**RSAAlgorithm.to_jwk(_RSA.public_key(), as_dict=True), "kid": "RS256"},
    ]
}
Told = Callable[[str], tuple[int, dict[str, Any]]]
"""Of a form: a status and a JSON object."""


def token(algorithm: str = "ES256", key: Any = None, **claims: Any) -> str:
    """A good access token but for what is said otherwise."""
    good = {"iss": "https://peer.example", "sub": "worker", "aud": USERS, "scope": SCOPE, "exp": time.time() + 600}
    keys: dict[str, Any] = {"ES256": _EC, "RS256": _RSA}
    return jwt.encode({**good, **claims}, key or keys[algorithm], algorithm, headers={"kid": algorithm})


@contextmanager
def peer(answer: Told) -> Iterator[str]:
    """A server that answers every form so, and its keys at /jwks."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(*answer(form))

        def do_GET(self) -> None:
            self._send(200, _KEYS)

        def _send(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def look(name: str, status: int = 200, **body: Any) -> None:
    """Check one case of a peer that always answers so."""
    with peer(lambda _: (status, body)) as url:
        check(Case(name, url, ("worker", "secret"), "a=b", good=401 if name == REFUSAL else 200), f"{url}/jwks")


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        (ISSUANCE_JWT, 200, {"access_token": token()}),
        (ISSUANCE_OPAQUE, 200, {"access_token": "c29tZXRoaW5n"}),
        (ISSUANCE_ASSERTION, 200, {"access_token": token()}),
        (INTROSPECTION, 200, {"active": True}),
        (INTROSPECTION_COLD, 200, {"active": True}),
        (INTROSPECTION_UNKNOWN, 200, {"active": False}),
        (INTROSPECTION_REVOKED, 200, {"active": False}),
        (REVOCATION, 200, {}),
        (REFUSAL, 401, {"error": "invalid_client"}),
    ],
)
def test_an_answer_that_is_what_the_case_says_passes(name: str, status: int, body: dict[str, Any]) -> None:
    """Of each kind of case."""
    look(name, status, **body)


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        (ISSUANCE_JWT, 200, {"access_token": token("RS256")}),
        (ISSUANCE_JWT, 200, {"access_token": token(key=ec.generate_private_key(ec.SECP256R1()))}),
        (ISSUANCE_JWT, 200, {"access_token": token(aud="https://another.example")}),
        (ISSUANCE_JWT, 200, {"access_token": token(scope="")}),
        (ISSUANCE_JWT, 200, {"access_token": "c29tZXRoaW5n"}),
        (ISSUANCE_JWT, 400, {"access_token": token()}),
        (ISSUANCE_OPAQUE, 200, {"access_token": token()}),
        (ISSUANCE_ASSERTION, 200, {"access_token": token("RS256")}),
        (INTROSPECTION, 200, {"active": False}),
        (INTROSPECTION_COLD, 200, {"active": False}),
        (INTROSPECTION_UNKNOWN, 200, {"active": True}),
        (INTROSPECTION_REVOKED, 200, {"active": True}),
        (INTROSPECTION_REVOKED, 401, {"error": "invalid_client"}),
        (REVOCATION, 400, {"error": "unsupported_token_type"}),
        (REFUSAL, 401, {"error": "invalid_grant"}),
        (REFUSAL, 400, {"error": "invalid_client"}),
    ],
)
def test_any_other_answer_does_not(name: str, status: int, body: dict[str, Any]) -> None:
    """Another algorithm, key, audience, scope, format or status is not the same work."""
    with pytest.raises((AssertionError, RuntimeError, jwt.PyJWTError)):
        look(name, status, **body)


def test_rotation_gives_another_token_that_works_and_the_file_goes_on_with_the_last(tmp_path: Path) -> None:
    """The first token of the file is used, then the one of the answer; what is left for the run is unused."""
    forms = tmp_path / "forms"
    forms.write_text("grant_type=refresh_token&refresh_token=a\ngrant_type=refresh_token&refresh_token=b")
    following = {"a": "c", "c": "d"}

    def answer(form: str) -> tuple[int, dict[str, Any]]:
        return 200, {"access_token": token(), "refresh_token": following[form.rpartition("=")[2]]}

    with peer(answer) as url:
        check(Case(ROTATION_JWT, url, ("web-app", "secret"), forms, rotating=True), f"{url}/jwks")
    assert forms.read_text().splitlines() == [
        "grant_type=refresh_token&refresh_token=b",
        "grant_type=refresh_token&refresh_token=d",
    ]


def test_a_refresh_token_that_stays_is_no_rotation(tmp_path: Path) -> None:
    """A peer that gives the same token again does less."""
    forms = tmp_path / "forms"
    forms.write_text("grant_type=refresh_token&refresh_token=a")
    body = {"access_token": token(), "refresh_token": "a"}
    with peer(lambda _: (200, body)) as url, pytest.raises(AssertionError):
        check(Case(ROTATION_JWT, url, ("web-app", "secret"), forms, rotating=True), f"{url}/jwks")


def test_what_a_gateway_is_answered_is_looked_at() -> None:
    """By its status: there is nothing else to it."""
    with peer(lambda _: (500, {})) as url:
        case = Case(VERIFY, url, ("", ""), "Bearer a", bearer=True)
        check(case, f"{url}/jwks")
        with pytest.raises(AssertionError):
            check(case._replace(good=204), f"{url}/jwks")


def test_what_is_good_once_is_taken_from_the_file(tmp_path: Path) -> None:
    """The run gets what was not used yet."""
    forms = tmp_path / "forms"
    forms.write_text("token=a\ntoken=b\ntoken=c")
    with peer(lambda form: (200 if form == "token=a" else 400, {})) as url:
        check(Case(REVOCATION, url, ("worker", "secret"), forms, once=True), f"{url}/jwks")
    assert forms.read_text().splitlines() == ["token=b", "token=c"]


def test_every_part_of_a_mix_is_looked_at() -> None:
    """Not the first alone."""
    with peer(lambda _: (200, {"active": True})) as url:
        good = Case(INTROSPECTION, url, ("api", "secret"), "token=a")
        check(Mixed("mixed", ((1, good), (2, good))), f"{url}/jwks")
        with pytest.raises(AssertionError):
            check(Mixed("mixed", ((1, good), (2, good._replace(name=INTROSPECTION_REVOKED)))), f"{url}/jwks")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, None),
        ({"id_token": token("RS256", aud="web-app")}, jwt.PyJWTError),
        ({"id_token": token(aud="another-app")}, jwt.PyJWTError),
        ({"access_token": token(scope="")}, AssertionError),
        ({"location": "http://127.0.0.1:9/callback?error=access_denied"}, KeyError),
        ({"location": "http://elsewhere.example/?code=c"}, AssertionError),
    ],
)
def test_a_code_is_exchanged_for_both_tokens(
    changes: dict[str, str], error: type[Exception] | None, tmp_path: Path
) -> None:
    """With the cookies, the verifier and the client of the case."""
    told = {"access_token": token(), "id_token": token(aud="web-app")} | changes
    location = told.pop("location", "http://127.0.0.1:9/callback?code=c&state=1")

    def answer(asked: Asked) -> Answer:
        if asked.path == "/jwks":
            return Answer(body=_KEYS)
        if asked.path.startswith("/authorize"):
            assert (asked.path, asked.headers["cookie"]) == ("/authorize?a=b&state=1", "session=s")
            return Answer(303, location=location)
        form = {name: values[0] for name, values in parse_qs(asked.body).items()}
        assert (form["code"], form["code_verifier"], form["redirect_uri"]) == ("c", "v", "http://127.0.0.1:9/callback")
        return Answer(body=told)

    lines = tmp_path / "flows"
    lines.write_text("/authorize?a=b\tsession=s\tv")
    with answering(answer) as server, pytest.raises(error) if error else nullcontext():
        login = ("web-app", "secret")
        case = Case(CODE_FLOW, f"{server.url}/authorize", login, lines, 303, exchange="/token")
        check(case._replace(redirect_uri="http://127.0.0.1:9/callback"), f"{server.url}/jwks")
