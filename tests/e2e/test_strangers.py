"""What headers from outside can change, over real connections from several addresses: nothing, unless a trusted proxy
wrote them.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import httpx
import psycopg
import pytest

from tests.load import USERS
from tests.product import Product, running_product

PROXY, STRANGER = "127.0.0.9", "127.0.0.7"
NEEDS = f"audience={USERS}&scope=read:users"
SPOOFED = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-For", "127.0.0.9, 127.0.0.1"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example.com"),
    ("Forwarded", "for=127.0.0.1;proto=https;host=evil.example.com"),
    ("X-Real-IP", "127.0.0.1"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Auth-Subject", "admin"),
    ("X-Auth-Roles", "admin"),
]


class Told(NamedTuple):
    """Status of an answer; of its event, the address that the request came from and the reason of the refusal."""

    status: int
    source: str | None
    reason: str


class Server:
    """A Tallystick that trusts one address, asked from any."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.port = int(product.url.rpartition(":")[2])

    def ask(
        self, source: str, target: str, headers: Iterable[tuple[str, str]] = (), method: str = "GET", form: str = ""
    ) -> http.client.HTTPResponse:
        """Ask from an address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(source, 0))
        try:
            connection.putrequest(method, target)
            for name, value in headers:
                connection.putheader(name, value)
            if form:
                connection.putheader("Content-Type", "application/x-www-form-urlencoded")
                connection.putheader("Content-Length", str(len(form)))
            connection.endheaders(form.encode() or None)
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def told(self, source: str, target: str, headers: Iterable[tuple[str, str]] = (), form: str = "") -> Told:
        """The same for a request that is refused, with its one event."""
        with psycopg.connect(self.product.run_info()["database_url"], autocommit=True) as journal:
            ((head,),) = journal.execute("SELECT position FROM journal.head").fetchall()
            answer = self.ask(source, target, headers, "POST" if form else "GET", form)
            query = (
                "SELECT source, data->>'reason' FROM journal.events WHERE position > %s AND type = 'access.rejected'"
            )
            ((said, reason),) = journal.execute(query, (head,)).fetchall()
        return Told(answer.status, said, reason)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A product of its own, for its settings."""
    with running_product(env={"TALLYSTICK_TRUSTED_PROXIES": PROXY}) as product:
        yield Server(product)


@pytest.fixture(scope="module")
def bearer(server: Server) -> tuple[str, str]:
    """The header of a good token."""
    form = {"grant_type": "client_credentials", "scope": "read:users", "resource": USERS}
    login = ("worker", server.product.secret("worker"))
    return (
        "Authorization",
        f"Bearer {httpx.post(f'{server.product.url}/oauth2/token', data=form, auth=login).json()['access_token']}",
    )


REFUSED = [
    (f"/verify?{NEEDS}", "", 401, "no_token"),
    (f"/verify/{NEEDS.replace('/', '%2F')}/users", "", 401, "no_token"),
    ("/oauth2/token", "grant_type=client_credentials&client_id=nobody&client_secret=x", 401, "unknown_client"),
    ("/oauth2/introspect", "token=x", 401, "no_client_authentication"),
    ("/audit/events", "", 401, "no_token"),
]


@pytest.mark.parametrize(("target", "form", "status", "reason"), REFUSED)
def test_headers_of_a_stranger_change_nothing(server: Server, target: str, form: str, status: int, reason: str) -> None:
    """With them as without: the same answer, and an event that has the address of the connection."""
    for headers in ([], SPOOFED):
        assert server.told(STRANGER, target, headers, form) == (status, STRANGER, reason)


def test_identity_is_that_of_the_token(server: Server, bearer: tuple[str, str]) -> None:
    """Whatever headers say."""
    answer = server.ask(STRANGER, f"/verify?{NEEDS}", [bearer, *SPOOFED])
    assert (answer.status, answer.getheader("x-auth-subject"), answer.getheader("x-auth-roles")) == (200, "worker", "")


def test_plain_http_at_a_trusted_proxy_is_refused_whatever_else_is_said(
    server: Server, bearer: tuple[str, str]
) -> None:
    """The last words are the proxy's own; what stood before them, and every other header, a stranger may have sent."""
    target = f"/verify?{NEEDS}"
    proxied = [("X-Forwarded-For", "198.51.100.4"), ("X-Forwarded-Proto", "http")]
    for headers in (proxied, [*SPOOFED, *proxied], [("X-Forwarded-Proto", "https, http"), proxied[0]]):
        assert server.told(PROXY, target, [bearer, *headers]) == (403, "198.51.100.4", "plain_http")
    secure = [proxied[0], ("X-Forwarded-Proto", "https")]
    assert server.ask(PROXY, target, [bearer, *secure]).status == 200
    assert server.told(PROXY, target, [*SPOOFED, *secure]) == (401, "198.51.100.4", "no_token")


def test_path_behind_the_needs_stays_behind_them(server: Server, bearer: tuple[str, str]) -> None:
    """Dots in it lead nowhere."""
    needs = f"audience={USERS}&scope=write:users".replace("/", "%2F")
    for path in (f"/../../verify?{NEEDS}", f"/..%2f..%2fverify?{NEEDS}", f"/../{NEEDS.replace('/', '%2F')}/x", "/;/"):
        assert server.told(STRANGER, f"/verify/{needs}{path}", [bearer]) == (403, STRANGER, "scope_missing")


@pytest.mark.parametrize(
    "more", ["Content-Length: 1000000000", "Transfer-Encoding: chunked", "Connection: Upgrade\r\nUpgrade: websocket"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND"])
def test_verify_waits_for_no_body(server: Server, bearer: tuple[str, str], method: str, more: str) -> None:
    """A gateway that hands on the head of a request alone is answered."""
    head = f"{method} /verify?{NEEDS} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer[1]}\r\n{more}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4_096).startswith(b"HTTP/1.1 200 ")
