"""Names to addresses, each checked, for aiohttp, which connects to the very addresses that it is given here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from consumers.webhooks.targets import address_problem

_THREADS = 32
"""Lookups at once. A name is looked up once at a time, so that one whose server is silent takes one of them."""

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
Lookup = Callable[[str, int], list[AddressInfo]]


class AddressRefused(OSError):
    """A name stands for an address that may not be called."""


class CheckedResolver(AbstractResolver):
    """Refuses a name when any of its addresses may not be called. `lookup` is `socket.getaddrinfo`, or a test's."""

    def __init__(self, *, private: bool, lookup: Lookup | None = None) -> None:
        self._private = private
        self._lookup = lookup or _system
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="webhook-names")
        self._asked: dict[tuple[str, int], asyncio.Future[list[AddressInfo]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises AddressRefused or another OSError."""
        found = await asyncio.shield(self._asking(host, port))
        results = [_result(host, info) for info in found if family in {socket.AF_UNSPEC, info[0]}]
        if not results:
            raise OSError(f"{host} has no address")
        for result in results:
            if problem := address_problem(result["host"], private=self._private):
                raise AddressRefused(f"{host} is {result['host']}, which {problem}")
        return results

    async def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asking(self, host: str, port: int) -> asyncio.Future[list[AddressInfo]]:
        key = (host, port)
        if key not in self._asked:
            asking = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host, port)
            self._asked[key] = asking
            asking.add_done_callback(lambda done: self._forget(key, done))
        return self._asked[key]

    def _forget(self, key: tuple[str, int], done: asyncio.Future[list[AddressInfo]]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # Seen, also where everyone who asked has given up.


def _system(host: str, port: int) -> list[AddressInfo]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(f"{host} is not a name of the domain name system") from None


def _result(host: str, info: AddressInfo) -> ResolveResult:
    family, _, protocol, _, address = info
    # A scope of an IPv6 address is the fourth part, and a link-local one is refused: the text alone is the address.
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=int(address[1]),
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
