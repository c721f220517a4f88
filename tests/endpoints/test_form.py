from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.http.app import create_app
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, Answer, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM_TYPE = "application/x-www-form-urlencoded"
ENDPOINTS = (TOKEN, INTROSPECT, REVOKE)
ERRORS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
}
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")


def check_refused(answer: Answer) -> None:
    """A refusal has an RFC 6749 error code and a description in its characters, and nothing else."""
    assert 400 <= answer.status < 500
    assert {"error", "error_description"} == answer.body.keys()
    assert answer.body["error"] in ERRORS
    assert DESCRIPTION.fullmatch(answer.body["error_description"])


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"grant_type=a&grant_type=a", "repeated_parameter"),
        (b"grant_type=a&grant_type=", "repeated_parameter"),
        (b"grant%5Ftype=a&grant_type=b", "repeated_parameter"),
        (b"resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb", "repeated_parameter"),
        (b"other=1&other=2", "repeated_parameter"),
        (b"&".join(b"p%d=1" % number for number in range(65)), "too_many_parameters"),
        (b"scope=%", "wrong_encoding"),
        (b"scope=%a", "wrong_encoding"),
        (b"scope=%zz", "wrong_encoding"),
        (b"scope=%C3%28", "wrong_encoding"),
        (b"scope=%ff", "wrong_encoding"),
        (b"scope=%ed%a0%80", "wrong_encoding"),
        ("scope=\u00fc".encode(), "wrong_encoding"),
        (b"scope=\xff\xfe", "wrong_encoding"),
        (b"grant_type", "wrong_encoding"),
        (b"&", "wrong_encoding"),
        (b'{"grant_type": "client_credentials"}', "wrong_encoding"),
        (b"scope=%00", "control_character"),
        (b"scope=\x00", "control_character"),
        (b"scope=a%0d%0aX: y", "control_character"),
        (b"scope=%7f", "control_character"),
        (b"scope=a\tb", "control_character"),
    ],
)
async def test_malformed_form_is_invalid_request(world: World, path: str, content: bytes, reason: str) -> None:
    """A form that is not exactly what it must be is refused before anything in it is believed, at every endpoint."""
    answer = await world.call(path, content=content, headers=world.service.basic)
    assert (400, "invalid_request", reason) == answer.error
    check_refused(answer)
    assert answer.event["claimed_client"] == world.service.client_id


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "media_type", ["", "application/json", "text/plain", "multipart/form-data; boundary=x", FORM_TYPE + "x"]
)
async def test_other_content_type_is_refused(world: World, path: str, media_type: str) -> None:
    """Only a form is a request (RFC 6749 appendix B)."""
    headers = world.service.basic | {"content-type": media_type}
    answer = await world.call(path, content=b"grant_type=client_credentials", headers=headers)
    assert answer.error == (400, "invalid_request", "wrong_content_type")


@pytest.mark.parametrize("media_type", [FORM_TYPE + "; charset=UTF-8", FORM_TYPE.upper(), f" {FORM_TYPE} ;x=y"])
async def test_content_type_is_read_without_case_and_parameters(world: World, media_type: str) -> None:
    """The media type alone decides (RFC 9110 section 8.3.1)."""
    headers = world.service.basic | {"content-type": media_type}
    answer = await world.call(TOKEN, content=b"grant_type=client_credentials", headers=headers)
    assert answer.status == 200


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_method_is_refused(world: World, path: str, method: str) -> None:
    """Only POST is taken, so that no secret is ever in a URL; the refusal says so and is journalled."""
    answer = await world.call(path, {"grant_type": "client_credentials"}, method=method, headers=world.service.basic)
    assert answer.error == (405, "invalid_request", "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_head_is_refused_without_a_body(world: World) -> None:
    """HEAD is journalled like any other method that is not POST; its answer has no body (RFC 9110 section 9.3.2)."""
    answer = await world.call(TOKEN, method="HEAD", received=False)
    assert (answer.status, answer.content, answer.event["reason"]) == (405, b"", "method_not_allowed")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_parameters_in_the_query_are_not_read(world: World, path: str) -> None:
    """Parameters in the URL count for nothing (RFC 6749 section 2.3.1)."""
    party = world.service
    world.secrets.add(party.secret)
    query = f"?grant_type=client_credentials&token=x&client_id={party.client_id}&client_secret={party.secret}"
    answer = await world.call(path + query, content=b"", received=False)
    assert answer.error == (401, "invalid_client", "no_client_authentication")


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [(b"", 401, "no_client_authentication"), (b"client_id=", 401, "no_client_authentication")],
)
async def test_parameter_without_value_counts_as_left_out(
    world: World, path: str, content: bytes, status: int, reason: str
) -> None:
    """A parameter that is empty was not sent (RFC 6749 section 3.1)."""
    answer = await world.call(path, content=content)
    assert (status, "invalid_client", reason) == answer.error


async def test_empty_secret_and_assertion_count_as_left_out(world: World) -> None:
    """Empty credentials beside good ones are not a second method."""
    form = {
        "grant_type": "client_credentials",
        "client_secret": "",
        "client_assertion": "",
        "client_assertion_type": "",
    }
    assert (await world.call(TOKEN, form, headers=world.service.basic)).status == 200


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_body_over_the_limit_is_refused(world: World, path: str) -> None:
    """A body is read up to the limit and no further, chunked or not; one just below it is read."""
    limit = world.core.settings.max_body
    whole = b"x=" + b"a" * (limit - 1)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1_000:
            sent += 1
            yield b"x" * 1_024

    assert (await world.call(path, content=whole)).error == (400, "invalid_request", "too_large")
    assert (await world.call(path, content=whole[:-1])).error == (401, "invalid_client", "no_client_authentication")
    assert (await world.call(path, content=endless())).error == (400, "invalid_request", "too_large")


async def test_body_in_chunks_is_read_whole(world: World) -> None:
    """A form may arrive in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for byte in b"grant_type=client_credentials&scope=read%3Ausers":
            yield bytes([byte])

    answer = await world.call(TOKEN, content=pieces(), headers=world.service.basic)
    assert (answer.status, answer.body["scope"]) == (200, "read:users")


async def test_request_that_breaks_off_is_refused(world: World) -> None:
    """Half a form is not believed: a caller that hangs up in the middle is refused, and journalled."""
    before = await world.core.journal.head()
    arriving: list[Any] = [
        {"type": "http.request", "body": b"grant_type=client_credentials", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return arriving.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", FORM_TYPE.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in world.service.basic.items()]
    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": TOKEN,
        "raw_path": TOKEN.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
        "http_version": "1.1",
    }
    await create_app(world.core)(scope, receive, send)
    (event,) = await world.core.journal.read(before, 10)
    assert [message.get("status") for message in sent] == [400, None]
    assert json.loads(event.data)["reason"] == "disconnected"


async def test_sixty_four_fields_are_read(world: World) -> None:
    """The most parameters that are taken."""
    content = b"grant_type=client_credentials&" + b"&".join(b"p%d=1" % number for number in range(63))
    assert (await world.call(TOKEN, content=content, headers=world.service.basic)).status == 200


@pytest.mark.parametrize("name", ["user-agent", "authorization", "traceparent", "x-other"])
async def test_huge_header_does_no_harm(world: World, name: str) -> None:
    """A header of 60 kB is answered and shortened in the event."""
    answer = await world.call(TOKEN, {"grant_type": "x"}, headers={name: "Basic " + "A" * 60_000})
    check_refused(answer)
    (event,) = answer.events
    assert len(event.data) < 1_000


async def test_user_agent_cannot_deceive_a_reader_of_the_audit(world: World) -> None:
    """Control and non-ASCII characters of a User-Agent are not stored."""
    agent = b"curl\x1b[31m\xe2\x80\xae\x01 tly_cs_" + b"A" * 49
    response = await world.http.post(TOKEN, content=b"", headers=[(b"user-agent", agent)])
    assert response.status_code == 400
    (event,) = await world.core.journal.read(await world.core.journal.head() - 1, 1)
    assert '"user_agent": "curl?[31m???? tly_cs_..."' in event.data


@pytest.mark.parametrize("path", ["/oauth2", "/oauth2/nothing", "/nothing"])
async def test_other_path_is_a_problem_document(world: World, path: str) -> None:
    """What is not there is 404 in RFC 9457 form, without an event."""
    answer = await world.call(path, {"a": "b"}, received=False)
    assert (answer.status, answer.events, answer.body["status"]) == (404, [], 404)
    assert answer.headers["content-type"].startswith("application/problem+json")


NAMES = ["grant_type", "scope", "resource", "token", "client_id", "client_secret", "client_assertion"]
ASSERTION = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
SEGMENT = st.text("eyJhbGciOiJFUzI1NiJ9-_=AZ09", max_size=12)
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["client_credentials", "billing-worker", "read:users", "tly_at_", "https://users.example.com"]),
    st.builds("{}.{}.{}".format, SEGMENT, SEGMENT, SEGMENT),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bytes that are nothing, or nearly a form, or a form."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.binary(max_size=300))
    pairs = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5))
    body = "&".join(f"{name}={value}" for name, value in pairs.items())
    body = (ASSERTION if draw(st.booleans()) else "") + body
    return draw(st.sampled_from([body.encode("utf-8", "replace"), body.encode("ascii", "ignore")]))


HEADERS = st.one_of(
    st.none(),
    st.binary(max_size=40).map(lambda raw: b"Basic " + raw.translate(None, b"\r\n\0")),
    st.binary(max_size=40).map(lambda raw: b"Basic " + b64encode(raw)),
)


@given(path=st.sampled_from(ENDPOINTS), body=bodies(), authorization=HEADERS)
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
async def test_no_bytes_make_the_server_fail(world: World, path: str, body: bytes, authorization: bytes | None) -> None:
    """Whatever bytes come, the answer is JSON with an RFC 6749 error, never a 5xx, and has its event."""
    headers = {} if authorization is None else {"authorization": authorization.decode("latin-1")}
    check_refused(await world.call(path, content=body, headers=headers))
