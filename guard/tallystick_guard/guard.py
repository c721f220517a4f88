"""The guard: whether a request may be served, by its access token."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import httpx

from tallystick_guard import jwt_tokens
from tallystick_guard.access import NOTHING_MORE, Access, Needs
from tallystick_guard.errors import (
    INSUFFICIENT_AUTHENTICATION,
    INSUFFICIENT_SCOPE,
    INVALID_TOKEN,
    Refused,
    Unavailable,
)
from tallystick_guard.handles import is_access_token
from tallystick_guard.introspection import Introspection
from tallystick_guard.jwt_tokens import NOT_VALID, bad_token
from tallystick_guard.keys import IssuerKeys
from tallystick_guard.metadata import metadata_address
from tallystick_guard.report import Reporter, rejection_of
from tallystick_guard.request import Scope, presented, told
from tallystick_guard.revocations import Revocations

if TYPE_CHECKING:
    from tallystick_guard.live import Live

log = logging.getLogger(__name__)

WhenCutOff = Literal["introspect", "accept", "refuse"]

_DOTS = 2  # of a JWS in compact form


@dataclass(slots=True)
class _Known:
    """A token that was good: what it gives, until when that holds, and by which keys. `asked_until` is how long an
    introspection of it holds.
    """

    access: Access
    until: float
    generation: int
    asked_until: float = 0.0


class Guard:
    """Checks access tokens of `issuer` for the API whose audience is `audience`.

    JWTs are verified here (RFC 9068); opaque tokens, and all tokens with `introspect=True`, by introspection as the
    client `client_id` (RFC 7662), whose answers are kept `introspection_ttl` seconds. At most `introspections_at_once`
    are under way and as many wait; beyond that requests are answered 503, and what cannot be a token of this issuer is
    refused without asking. With `nats_url`, the address of
    a NATS user who may read the audit stream, what is revoked is refused at once; while that is not heard,
    `when_cut_off` says what is done with JWTs (by default: introspect where there is a client to ask as, else accept
    until they expire). `revocation_window` must be at least the lifetime of access tokens. `leeway` is in seconds, for
    clocks that differ.

    Refusals are reported as that client too, unless `report` is false.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        introspect: bool = False,
        introspection_ttl: float = 10.0,
        introspections_at_once: int = 50,
        nats_url: str | None = None,
        when_cut_off: WhenCutOff | None = None,
        revocation_window: float = 3_600.0,
        leeway: float = 5.0,
        cache_size: int = 10_000,
        report: bool = True,
        realm: str = "api",
        timeout: float = 5.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.issuer = issuer.rstrip("/")
        self.audience = audience
        self.realm = realm
        self.resource_metadata = metadata_address(audience)
        self.revocations = Revocations(revocation_window, slack=leeway + 60.0)
        self._http = http or httpx.AsyncClient(timeout=timeout)
        self._keys = IssuerKeys(self.issuer, jwt_tokens.ALGORITHMS, self._http)
        self._introspection: Introspection | None = None
        self._reporter: Reporter | None = None
        if client_id is not None and client_secret is not None:
            self._introspection = Introspection(
                client_id,
                client_secret,
                self.issuer,
                audience,
                self._keys,
                self._http,
                introspection_ttl,
                introspections_at_once,
            )
            if report:
                self._reporter = Reporter(client_id, client_secret, self.issuer, audience, self._keys, self._http)
        self._introspect = introspect
        self._ttl = introspection_ttl
        self._when_cut_off: WhenCutOff = when_cut_off or ("introspect" if self._introspection else "accept")
        if self._introspection is None and (introspect or self._when_cut_off == "introspect"):
            raise ValueError("introspection needs a client_id and a client_secret")
        self._leeway = leeway
        self._size = cache_size
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._live: Live | None = None if nats_url is None else _live(nats_url, self.revocations)
        self._forgets_at = 0.0
        self._started = False

    async def start(self, timeout: float = 5.0) -> None:
        """Begin what runs beside the requests, and wait for what was revoked lately, `timeout` seconds at most.

        A guard that was not started starts with its first request, without waiting.
        """
        self._begin()
        if self._live is not None:
            await self._live.complete(timeout)

    async def close(self) -> None:
        """Send what is still to be reported, and disconnect."""
        if self._live is not None:
            await self._live.close()
        if self._reporter is not None:
            await self._reporter.close()
        if self._introspection is not None:
            await self._introspection.close()
        await self._keys.close()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def authorize(self, scope: Scope, needs: Needs = NOTHING_MORE, route: str | None = None) -> Access:
        """The rights of a request whose token is good and enough. `route` is what reports call the path.

        Raises Refused, which is reported, or Unavailable.
        """
        self._begin()
        try:
            token = presented(scope)
            digest = sha256(token.encode("ascii")).digest()
            known = self._known.get(digest)
            now = time.time()
            if known is None or known.until <= now or known.generation != self._keys.generation:
                known = await self._check(token, digest, scope, now)
            else:
                self._keys.refresh()  # one that signed it may be withdrawn
            if self._live is not None:
                await self._check_live(token, digest, scope, known, now)
            access = known.access
            if needs is not NOTHING_MORE:
                _check_enough(access, needs, now)
        except Refused as refused:
            refused.needs = needs
            self._report(scope, refused, route)
            raise
        return access

    def _begin(self) -> None:
        """Start, once, however often it is asked to."""
        if not self._started:
            self._started = True
            if self._live is not None:
                self._live.start()

    async def _check(self, token: str, digest: bytes, scope: Scope, now: float) -> _Known:
        """Verify a token that is not known, or not any more."""
        if self._introspect or token.count(".") != _DOTS:
            self._check_shape(token)
            access = await self._ask(token, digest, scope)
            until = min(access.expires_at, now + self._ttl)
        else:
            access = await jwt_tokens.verify(token, self._keys, self.issuer, self.audience, self._leeway)
            until = access.expires_at + self._leeway
        known = self._known[digest] = _Known(access, until, self._keys.generation)
        self._known.move_to_end(digest)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return known

    def _check_shape(self, token: str) -> None:
        """Refuse, without asking, what cannot be a token of this issuer for this API. Raises Refused."""
        if token.count(".") == _DOTS:
            jwt_tokens.check_unverified(token, self.issuer, self.audience, self._leeway)
        elif not is_access_token(token):
            raise bad_token("token_malformed")

    async def _ask(self, token: str, digest: bytes, scope: Scope) -> Access:
        if self._introspection is None:
            raise bad_token("token_malformed")
        return await self._introspection.ask(token, digest, told(scope))

    async def _check_live(self, token: str, digest: bytes, scope: Scope, known: _Known, now: float) -> None:
        """Refuse what was taken away; where that cannot be known, do what is to be done when cut off."""
        live, revocations, access = self._live, self.revocations, known.access
        if now > self._forgets_at:
            revocations.forget(now)
            self._forgets_at = now + 60.0
        if revocations.ended(access):
            self._known.pop(digest, None)
            raise Refused(INVALID_TOKEN, "token_revoked", NOT_VALID, access=access)
        if live is not None and live.current and access.expires_at - access.issued_at <= revocations.window:
            return
        if self._when_cut_off == "accept" or self._introspect:
            return
        if self._when_cut_off == "refuse":
            raise Unavailable("the audit stream is not heard")
        if known.asked_until <= now:
            await self._ask(token, digest, scope)
            known.asked_until = now + self._ttl

    def _report(self, scope: Scope, refused: Refused, route: str | None) -> None:
        log.info("refused %s %r: %s", scope.get("method"), route or scope["path"], refused.reason)
        if self._reporter is None:
            return
        self._reporter.put(rejection_of(scope, refused, route))


def _check_enough(access: Access, needs: Needs, now: float) -> None:
    """Raise Refused unless the rights are what is needed."""
    if not needs.scopes <= access.scopes:
        raise Refused(
            INSUFFICIENT_SCOPE, "scope_missing", "The access token has not the scope that is needed.", access=access
        )
    if not needs.roles <= access.roles:
        raise Refused(INSUFFICIENT_SCOPE, "role_missing", "A role that is needed is missing.", access=access)
    if needs.acr and access.acr not in needs.acr:
        raise Refused(INSUFFICIENT_AUTHENTICATION, "acr_too_low", "A stronger sign-in is needed.", access=access)
    if needs.max_age is not None and (access.auth_time is None or now - access.auth_time > needs.max_age):
        raise Refused(INSUFFICIENT_AUTHENTICATION, "sign_in_too_old", "A more recent sign-in is needed.", access=access)


def _live(url: str, revocations: Revocations) -> Live:
    try:
        from tallystick_guard.live import Live  # noqa: PLC0415 nats-py is needed by this alone
    except ImportError as error:
        raise ImportError("live revocation needs nats-py: pip install 'tallystick-guard[live]'") from error
    return Live(url, revocations)
