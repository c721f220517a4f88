"""Gateways whose Tallystick does not say 200, 401 or 403: nobody passes on trust. `make gateways` runs these."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.gateways.client import ask, bearer
from tests.gateways.running import KINDS, running_gateway
from tests.gateways.upstream import Upstream
from tests.ports import free_port

pytestmark = pytest.mark.gateways

TOKEN = bearer("whatever")


@contextmanager
def answering() -> Iterator[ThreadingHTTPServer]:
    """What stands where Tallystick should: its answer is the status that the query of the request names."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            original = "".join(self.headers.get(name, "") for name in ("x-original-uri", "x-forwarded-uri")) + self.path
            self.send_response(int(original.rpartition("status=")[2][:3]))
            self.send_header("retry-after", "7")
            self.send_header("location", "/health")
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815  # http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", KINDS)
def test_nobody_passes_while_tallystick_is_not_there(name: str, api: Upstream, certificates: Path) -> None:
    """It is the gateway's fault to tell; what is open stays open."""
    with running_gateway(name, free_port(), api.port, certificates) as port:
        before = len(api.asked)
        assert ask(port, "/users/7", [TOKEN]).status in {500, 502, 503}
        assert api.asked[before:] == []
        assert ask(port, "/health").status == 200


@pytest.mark.parametrize("name", KINDS)
def test_nobody_passes_on_any_other_answer(name: str, api: Upstream, certificates: Path) -> None:
    """A limit is told as it is, with when to come again; the rest is a fault of the server."""
    with answering() as other, running_gateway(name, other.server_address[1], api.port, certificates) as port:
        before = len(api.asked)
        limited = ask(port, "/users/7?status=429", [TOKEN])
        assert (limited.status, limited.all("retry-after")) == (429, ["7"])
        for status in (302, 400, 404, 500, 503):
            assert ask(port, f"/users/7?status={status}", [TOKEN]).status >= 300
        assert api.asked[before:] == []


def test_haproxy_lets_nobody_pass_when_its_lua_fails(api: Upstream, certificates: Path) -> None:
    """By itself HAProxy would go on with the request."""
    broken = {"local got = txn.http:req_get_headers()": 'error("broken")'}
    with (
        answering() as other,
        running_gateway("haproxy", other.server_address[1], api.port, certificates, broken) as port,
    ):
        before = len(api.asked)
        assert ask(port, "/users/7?status=200", [TOKEN]).status == 503
        assert api.asked[before:] == []
