"""One HTTP POST to a webhook: bounded in time and size, to checked addresses, without redirects, cookies or proxies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from consumers.webhooks.resolver import AddressRefused, CheckedResolver, Lookup
from consumers.webhooks.retries import retry_after
from consumers.webhooks.targets import target_problem

_ANSWER_LIMIT = 4_096
_ANSWER_SECONDS = 1.0
# Shorter than servers commonly keep an idle connection: it is not closed under the next request.
_KEEP_ALIVE = 4.0
_TAKEN = range(200, 300)
_GONE = 410
_INTERIM = 8


class InterimWithoutEnd(aiohttp.ClientError):
    """Interim answers (RFC 9110 section 15.2), and never the answer."""


class Answer(NamedTuple):
    """What came back: the status, None where nothing did, what is wrong with it, and how long it asks to wait."""

    status: int | None
    error: str = ""
    wait: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the endpoint has it."""
        return self.status in _TAKEN

    @property
    def gone(self) -> bool:
        """Whether the endpoint wants nothing more, ever (Standard Webhooks)."""
        return self.status == _GONE


class Sender:
    """Sends messages. `timeout` is in seconds, for all of a request; `private` lets own addresses and http be.

    How many are under way at once is for the caller to bound: none waits for another here.
    """

    def __init__(self, *, timeout: float, private: bool, lookup: Lookup | None = None) -> None:
        self._timeout = timeout
        self._private = private
        self._lookup = lookup
        self._resolver: CheckedResolver | None = None
        self._http: aiohttp.ClientSession | None = None

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer of one attempt. Raises nothing that the network or the other side can cause."""
        if problem := target_problem(url, private=self._private):
            return Answer(None, f"the address {problem}")
        try:
            async with asyncio.timeout(self._timeout):
                return await self._once_more_where_cut_off(url, headers, body)
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, _told(error))

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def _once_more_where_cut_off(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            return await self._post(url, headers, body)
        except aiohttp.ServerDisconnectedError:
            # An idle connection may close just as it is used again; that says nothing of the endpoint.
            return await self._post(url, headers, body)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        http = self._http = self._http or self._session()
        async with http.post(URL(url, encoded=True), headers=headers, data=body, allow_redirects=False) as response:
            await _drain(response)
            status = response.status
            if status in _TAKEN:
                return Answer(status)
            return Answer(status, f"HTTP {status}", retry_after(response.headers.get("retry-after"), time.time()))

    def _session(self) -> aiohttp.ClientSession:
        self._resolver = CheckedResolver(private=self._private, lookup=self._lookup)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver, use_dns_cache=False, limit=0, keepalive_timeout=_KEEP_ALIVE
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=_Response,
            trust_env=False,
            headers={"user-agent": f"tallystick/{version('tallystick')}"},
        )


class _Response(aiohttp.ClientResponse):
    """Reads past a few interim answers, where aiohttp reads past any number as fast as they come."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        counting: Any = _Counting(connection)
        return await super().start(counting)


class _Counting:
    """A connection, or its protocol, that reads a few messages more than one."""

    def __init__(self, counted: Any) -> None:
        self._counted = counted
        self._left = 1 + _INTERIM

    def __getattr__(self, name: str) -> Any:
        return getattr(self._counted, name)

    @cached_property
    def protocol(self) -> Any:
        return _Counting(self._counted.protocol)

    async def read(self) -> Any:
        self._left -= 1
        if self._left < 0:
            raise InterimWithoutEnd
        return await self._counted.read()


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a short answer, so that the connection can be used again; drop the connection of one that is long or slow.

    The status has come: whatever the rest of the answer is, it counts.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await response.content.readexactly(_ANSWER_LIMIT)
    except asyncio.IncompleteReadError:
        return
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    response.close()


def _told(error: Exception) -> str:
    """An error in a few words, none of which is the other side's."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "the certificate or the TLS handshake is not good"
        case aiohttp.ClientConnectorDNSError():
            cause = error.os_error
            return f"refused: {cause}" if isinstance(cause, AddressRefused) else "the host name has no address"
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed without an answer"
        case aiohttp.ClientError() | ValueError():
            return f"no answer that is HTTP: {type(error).__name__}"
    return f"no connection: {error.strerror or type(error).__name__}" if isinstance(error, OSError) else "failed"
