"""A server for tests of the load: it answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request: its path with its query, its headers, and its body."""

    path: str
    headers: dict[str, str]
    body: str


class Answer(NamedTuple):
    """A status, an object for the body, and where it redirects to."""

    status: int = 200
    body: dict[str, Any] = {}  # noqa: RUF012 nobody changes it
    location: str = ""


class Answering(NamedTuple):
    """Where it is, and what it was asked, in order."""

    url: str
    asked: list[Asked]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """When its time is up, wrk leaves without a farewell."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def answering(answer: Callable[[Asked], Answer | None]) -> Iterator[Answering]:
    """Each request is answered so, one at a time; where there is no answer, the connection is closed."""
    asked: list[Asked] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def do_GET(self) -> None:
            self._answer("")

        def _answer(self, body: str) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                asked.append(request := Asked(self.path, headers, body))
                told = answer(request)
            if told is None:
                self.close_connection = True
                return
            content = json.dumps(told.body).encode()
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(content)))
            if told.location:
                self.send_header("location", told.location)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Answering(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()
