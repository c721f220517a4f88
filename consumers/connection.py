"""One connection to NATS that is not repaired behind its user's back.

Whoever loses it makes a new one and looks where the stream is: nothing is buffered, so nothing is sent late or taken
for delivered that was not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

log = logging.getLogger(__name__)

T = TypeVar("T")


class NatsUnavailable(Exception):
    """NATS cannot be reached, was lost, or did not answer in time. The message holds no password."""


class ApiError(msgspec.Struct, frozen=True):
    """JetStream's own error: `err_code` is stable, `description` is for people."""

    code: int
    err_code: int = 0
    description: str = ""


class Connection:
    """A connected client. `timeout` is in seconds; `lost` is set when the connection is gone."""

    def __init__(self, client: Client, timeout: float, lost: asyncio.Event) -> None:
        self.client = client
        self.lost = lost
        self._timeout = timeout

    async def request(self, subject: str, body: object = None) -> Msg:
        """The answer to a JetStream API request (`body` as JSON). Raises NatsUnavailable."""
        payload = b"" if body is None else msgspec.json.encode(body)
        try:
            return await self.while_connected(self.client.request(subject, payload, timeout=self._timeout))
        except errors.NoRespondersError as error:
            raise NatsUnavailable("JetStream does not answer") from error

    async def while_connected(self, work: Awaitable[T]) -> T:
        """The result of `work`, given up when it takes too long or the connection is lost. Raises NatsUnavailable."""
        task = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait((task, lost), timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise NatsUnavailable("the connection to NATS was lost" if lost.done() else _too_slow(self._timeout))
            return task.result()
        except (errors.TimeoutError, TimeoutError) as error:
            raise NatsUnavailable(_too_slow(self._timeout)) from error
        except (errors.NoRespondersError, NatsUnavailable):
            raise
        except (errors.Error, OSError) as error:
            raise NatsUnavailable(f"NATS: {error}") from error
        finally:
            task.cancel()
            lost.cancel()

    async def close(self) -> None:
        """Disconnect, also from a server that no longer answers."""
        await _close(self.client)


@asynccontextmanager
async def connected(
    url: str, name: str, timeout: float = 5.0, client: Client | None = None
) -> AsyncIterator[Connection]:
    """A connection for the body's duration. Raises NatsUnavailable when there is none to be had."""
    connection = await connect(url, name, timeout, client)
    try:
        yield connection
    finally:
        await connection.close()


async def connect(url: str, name: str, timeout: float = 5.0, client: Client | None = None) -> Connection:
    """Connect to one of the servers of `url` (nats:// URLs, separated by commas) within `timeout` seconds.

    `client` is one that was not used yet, of a kind of one's own. Raises NatsUnavailable.
    """
    client, lost, problems = client or Client(), asyncio.Event(), _Problems()
    options: dict[str, Any] = {
        "name": name,
        "error_cb": problems.note,
        "closed_cb": _setter(lost),
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0.05,
        "connect_timeout": max(1, int(timeout)),
    }
    try:
        await _finished(client.connect(url.split(","), **options), timeout)
    except BaseException as error:
        await _close(client)
        if not isinstance(error, (errors.Error, OSError, EOFError, TimeoutError)):
            raise
        reason = problems.last or error
        raise NatsUnavailable(f"no connection to NATS: {str(reason) or type(reason).__name__}") from error
    problems.connected = True
    return Connection(client, timeout, lost)


class _Problems:
    """Remembers why connecting failed; once connected, logs what the client reports."""

    def __init__(self) -> None:
        self.last: Exception | None = None
        self.connected = False

    async def note(self, error: Exception) -> None:
        self.last = error
        if self.connected:
            log.warning("NATS: %s", error)


def _setter(event: asyncio.Event) -> Any:
    async def closed() -> None:
        event.set()

    return closed


async def _close(client: Client) -> None:
    try:
        with contextlib.suppress(errors.Error, OSError, TimeoutError, AssertionError):
            await _finished(client.close(), 1.0)
    finally:
        # A server that reads no more keeps the client from coming to this point of its own closing.
        if client._transport is not None:  # noqa: SLF001 nothing public lets go of the socket
            client._transport.close()  # type: ignore[no-untyped-call]  # noqa: SLF001


async def _finished(work: Awaitable[None], timeout: float) -> None:
    """Return when `work` is done. Given up after `timeout` seconds by TimeoutError.

    A cancellation always ends this call. nats-py itself can lose one: it waits by Python 3.11's `asyncio.wait_for`,
    which forgets a cancellation that comes together with the answer.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=timeout)
        if not task.done():
            raise TimeoutError
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=1.0)


def _too_slow(timeout: float) -> str:
    return f"NATS did not answer within {timeout:g} s"
