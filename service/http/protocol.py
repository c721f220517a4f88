"""HTTP/1.1 on one connection (RFC 9112), with an end to what a peer may send, and to how long it may take.

What is no proper request, or is beyond the limits, is answered once with a problem, and the connection ends. It never
becomes a request of the application, so no event tells of it. Where httptools reads on what the RFC would have refused,
this does not:

- no Host, or two of them (section 3.2)
- a transfer coding that is not `chunked`, or is more than that, or comes by HTTP/1.0 (section 6.1)
- trailers: they are dropped, for they would be read as headers that no proxy has looked at (RFC 9110 section 6.5.1)
- `Upgrade`: not heeded (RFC 9110 section 7.8), where httptools would take the body for what comes after the upgrade
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools
from litestar.types import ASGIApp

from service.http.connections import Connections
from service.http.cycle import Cycle
from service.http.flow import Flow
from service.http.refusals import (
    ADDRESS_TOO_LONG,
    BODY_LATE,
    BODY_TOO_LARGE,
    HEADER_LATE,
    HEADER_TOO_LARGE,
    HOSTS,
    MALFORMED,
    TOO_MANY_AT_ONCE,
    Refusal,
    Refused,
    refusal_of,
)
from service.http.request import TRANSPORT
from service.http.response import WHOLE

_ADDRESS = 16_384
_FIELDS = 100
_PIPELINED = 100
"""Requests that a connection may have asked and not been answered yet (RFC 9112 section 9.3.2)."""
_CHUNKED_OVERHEAD = 8
"""A body in chunks may be so many times as long with their sizes: one octet a chunk comes to six."""
_ONE_READ = 262_144
"""What the event loop reads at once. After it the application has a chance to refuse, which is an event."""
_LAST_WORDS = 2.0
"""Seconds for which the peer may read what it was told, and go on with what nobody reads."""
_BETWEEN, _HEAD, _BODY = range(3)
_VERSIONS = ("1.1", "1.0")
_NOWHERE: Any = deque(maxlen=0)
"""Where trailers go, of which there may be many: it keeps nothing."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Served:
    """What all connections of a server share: the application, the connections, the requests under way, and the header
    line that tells the time.
    """

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self.app = app
        self.connections = connections
        self.loop = asyncio.get_running_loop()
        self.running: set[Cycle] = set()
        self.date = b""


class HttpProtocol(asyncio.Protocol):
    """One connection that was let in. `until` is when the peer's time is over, by the event loop's clock."""

    transport: asyncio.Transport
    flow: Flow

    def __init__(self, served: Served, peer: Any) -> None:
        self.open = False
        self.until = math.inf
        self._served = served
        self._connections = served.connections
        self._limits = served.connections.limits
        self._parser = _parser(self)
        self._peer = _address(peer)
        self._of_connection: dict[str, Any] = {}
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._cycle: Cycle | None = None
        self._answered: Cycle | None = None
        self._pipeline: deque[Cycle] = deque()
        self._phase = _BETWEEN
        self._begun = 0
        self._read = 0
        self._before = 0
        self._upgrading = False
        self._unasked = False
        self._waiting = 0
        self._refusal: Refusal | None = None

    @property
    def date(self) -> bytes:
        """The header line that tells the time."""
        return self._served.date

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is no other one
        """Both sides can speak."""
        self.open = True
        self.until = self._connections.until_header
        self.transport = transport
        self.flow = Flow(transport)
        self._of_connection = {
            "type": "http",
            "asgi": _ASGI,
            "server": _address(transport.get_extra_info("sockname")),
            "client": self._peer,  # as it was accepted: the system has forgotten it of a peer that is gone by now
            "scheme": "http" if transport.get_extra_info("sslcontext") is None else "https",
            "root_path": "",
            "extensions": {TRANSPORT: {"transport": transport}, WHOLE: {}},
        }

    def connection_lost(self, _: Exception | None) -> None:
        """Forget it, and tell whoever answers a request of it."""
        self._connections.leave(self)
        for cycle in (self._answered, self._cycle):
            if cycle is not None and not cycle.complete:
                cycle.disconnect()
        self.flow.resume_writing()
        self._parser = self._cycle = self._answered = None  # which know this connection, as it them
        self._pipeline.clear()

    # --- what comes ----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read on. What is no request, or one too large, is refused."""
        if self._refusal is not None:
            return
        begun_before = self._phase != _BETWEEN
        self._begun = 0
        self._read = len(data)
        rest = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(refusal_of(error))
        if rest is not None:
            self._read_without_upgrade(rest)
        elif self._phase != _BETWEEN and self._refusal is None:
            self._bound(of_one_message=self._begun == 0 or (self._begun == 1 and not begun_before))

    def _bound(self, *, of_one_message: bool) -> None:
        """Refuse a message that is not complete, and larger than it may become.

        Where a message began in the midst of what was read, that is not counted: how much of it, nobody knows.
        """
        if of_one_message:
            self._before += self._read
        limits = self._limits
        if self._phase == _HEAD:
            if self._before > limits.header or len(self._headers) > _FIELDS:
                self._refuse(HEADER_TOO_LARGE if self._headers else ADDRESS_TOO_LONG)
        elif self._cycle is not None and self._cycle.complete:
            if self._before > limits.header + limits.body:
                self._let_go()
        elif self._before > limits.header + _CHUNKED_OVERHEAD * limits.body + _ONE_READ:
            self._refuse(BODY_TOO_LARGE)

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Read a request that wants to speak something else as one that does not."""
        self._upgrading = False
        self._phase = _BETWEEN
        kept = [name + b": " + value for name, value in self._headers if name != b"upgrade"]
        version = self._parser.get_http_version().encode("ascii")
        line = self._parser.get_method() + b" " + self._url + b" HTTP/" + version
        self._parser = _parser(self)
        self.data_received(b"\r\n".join([line, *kept, b"", b""]) + rest)

    # --- what the parser tells -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start its clock."""
        self._url = b""
        self._headers = []
        self.until = self._connections.until_header
        self._phase = _HEAD
        self._begun += 1
        self._before = 0

    def on_url(self, part: bytes) -> None:
        """Read on in the address."""
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer too, which nobody keeps."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Hand the request over, if it may be one."""
        headers, parser = self._headers, self._parser
        if len(self._url) > _ADDRESS:
            raise Refused(ADDRESS_TOO_LONG)
        if len(headers) > _FIELDS or (
            self._before + self._read > self._limits.header and self._size() > self._limits.header
        ):
            raise Refused(HEADER_TOO_LARGE)
        names = [name for name, _ in headers]
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise Refused(MALFORMED)
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or version == "1.1"):
            raise Refused(HOSTS)
        if b"transfer-encoding" in names and not self._is_chunked(version):
            raise Refused(MALFORMED)
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                raise Refused(MALFORMED)
            self._upgrading = True
            return
        if self._waiting >= _PIPELINED:
            raise Refused(TOO_MANY_AT_ONCE)
        self._cycle = cycle = Cycle(
            self,
            self._scope(version),
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expect_100_continue=b"expect" in names and version == "1.1",
        )
        self._headers = _NOWHERE
        self._phase = _BODY
        self.until = self._connections.until_body
        self._waiting += 1
        if self._waiting == 1:
            self._start(cycle)
        else:
            self._queue(cycle)

    def _queue(self, cycle: Cycle) -> None:
        """Answer a request later; read no more meanwhile, unless somebody waits to be told that the peer is gone."""
        self._pipeline.append(cycle)
        if self._answered is None or not self._answered.waits:
            self.flow.pause_reading()

    def _is_chunked(self, version: str) -> bool:
        """Whether the body comes in chunks, and is not encoded besides."""
        codings = [value.strip(b" \t").lower() for name, value in self._headers if name == b"transfer-encoding"]
        return codings == [b"chunked"] and version == "1.1"

    def _size(self) -> int:
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    def _scope(self, version: str) -> dict[str, Any]:
        """What the application is told of the request."""
        url = httptools.parse_url(self._url)
        raw_path = url.path or b"/"  # an absolute address may have none (RFC 9112 section 3.2.2)
        path = raw_path.decode("ascii")
        return {
            **self._of_connection,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": url.query or b"",
            "headers": self._headers,
            "state": {},
        }

    def on_body(self, part: bytes) -> None:
        """Hand on a part of the body."""
        if self._cycle is not None and not self._upgrading:
            self._cycle.feed(part)

    def has_enough(self) -> None:
        """Read no more for now; of a request that has to wait, where that is not possible, read nothing more at all."""
        if self._waiting > 1 and self._answered is not None and self._answered.waits:
            raise Refused(TOO_MANY_AT_ONCE)
        self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """From now on it is the server's turn; unless it has answered already."""
        if self._upgrading or self._cycle is None:
            return
        self._cycle.end()
        self._phase = _BETWEEN
        self.until = math.inf if self._waiting and not self.flow.write_paused else self._connections.until_idle

    # --- what goes -----------------------------------------------------------------------------------------------

    def _start(self, cycle: Cycle) -> None:
        """Answer a request."""
        self._answered = cycle
        served = self._served
        served.running.add(cycle)
        cycle.task = served.loop.create_task(cycle.run(served.app, served.running))

    def was_not_asked(self) -> None:
        """A client that sends the body once it is asked to (RFC 9110 section 10.1.1) is answered without.

        Nobody knows whether the body comes next or another request: so the answer says that the connection ends, and
        it does, but not before the client had time to read that: it may send the body nevertheless.
        """
        self._unasked = True

    def on_response_complete(self) -> None:
        """Go on with what was asked meanwhile, refuse what could not be read, or wait for the next request."""
        self._waiting -= 1
        if self._unasked or (self._answered is not None and not self._answered.keep_alive):
            self._end_behind_answer()
            return
        if self._waiting:
            if not self.transport.is_closing():
                self.flow.resume_reading()
                self._start(self._pipeline.popleft())
            return
        if self._refusal is not None:
            self._say(self._refusal)
        elif self._phase == _BODY and self._declared() > self._limits.body:
            self._let_go()
        else:
            self.flow.resume_reading()
            if self._phase != _HEAD:
                self.until = self._connections.until_idle

    def _end_behind_answer(self) -> None:
        """Answer nothing more, whatever was asked behind it (RFC 9112 section 9.6)."""
        more = self._unasked or self._waiting or self._phase != _BETWEEN
        self._waiting = 0
        self._pipeline.clear()
        if more:
            self._let_go()
        else:
            self.transport.close()

    def _declared(self) -> int:
        """The length that the body of the last request is said to have."""
        headers = () if self._cycle is None else self._cycle.scope["headers"]
        return next((int(value) for name, value in headers if name == b"content-length"), 0)

    def pause_writing(self) -> None:
        """The peer does not take what it is sent."""
        self.flow.pause_writing()
        self.until = self._connections.until_idle

    def resume_writing(self) -> None:
        """It does again."""
        self.flow.resume_writing()
        if self._phase == _HEAD and self._refusal is None:
            self.until = self._connections.until_header
        elif self._waiting:
            self.until = self._connections.until_body if self._phase == _BODY and not self._refusal else math.inf

    # --- the end -------------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """The server stops: answer what was asked, and no more."""
        if not self.open:
            return
        if self._waiting and self._cycle is not None:
            self._cycle.keep_alive = False
        elif self.is_idle():
            self.abort()
        else:
            self.transport.close()

    def is_idle(self) -> bool:
        """Whether nothing was asked that is not answered, and the answer taken."""
        return (
            self.open
            and self._phase == _BETWEEN
            and not self._waiting
            and self._refusal is None
            and not self.transport.get_write_buffer_size()
        )

    def idle_since(self) -> float:
        """Since when it is, in whole milliseconds: since its last answer, or since it was opened."""
        return round(self.until - (self._limits.header_timeout if self._answered is None else self._limits.idle), 3)

    def is_closing(self) -> bool:
        """Whether it ends once the peer has taken what was written."""
        return self.open and self.transport.is_closing()

    def abort(self) -> None:
        """End it at once: by TLS, `close()` would wait for the peer's goodbye."""
        if self.open:
            self.transport.abort()

    def expire(self, now: float) -> None:
        """The peer has had its time: say so where it waits for an answer, else close or cut the connection."""
        self.until = now + _LAST_WORDS
        if self._refusal is not None or self.transport.is_closing():
            self.transport.abort()
        elif self.transport.get_write_buffer_size():
            self._connections.cut("answer_not_taken")
            self.transport.abort()
        elif self._phase == _BETWEEN:
            self.transport.close()
        elif self.flow.read_paused:  # it is the server that takes no more of it for now
            self.until = self._connections.until_body if self._phase == _BODY else self._connections.until_header
        else:
            self._refuse(HEADER_LATE if self._phase == _HEAD else BODY_LATE)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what was asked before; then say this, and end."""
        self._connections.cut(refusal.reason)
        self._refusal = refusal
        self._headers = []
        if self._phase == _BODY and self._cycle is not None:  # it is the request under way that goes wrong
            if self._cycle.complete:  # and nobody waits for another answer to it
                self._let_go()
                return
            self._give_up(self._cycle)
        if self._waiting:
            self.until = math.inf
        else:
            self._say(refusal)

    def _give_up(self, cycle: Cycle) -> None:
        """Answer a request no more, whose body cannot be read."""
        self._waiting -= 1
        if self._pipeline and self._pipeline[-1] is cycle:
            self._pipeline.pop()
            return
        cycle.waiting_for_100_continue = False
        cycle.disconnect()
        if cycle.started:
            self.transport.close()

    def _say(self, refusal: Refusal) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal.answer())
        self._let_go()

    def _let_go(self) -> None:
        """End the connection from this side, and drop what still comes, lest a reset overtakes the answer
        (RFC 9112 section 9.6).
        """
        self._refusal = self._refusal or BODY_TOO_LARGE
        self.until = self._connections.now + _LAST_WORDS
        if self._cycle is not None:
            self._cycle.waiting_for_100_continue = False  # nothing is written any more
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()


def _parser(protocol: HttpProtocol) -> Any:
    """A parser that goes on behind a request with `Connection: close`: that it was the last one is said here."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _address(address: Any) -> tuple[str, int] | None:
    """Host and port of one end, where it has them."""
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
