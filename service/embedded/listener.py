"""The HTTP socket, bound once by the supervisor and shared by all workers, and the wait for readiness."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from service.embedded.errors import EmbeddedError

BACKLOG = 2048
READY_LIMIT = 60.0
DEGRADED_LIMIT = 20.0
"""From the first good answer on: where the relay cannot start, tokens are issued all the same, and it is told."""

ANSWER_LIMIT = 5.0
POLL = 0.05


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; port 0 takes a free one. Without SO_REUSEPORT, so that nobody else's port is shared.

    Raises EmbeddedError that says what stands in the way.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise EmbeddedError(f"there is no address for the host {host!r}: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(BACKLOG)
        except OSError as error:
            raise EmbeddedError(_refusal(host, port, error)) from error
        yield bound


def http_url(host: str, port: int, scheme: str = "http") -> str:
    """`http://host:port`, with brackets around an IPv6 address."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def reachable_host(host: str) -> str:
    """The host by which this machine reaches a socket bound to `host`: loopback for a wildcard."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004
    return host


async def until_ready(host: str, port: int, scheme: str, say: Callable[[str], None]) -> None:
    """Ask /health/ready until it answers 200, and for a while until it is not degraded; then `say` that it is.

    Over `https` the certificate is not looked at: it is for the public name, and the socket is our own.

    Raises EmbeddedError with the last answer after READY_LIMIT seconds.
    """
    answer = "no answer"
    answered: float | None = None
    try:
        async with asyncio.timeout(READY_LIMIT):
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    status, answer = await _get(host, port, scheme, "/health/ready")
                    degraded = '"status": "degraded"' in answer
                    if status == 200:  # noqa: PLR2004
                        answered = answered or time.monotonic()
                        if not degraded or time.monotonic() - answered > DEGRADED_LIMIT:
                            break
                await asyncio.sleep(POLL)
            if degraded:
                say(f"it answers, and is degraded: {answer}")
    except TimeoutError:
        raise EmbeddedError(f"the service was not ready within {READY_LIMIT:.0f} s; it says: {answer}") from None


async def _get(host: str, port: int, scheme: str, path: str) -> tuple[int, str]:
    """Status and body of one request; status 0 if it is not HTTP that answers."""
    tls = _unverified() if scheme == "https" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(ANSWER_LIMIT):
            head, _, body = (await reader.read()).decode(errors="replace").partition("\r\n\r\n")  # to the end
    except TimeoutError:
        return 0, f"no answer within {ANSWER_LIMIT:.0f} s"
    finally:
        writer.close()
    status = head.partition(" ")[2][:3]
    return (int(status) if status.isdigit() else 0), _compact(body) or head


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _compact(body: str) -> str:
    with suppress(ValueError):
        return json.dumps(json.loads(body))
    return body.strip()


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken by another program; choose another with --port"
    return f"cannot listen on port {port} of {host}: {error.strerror}"
