"""Telling clients that a session ended (OpenID Connect Back-Channel Logout 1.0), in the background.

A notice goes to the address that the client is registered with and nowhere else: redirects are not followed, cookies
not kept, and of the answer only the status counts. What became of it is `logout.notified` in the session's stream.
How many are under way is bounded, in all and for each client, so that one that hangs takes nothing from the others; a
notice too many is not sent, and journalled as that.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import Counter
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp

from projections.access_model import AccessModel, Client
from projections.sessions import Session
from schema.envelope import Context
from schema.events import LogoutNotified
from service.journal.load import StreamLoader
from service.journal.port import Append, Journal, JournalUnavailable, VersionConflict
from service.keys.ring import KeyRing
from service.telemetry.metrics import Metrics
from service.tokens.jwt import LOGOUT_TOKEN_TYP
from service.tokens.subjects import Subjects

log = logging.getLogger(__name__)

EVENT = "http://schemas.openid.net/event/backchannel-logout"

_LIFETIME = 120
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_WAITS = (1.0, 4.0)
_AT_ONCE, _AT_ONCE_PER_CLIENT = 64, 4
_UNDER_WAY, _UNDER_WAY_PER_CLIENT = 1_000, 200
_STOP_SECONDS = 5
_ATTEMPTS = 10
_DONE = range(200, 300)
_TRY_AGAIN = frozenset({429, *range(500, 600)})


class Notice(NamedTuple):
    """One client that is to hear that a session ended. `subject` is the account's, `client` who is told."""

    context: Context
    session_id: UUID
    client: Client
    subject: str


class Outcome(NamedTuple):
    """Whether a client was told, how that is known, and whether another try may change it."""

    delivered: bool
    detail: str
    final: bool = True


class Backchannel:
    """Sends logout tokens, up to three times each, `waits` being the seconds in between."""

    def __init__(
        self,
        *,
        issuer: str,
        access: AccessModel,
        subjects: Subjects,
        ring: KeyRing,
        sessions: StreamLoader[Session],
        journal: Journal,
        metrics: Metrics,
        waits: tuple[float, ...] = _WAITS,
    ) -> None:
        self._issuer = issuer
        self._access = access
        self._subjects = subjects
        self._ring = ring
        self._sessions = sessions
        self._journal = journal
        self._metrics = metrics
        self._waits = waits
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._slots_of: dict[str, asyncio.Semaphore] = {}
        self._under_way: Counter[str] = Counter()

    def notify(self, context: Context, session_id: UUID, client_id: str, subject: str) -> None:
        """Tell a client, if it has an address for that, and return at once."""
        client = self._access.clients.get(client_id)
        if client is None or not client.enabled or client.settings.backchannel_logout_uri is None:
            return
        notice = Notice(context, session_id, client, subject)
        telling = self._tell(notice) if self._has_room(client_id) else self._leave_out(notice)
        task = asyncio.create_task(telling, name="logout-notice")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait until every notice under way has its outcome journalled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Give notices under way a moment, then give them up; that too is journalled."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def _has_room(self, client_id: str) -> bool:
        """Whether one more may be under way; from now on it is."""
        if self._under_way.total() >= _UNDER_WAY or self._under_way[client_id] >= _UNDER_WAY_PER_CLIENT:
            return False
        self._under_way[client_id] += 1
        return True

    async def _leave_out(self, notice: Notice) -> None:
        await self._note(notice, Outcome(delivered=False, detail="too many notices wait"))

    async def _tell(self, notice: Notice) -> None:
        try:
            outcome = await self._deliver(notice)
        except asyncio.CancelledError:
            # Only `stop` cancels, and it waits for what is still to be written down.
            outcome = Outcome(delivered=False, detail="the server stopped")
        except Exception:
            log.exception("a logout notice could not be made")
            outcome = Outcome(delivered=False, detail="the notice could not be made")
        finally:
            self._under_way -= Counter({notice.client.client_id: 1})
        await self._note(notice, outcome)

    async def _note(self, notice: Notice, outcome: Outcome) -> None:
        self._metrics.logout_notified(notice.client.client_id, delivered=outcome.delivered)
        try:
            await self._record(notice, outcome)
        except JournalUnavailable as error:
            log.warning("the outcome of a logout notice could not be journalled: %s", error)

    async def _deliver(self, notice: Notice) -> Outcome:
        outcome = await self._try(notice)
        for seconds in self._waits:
            if outcome.final:
                break
            await asyncio.sleep(seconds)
            outcome = await self._try(notice)
        return outcome

    async def _try(self, notice: Notice) -> Outcome:
        slots = self._slots_of.setdefault(notice.client.client_id, asyncio.Semaphore(_AT_ONCE_PER_CLIENT))
        async with slots, self._slots:
            try:
                # Each try has a token of its own: the client may have seen the one before, and refuse a replay.
                return await self._post(notice, {"logout_token": await self._token(notice)})
            except (aiohttp.ClientError, JournalUnavailable, OSError, TimeoutError) as error:
                return Outcome(delivered=False, detail=type(error).__name__, final=False)

    async def _post(self, notice: Notice, form: dict[str, str]) -> Outcome:
        http = self._http = self._http or _http_session()
        uri = str(notice.client.settings.backchannel_logout_uri)
        async with http.post(uri, data=form, allow_redirects=False) as response:
            status = response.status
        return Outcome(delivered=status in _DONE, detail=f"status {status}", final=status not in _TRY_AGAIN)

    async def _token(self, notice: Notice) -> str:
        """The logout token (section 2.4): no nonce, so that it never passes for an ID token."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": self._subjects.of(notice.client, notice.subject),
            "aud": notice.client.client_id,
            "iat": now,
            "exp": now + _LIFETIME,
            "jti": str(uuid.uuid4()),
            "events": {EVENT: {}},
            "sid": self._subjects.session(notice.client, str(notice.session_id)),
        }
        return (await self._ring.signer()).sign_as(LOGOUT_TOKEN_TYP, claims)

    async def _record(self, notice: Notice, outcome: Outcome) -> None:
        event = LogoutNotified(
            client_id=notice.client.client_id,
            subject=notice.subject,
            delivered=outcome.delivered,
            detail=outcome.detail,
        )
        # One at a time: the notices of one session share its stream, and would be in each other's way.
        async with self._sessions.turn(notice.session_id):
            for _ in range(_ATTEMPTS):
                session = await self._sessions.reload(notice.session_id)
                try:
                    await self._journal.append(Append(notice.session_id, session.version, (event,), notice.context))
                except VersionConflict:
                    continue
                return
        raise JournalUnavailable("the session changes too fast")


def _http_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"user-agent": "Tallystick"},
    )
