"""Tells Tallystick of the accesses that were refused, in batches, beside the requests: it never slows or breaks one."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any
from uuid import uuid4

import httpx

from tallystick_guard.errors import Refused, Unavailable
from tallystick_guard.keys import IssuerKeys
from tallystick_guard.request import Scope, told
from tallystick_guard.waiting import Waiting

log = logging.getLogger(__name__)

OWN_API = "urn:tallystick:api"
SCOPE = "access:report"
PATH = "/access/rejected"

_BATCH = 50
_KEPT = 10_000
_PAUSE = 0.25
_RETRY = 5.0
_SHOWN = 200
_LONGEST_SCOPE = 2_048
_SPOILT = re.compile(r"rejections\[(\d{1,3})\]")
_OK, _BAD_REQUEST, _UNAUTHORIZED, _TOO_LARGE = 200, 400, 401, 413


class Reporter:
    """Sends what it is given as the client `client_id`, which may ask for a token with the scope `access:report`.

    It keeps up to 10,000 that are not yet sent; of more, some are dropped (see `Waiting`), and their number is sent
    instead.
    """

    def __init__(
        self, client_id: str, secret: str, issuer: str, api: str, keys: IssuerKeys, http: httpx.AsyncClient
    ) -> None:
        self._auth = httpx.BasicAuth(client_id, secret)
        self._address = f"{issuer}{PATH}"
        self._api = api
        self._keys = keys
        self._http = http
        self._waiting = Waiting(_KEPT)
        self._token = ""
        self._token_until = 0.0
        self._sending: asyncio.Task[None] | None = None

    def put(self, rejection: dict[str, Any]) -> None:
        """Have a rejection sent soon."""
        self._waiting.put({"id": uuid4().hex, **rejection})
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name="tallystick-guard-report")

    async def close(self, timeout: float = 2.0) -> None:
        """Send what waits, for `timeout` seconds at most."""
        if self._sending is None:
            return
        if not self._sending.done():
            await asyncio.wait((self._sending,), timeout=timeout)
        self._sending.cancel()
        await asyncio.wait((self._sending,))
        untold = len(self._waiting) + self._waiting.dropped
        if untold:
            log.warning("%d refusals were not reported", untold)

    async def _send_all(self) -> None:
        """Send until nothing waits. What was not taken is sent again, so that one may be told twice after a fault."""
        while self._waiting or self._waiting.dropped:
            await asyncio.sleep(_PAUSE)
            batch, dropped = self._waiting.first(_BATCH), self._waiting.dropped
            try:
                taken = await self._send(batch, dropped)
            except (httpx.HTTPError, ValueError, KeyError, TypeError, Unavailable) as error:
                log.warning("refusals are not reported yet: %s", str(error) or type(error).__name__)
                taken = False
            if not taken:
                await asyncio.sleep(_RETRY)
                continue
            self._waiting.dropped -= dropped
            self._waiting.remove(batch)

    async def _send(self, batch: list[dict[str, Any]], dropped: int) -> bool:
        """Whether the batch is done with."""
        if time.monotonic() > self._token_until:
            await self._fetch_token()
        body = {"api": self._api, "rejections": batch, "dropped": dropped}
        answer = await self._http.post(self._address, json=body, headers={"authorization": f"Bearer {self._token}"})
        if answer.status_code == _OK:
            return True
        if answer.status_code == _UNAUTHORIZED:
            self._token_until = 0.0
        spoilt = _spoilt(answer)
        if spoilt is not None and spoilt < len(batch) and len(batch) > 1:
            log.warning("a refusal cannot be reported: %s", answer.text[:200])
            return await self._send([*batch[:spoilt], *batch[spoilt + 1 :]], dropped)
        log.warning("a report of refusals was answered with status %d: %s", answer.status_code, answer.text[:200])
        return answer.status_code in {_BAD_REQUEST, _TOO_LARGE}  # it would be answered so for ever

    async def _fetch_token(self) -> None:
        """Raises Unavailable, httpx.HTTPError or ValueError."""
        address = (await self._keys.metadata()).get("token_endpoint")
        if not isinstance(address, str):
            raise Unavailable("the issuer's metadata names no token_endpoint")
        form = {"grant_type": "client_credentials", "resource": OWN_API, "scope": SCOPE}
        answer = await self._http.post(address, data=form, auth=self._auth)
        if answer.status_code != _OK:
            raise Unavailable(f"no token for reporting: {answer.text[:200]}")
        token = answer.json()
        self._token = str(token["access_token"])
        self._token_until = time.monotonic() + max(1.0, float(token.get("expires_in", 60)) - 30.0)


def rejection_of(scope: Scope, refused: Refused, route: str | None) -> dict[str, Any]:
    """What is told of a request that was refused. `route` is what the path is called."""
    access, sender = refused.access, told(scope)
    rejection: dict[str, Any] = {
        "at": time.time(),
        "method": str(scope.get("method", "GET"))[:16],  # as a WebSocket begins
        "route": (route or str(scope["path"]))[:_SHOWN],
        "reason": refused.reason,
        "status": refused.status,
        "required_scope": " ".join(sorted(refused.needs.scopes))[:_LONGEST_SCOPE],
        "source_address": sender.get("source_address"),
        "user_agent": sender.get("user_agent"),
    }
    if access is not None:
        rejection |= {
            "present_scope": " ".join(sorted(access.scopes))[:_LONGEST_SCOPE],
            "client_id": access.client_id,
            "token_id": access.token_id or None,
        }
    return rejection


def _spoilt(answer: httpx.Response) -> int | None:
    """Which refusal of a batch cannot be taken, where the answer says so: the others must not go with it."""
    try:
        found = _SPOILT.match(str(answer.json()["parameter"])) if answer.status_code == _BAD_REQUEST else None
    except (ValueError, KeyError, TypeError):
        return None
    return None if found is None else int(found.group(1))
