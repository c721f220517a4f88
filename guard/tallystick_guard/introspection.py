"""Asking the issuer whether a token is active (RFC 7662)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from functools import partial
from typing import Any

import httpx

from tallystick_guard.access import Access
from tallystick_guard.errors import Refused, Unavailable
from tallystick_guard.jwt_tokens import bad_token, check_bearer
from tallystick_guard.keys import IssuerKeys

log = logging.getLogger(__name__)

_OK = 200
_KEPT = 10_000


class Introspection:
    """Asks as the client `client_id`, which must be one that introspects `audience`. Who asks about one token at the
    same time shares the question.

    At most `most` questions are under way, and as many more wait for their turn: so however many tokens somebody
    invents, neither this API nor the issuer is kept busy with more. Beyond that the answer is `Unavailable`, at once.
    """

    def __init__(
        self,
        client_id: str,
        secret: str,
        issuer: str,
        audience: str,
        keys: IssuerKeys,
        http: httpx.AsyncClient,
        ttl: float,
        most: int = 50,
    ) -> None:
        self._auth = httpx.BasicAuth(client_id, secret)
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._http = http
        self._ttl = ttl
        self._most = most
        self._turn = asyncio.Semaphore(most)
        self._refused: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Access]] = {}

    async def ask(self, token: str, digest: bytes, told: dict[str, str]) -> Access:
        """The rights that an active token gives. `told` says what is known of who presented it.

        Raises Refused or Unavailable.
        """
        until, reason = self._refused.get(digest, (0.0, ""))
        if until > time.monotonic():
            raise bad_token(reason)
        asking = self._asking.get(digest)
        if asking is None:
            if len(self._asking) >= 2 * self._most:
                raise Unavailable("too many introspections are under way")
            asking = self._asking[digest] = asyncio.create_task(self._ask(token, told))
            asking.add_done_callback(partial(self._done, digest))
        await asyncio.wait((asking,))
        if asking.cancelled():
            raise Unavailable("the guard is closing")
        error = asking.exception()
        if isinstance(error, Refused):
            self._remember(digest, error.reason)
            raise bad_token(error.reason)  # one of each request's own
        return asking.result()

    async def close(self) -> None:
        """Give up what is under way."""
        for asking in list(self._asking.values()):
            asking.cancel()
        if self._asking:
            await asyncio.wait(list(self._asking.values()))

    def _remember(self, digest: bytes, reason: str) -> None:
        """Who presents it again soon causes no question."""
        self._refused[digest] = (time.monotonic() + self._ttl, reason)
        self._refused.move_to_end(digest)
        if len(self._refused) > _KEPT:
            self._refused.popitem(last=False)

    def _done(self, digest: bytes, asking: asyncio.Task[Access]) -> None:
        del self._asking[digest]
        if not asking.cancelled():
            asking.exception()  # who asked may have gone

    async def _ask(self, token: str, told: dict[str, str]) -> Access:
        address = (await self._keys.metadata()).get("introspection_endpoint")
        if not isinstance(address, str):
            raise Unavailable("the issuer's metadata names no introspection_endpoint")
        try:
            async with self._turn:
                answer = await self._http.post(address, data={"token": token, **told}, auth=self._auth)
            body: Any = answer.json() if answer.status_code == _OK else None
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"introspection failed: {str(error) or type(error).__name__}") from error
        if not isinstance(body, dict):
            log.error(
                "introspection was refused with status %d: see the client that the guard asks as", answer.status_code
            )
            raise Unavailable(f"introspection answered {answer.status_code}")
        if body.get("active") is not True:
            raise bad_token("token_not_active")
        return self._access(body)

    def _access(self, body: dict[str, Any]) -> Access:
        audience = body.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise bad_token("token_of_other_audience")
        if body.get("iss", self._issuer) != self._issuer:
            raise bad_token("token_of_other_issuer")
        check_bearer(body)
        try:
            return Access.of_claims(body)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise bad_token("bad_claims") from None
