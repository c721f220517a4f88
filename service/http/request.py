"""One HTTP request to an OAuth endpoint: method, headers, form, and where it came from.

The form is read strictly (RFC 6749 appendix B): `application/x-www-form-urlencoded` in ASCII, UTF-8 behind the
percent signs, no parameter twice, no control characters, bounded in size and number. A parameter without a value
counts as left out, and one that nobody asked for is ignored (RFC 6749 section 3.2).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar.types import Receive, Scope

from schema.envelope import Context
from service.errors import InvalidRequest, MethodNotAllowed
from service.printable import printable

_FORM = b"application/x-www-form-urlencoded"
_JSON = b"application/json"
_MAX_FIELDS = 64
_MAX_AGENT = 200
_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_OCTETS = bytes([*range(0x20), 0x7F])
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


TRANSPORT = "tallystick.transport"
"""The ASGI extension by which the server hands over the connection of a request."""


class HttpRequest:
    """What an endpoint needs of a request. Header names are lower case; a header given twice has both values,
    comma-joined. `source` is the address that it came from, `transport` the connection, where the server hands it over.
    """

    __slots__ = ("_receive", "headers", "method", "path", "query", "raw_path", "scheme", "source", "transport")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        known: Any = scope
        self._receive = receive
        self.method: str = known["method"]
        self.path: str = known["path"]
        self.raw_path: bytes | None = known.get("raw_path")
        self.query: bytes = known.get("query_string", b"")
        self.headers = _headers(known["headers"])
        peer = known.get("client")
        self.source: str | None = peer[0] if peer else None
        self.scheme: str = known.get("scheme", "http")
        self.transport: asyncio.Transport | None = (known.get("extensions") or {}).get(TRANSPORT, {}).get("transport")

    @property
    def user_agent(self) -> str | None:
        """The User-Agent, shortened and without characters that could deceive a reader."""
        agent = self.headers.get(b"user-agent")
        return printable(agent.decode("latin-1"), _MAX_AGENT) if agent else None

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies (RFC 6265 section 4.2.1); of two of one name, the first."""
        found: dict[str, str] = {}
        for pair in self.headers.get(b"cookie", b"").decode("latin-1").replace(",", ";").split(";"):
            name, _, value = pair.strip().partition("=")
            found.setdefault(name, value)
        return found

    @property
    def trace(self) -> str | None:
        """The caller's `traceparent`, where it is a valid one (W3C Trace Context section 3.2)."""
        value = self.headers.get(b"traceparent")
        if value is None:
            return None
        text = value.decode("latin-1")
        return text if _TRACEPARENT.fullmatch(text) else None

    def context(self, actor: str) -> Context:
        """The context of an event that this request causes."""
        return Context(actor=actor, source=self.source, trace=self.trace)

    async def gone(self) -> None:
        """Return when the caller has hung up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def form(self, max_body: int) -> dict[str, str]:
        """The form's parameters. Raises InvalidRequest or MethodNotAllowed."""
        return parse_form(await self.form_body(max_body))

    async def form_body(self, max_body: int) -> bytes:
        """The form as it was sent. Raises InvalidRequest or MethodNotAllowed."""
        return await self._body_of(_FORM, max_body)

    async def json_body(self, max_body: int) -> bytes:
        """The body as it was sent, which is said to be JSON. Raises InvalidRequest or MethodNotAllowed."""
        return await self._body_of(_JSON, max_body)

    async def _body_of(self, wanted: bytes, max_body: int) -> bytes:
        if self.method != "POST":
            raise MethodNotAllowed
        media_type = self.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if media_type != wanted:
            raise InvalidRequest("wrong_content_type", f"The request must be {wanted.decode()}.")
        return await self._body(max_body)

    async def _body(self, max_body: int) -> bytes:
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > max_body:
            raise InvalidRequest("too_large", "The request is too large.")
        chunks: list[bytes] = []
        size = 0
        while True:
            message: Any = await self._receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("disconnected", "The request was not complete.")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > max_body:
                raise InvalidRequest("too_large", "The request is too large.")
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def parse_form(body: bytes) -> dict[str, str]:
    """The parameters of a form body or query, none of them twice. Raises InvalidRequest."""
    form: dict[str, str] = {}
    for name, value in _fields(body):
        if name in form:
            raise _repeated(name)
        form[name] = value
    return {name: value for name, value in form.items() if value}


def parse_fields(body: bytes, repeatable: frozenset[str] = frozenset()) -> dict[str, tuple[str, ...]]:
    """The same, where some parameters may be repeated. Raises InvalidRequest."""
    form = every_field(body)
    for name, values in form.items():
        if len(values) > 1 and name not in repeatable:
            raise _repeated(name)
    return {name: kept for name, values in form.items() if (kept := tuple(filter(None, values)))}


def every_field(body: bytes) -> dict[str, tuple[str, ...]]:
    """All values of each parameter of a form body or query, empty ones too. Raises InvalidRequest."""
    form: dict[str, tuple[str, ...]] = {}
    for name, value in _fields(body):
        form[name] = (*form.get(name, ()), value)
    return form


def _fields(body: bytes) -> Iterable[tuple[str, str]]:
    """Name and value of each field, `+` and percent-encoding undone."""
    if not body:
        return ()
    if not body.isascii() or _BROKEN_PERCENT.search(body):
        raise InvalidRequest("wrong_encoding", "The form is not properly encoded.")
    text = body.decode("ascii")
    fields = text.split("&")
    if len(fields) > _MAX_FIELDS:
        raise InvalidRequest("too_many_parameters", "The form has too many parameters.")
    pairs = [field.partition("=") for field in fields]
    if not all(equals for _, equals, _ in pairs):
        raise InvalidRequest("wrong_encoding", "The form is not properly encoded.")
    if b"%" not in body and b"+" not in body and len(body.translate(None, _CONTROL_OCTETS)) == len(body):
        return [(name, value) for name, _, value in pairs]
    return [_decoded(name, value) for name, _, value in pairs]


def _decoded(name: str, value: str) -> tuple[str, str]:
    try:
        name, value = _unescaped(name), _unescaped(value)
    except UnicodeDecodeError:
        raise InvalidRequest("wrong_encoding", "The form is not properly encoded.") from None
    if _CONTROLS.search(value):
        raise InvalidRequest("control_character", "A parameter has a control character.", detail=printable(name, 64))
    return name, value


def _unescaped(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")


def _repeated(name: str) -> InvalidRequest:
    return InvalidRequest("repeated_parameter", "A parameter is given more than once.", detail=printable(name, 64))


def required(form: Mapping[str, str], name: str) -> str:
    """A parameter that must be there. Raises InvalidRequest."""
    value = form.get(name)
    if value is None:
        raise InvalidRequest("missing_parameter", f"The parameter {name} is missing.", detail=name)
    return value


def _headers(raw: Any) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = dict(raw)
    if len(headers) == len(raw):
        return headers
    headers.clear()
    for name, value in raw:
        before = headers.get(name)
        headers[name] = value if before is None else before + b", " + value
    return headers
