"""The issuer's public keys (RFC 7517), found by its metadata (RFC 8414), kept, and fetched anew when they change.

However many requests wait, one fetch is under way. A key id that is not known is looked for at most once in
`_COOLDOWN` seconds, so that tokens with invented ones cause no traffic. When the issuer does not answer, the keys of
before serve for `_STALE` seconds more.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from tallystick_guard.errors import Unavailable

log = logging.getLogger(__name__)

_DEFAULT_AGE = 300
_SHORTEST, _LONGEST = 30, 3_600
_COOLDOWN = 10.0
_STALE = 3_600.0
_PAUSE = 1.0
_MAX_AGE = re.compile(r"max-age=(\d+)")
_LARGEST = 1_000_000


class IssuerKeys:
    """The keys of an issuer for some algorithms. `generation` grows whenever a key is gone or another one."""

    def __init__(self, issuer: str, algorithms: frozenset[str], http: httpx.AsyncClient) -> None:
        self.generation = 0
        self._issuer = issuer
        self._algorithms = algorithms
        self._http = http
        self._keys: dict[str, jwt.PyJWK] = {}
        self._documents: dict[str, Any] = {}
        self._metadata: dict[str, Any] | None = None
        self._due = 0.0
        self._asked = float("-inf")
        self._fetched = float("-inf")
        self._failed: str | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str, alg: str) -> jwt.PyJWK | None:
        """The key of that id for that algorithm; None where the issuer has none. Raises Unavailable."""
        now = time.monotonic()
        unknown = kid not in self._keys and (self._under_way() or now - self._asked > _COOLDOWN)
        if unknown or now > self._fetched + self._due + _STALE:
            await self._fetch()
        else:
            self.refresh()
        found = self._keys.get(kid)
        if found is None and self._failed is not None:
            raise Unavailable(self._failed)  # it may be a new one
        return found if found is not None and found.algorithm_name == alg else None

    def refresh(self) -> None:
        """Begin to read keys anew that are due; meanwhile those of before serve. Nothing where none were needed yet."""
        now = time.monotonic()
        if self._keys and now > self._fetched + self._due and now - self._asked > _COOLDOWN:
            self._begin()

    async def metadata(self) -> dict[str, Any]:
        """The issuer's metadata, fetched once. Raises Unavailable."""
        if self._metadata is None:
            self._metadata = await self._read_metadata()
        return self._metadata

    async def close(self) -> None:
        """Give up a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait((self._fetching,))

    def _under_way(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._asked = time.monotonic()
            self._fetching = asyncio.create_task(self._read_keys(), name="tallystick-guard-keys")
            self._fetching.add_done_callback(self._ended)
        return self._fetching

    async def _fetch(self) -> None:
        """Have keys that are young enough. Who is cancelled while waiting leaves the fetch to the others."""
        if self._failed is not None and not self._under_way() and time.monotonic() - self._asked < _PAUSE:
            raise Unavailable(self._failed)
        fetching = self._begin()
        await asyncio.wait((fetching,))
        if fetching.cancelled():
            raise Unavailable("the guard is closing")
        if self._failed is not None and time.monotonic() > self._fetched + self._due + _STALE:
            raise Unavailable(self._failed) from fetching.exception()

    def _ended(self, fetching: asyncio.Task[None]) -> None:
        if fetching.cancelled():
            return
        error = fetching.exception()
        self._failed = None if error is None else f"the keys of the issuer cannot be read: {error}"
        if error is not None:
            log.warning("the issuer's keys were not read: %s", error)

    async def _read_metadata(self) -> dict[str, Any]:
        parts = urlsplit(self._issuer)
        address = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        document, _ = await self._get(address)
        if document.get("issuer") != self._issuer:
            raise Unavailable(f"the metadata at {address} is of another issuer")
        return document

    async def _read_keys(self) -> None:
        address = (await self.metadata()).get("jwks_uri")
        if not isinstance(address, str):
            raise Unavailable("the issuer's metadata names no jwks_uri")
        document, age = await self._get(address)
        if not isinstance(document.get("keys"), list):
            raise Unavailable("the issuer's key set is none")
        keys, documents = {}, {}
        for jwk in document["keys"]:
            if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid"), str):
                continue
            try:
                key = jwt.PyJWK(jwk)
            except jwt.PyJWTError:
                continue  # of a kind that is not known here
            if key.algorithm_name in self._algorithms:
                keys[jwk["kid"]], documents[jwk["kid"]] = key, jwk
        if any(documents.get(kid) != jwk for kid, jwk in self._documents.items()):
            self.generation += 1
        self._keys, self._documents, self._due = keys, documents, age
        self._fetched = time.monotonic()

    async def _get(self, address: str) -> tuple[dict[str, Any], float]:
        """A JSON object, and for how many seconds it is fresh. Raises Unavailable."""
        try:
            answer = await self._http.get(address, headers={"accept": "application/json"})
            answer.raise_for_status()
            document = answer.json() if len(answer.content) <= _LARGEST else None
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"{address} cannot be read: {str(error) or type(error).__name__}") from error
        if not isinstance(document, dict):
            raise Unavailable(f"{address} is no JSON object")
        found = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        age = int(found.group(1)) if found else _DEFAULT_AGE
        return document, float(min(max(age, _SHORTEST), _LONGEST))
