"""The limits of one worker: who may ask now, and which refusals are journalled one by one.

    limit               counts                                                   who is over it
    source              requests that prove nothing: no client, person or token  429, unless it proves something
    client              requests of a client that proved who it is               429
    account             what a signed-in person does on the pages                429
    global              all requests                                             429
    source_refusals     refusals, of those that prove nothing                    answered as ever, and counted
    client_refusals     refusals, of a client that proved who it is              answered as ever, and counted
    account_refusals    refusals, of a signed-in person                          answered as ever, and counted
    refusals            all of those that prove nothing                          answered as ever, and counted
    proven_refusals     all others                                               answered as ever, and counted

What is counted becomes one `access.throttled` event for each window. A source on this machine itself, most likely a
proxy that nobody said is one, has no limit of its own.

Of each target, a grant or a client that a refusal names, some refusals have events of their own whatever else goes on:
who floods cannot hide what else it tries.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time

from projections.login_failures import network_of
from service.errors import TooManyRequests
from service.http.addresses import is_loopback
from service.journal.port import JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.limits.buckets import Buckets, Limit
from service.limits.endpoints import FOR_GATEWAYS, MAY_PROVE
from service.limits.recording import record, tell
from service.limits.sharing import share
from service.limits.windows import Throttled, What, Who
from service.settings import Settings
from service.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_SHARE_SECONDS = 0.25
_TELL_EVERY = 20
_ALL = ""
_MOST_HELD = 1_000
_ALL_TIMES = 10
"""All callers together may have so many times as many refusals journalled one by one as each of them."""
_TARGET = Limit("targets", rate=0.1, burst=20)

TOO_MANY = "too_many_requests"


class Limits:
    """What one worker knows of them; `run` keeps it in step with the others."""

    def __init__(self, settings: Settings, journal: PostgresJournal, metrics: Metrics) -> None:
        self._journal = journal
        self._metrics = metrics
        self._window = settings.throttle_window
        self._throttled = Throttled()
        self._hold = settings.throttle_hold
        self._held = 0
        refusal_rate, refusal_burst = settings.refusal_rate, settings.refusal_burst
        self._source = Buckets(Limit("source", settings.source_rate, settings.source_burst))
        self._client = Buckets(Limit("client", settings.client_rate, settings.client_burst))
        self._account = Buckets(Limit("account", settings.account_rate, settings.account_burst))
        self._global = Buckets(Limit("global", settings.global_rate, settings.global_burst))
        self._source_refusals = Buckets(Limit("source_refusals", refusal_rate, refusal_burst, penalty=True))
        self._client_refusals = Buckets(Limit("client_refusals", refusal_rate, refusal_burst, penalty=True))
        self._account_refusals = Buckets(Limit("account_refusals", refusal_rate, refusal_burst, penalty=True))
        all_rate, all_burst = _ALL_TIMES * refusal_rate, _ALL_TIMES * refusal_burst
        self._refusals = Buckets(Limit("refusals", all_rate, all_burst, penalty=True))
        self._proven_refusals = Buckets(Limit("proven_refusals", all_rate, all_burst, penalty=True))
        self._targets = Buckets(_TARGET)

    # --- may they ask? -----------------------------------------------------------------------------------------

    def admit(self, endpoint: str, address: str | None) -> TooManyRequests | None:
        """Let a request in; with what to refuse it for unless it proves something. Raises TooManyRequests."""
        now, doubt = time.monotonic(), None
        source = self._limited(address)
        if source is not None and endpoint != FOR_GATEWAYS and (waiting := self._source.wait(source, now)):
            doubt = too_many_requests(self._source.limit, waiting)
            if endpoint not in MAY_PROVE:
                raise self.refused_to_source(endpoint, address, doubt)
        if self._global.on:
            self._check(endpoint, self._global, Who("global"), self._global.take(_ALL, now))
        return doubt

    def refused_to_source(self, endpoint: str, address: str | None, doubt: TooManyRequests) -> TooManyRequests:
        """Count a request that was one too many of its source; returns what to refuse it for."""
        self._count(endpoint, Who("source", self._limited(address)), doubt)
        return doubt

    def reserves(self, target: str | None) -> bool:
        """Whether a refusal about this target has an event of its own whatever else goes on."""
        return target is not None and not self._targets.wait(target, time.monotonic())

    def proved_nothing(self, address: str | None) -> None:
        """Count a request, once it is answered, that proved neither a client nor a person nor a token."""
        source = self._limited(address)
        if source is not None:
            self._source.take(source, time.monotonic())

    def admit_client(self, endpoint: str, client_id: str, *, once: bool = False) -> None:
        """Let a client that proved who it is go on; with a proof that counts `once`, it is yet to be counted.

        Raises TooManyRequests.
        """
        now = time.monotonic()
        waiting = self._client.wait(client_id, now) if once else self._client.take(client_id, now)
        self._check(endpoint, self._client, Who("client", client_id=client_id), waiting)

    def proved_once(self, client_id: str) -> None:
        """Count a request of a client whose proof was used up."""
        self._client.take(client_id, time.monotonic())

    def admit_account(self, endpoint: str, subject: str) -> None:
        """Let a signed-in person go on. Raises TooManyRequests."""
        waiting = self._account.take(subject, time.monotonic())
        self._check(endpoint, self._account, Who("account", account=subject), waiting)

    async def hold(self) -> None:
        """Hold the answer to a request over a limit back for a moment: who asks on and on waits for each.

        Not all for the same time, or those of many connections would come again together.
        """
        if self._held >= _MOST_HELD or not self._hold:
            return
        self._held += 1
        try:
            await asyncio.sleep(self._hold * random.uniform(0.5, 1.5))  # noqa: S311 it keeps no secret
        finally:
            self._held -= 1

    # --- is it journalled? -------------------------------------------------------------------------------------

    def may_journal(
        self,
        refused: What,
        address: str | None,
        *,
        client_id: str | None = None,
        account: str | None = None,
        target: str | None = None,
    ) -> bool:
        """Whether a refusal gets an event of its own; else it is counted in that of its window.

        `client_id` is the client that proved who it is, `account` the subject of who is signed in, None where none is.
        `target` is the grant or the client that it names, if it names one that there is.
        """
        now = time.monotonic()
        if target is not None and not self._targets.take(target, now):
            return True
        if account is not None:
            waiting = self._account_refusals.take(account, now)
            who = Who("account_refusals", account=account)
        elif client_id is not None:
            waiting = self._client_refusals.take(client_id, now)
            who = Who("client_refusals", client_id=client_id)
        elif (source := self._limited(address)) is not None:
            waiting = self._source_refusals.take(source, now)
            who = Who("source_refusals", source)
        else:
            waiting, who = 0.0, Who("refusals")
        if not waiting:
            altogether = self._refusals if client_id is None and account is None else self._proven_refusals
            waiting, who = altogether.take(_ALL, now), who._replace(limit=altogether.limit.name)
        if waiting:
            self._throttled.count(who, refused)
            self._metrics.summarised(who.limit, 1)
        return not waiting

    # --- in step with the others ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Share, record and tell, until cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(_SHARE_SECONDS)
            rounds += 1
            try:
                await self.keep_in_step()
                if rounds % _TELL_EVERY == 0:
                    await self.tell()
            except Exception:
                log.exception("limits are not in step with other workers")

    async def keep_in_step(self) -> None:
        """Share what was taken, and record what was throttled."""
        await share(self._journal, self._all)
        await record(self._journal, self._throttled, self._window)

    async def tell(self) -> None:
        """Commit the events of windows that are over, and forget who has not asked for long."""
        now = time.monotonic()
        for buckets in self._all:
            buckets.forget_full(now)
        try:
            await tell(self._journal)
        except JournalUnavailable as error:
            log.warning("what was throttled is told later: %s", error)

    @property
    def _all(self) -> tuple[Buckets, ...]:
        return (
            *(self._source, self._client, self._account, self._global),
            *(self._source_refusals, self._client_refusals, self._account_refusals),
            *(self._refusals, self._proven_refusals, self._targets),
        )

    def _check(self, endpoint: str, buckets: Buckets, who: Who, waiting: float) -> None:
        if not waiting:
            return
        refused = too_many_requests(buckets.limit, waiting)
        self._count(endpoint, who, refused)
        raise refused

    def _count(self, endpoint: str, who: Who, refused: TooManyRequests) -> None:
        self._throttled.count(who, What(endpoint, refused.error, refused.reason, refused.status))
        self._metrics.throttled(who.limit, endpoint)

    @staticmethod
    def _limited(address: str | None) -> str | None:
        return None if address is None or is_loopback(address) else network_of(address)


def too_many_requests(limit: Limit, waiting: float) -> TooManyRequests:
    """The refusal of a request over a limit, which may be made again in so many seconds.

    Its headers are `Retry-After` (RFC 9110 section 10.2.3) and the fields of draft-ietf-httpapi-ratelimit-headers.
    """
    seconds = max(1, math.ceil(waiting))
    policy = f'"{limit.name}";q={limit.burst};w={max(1, math.ceil(limit.burst / limit.rate))}'
    refused = TooManyRequests(TOO_MANY, "There are too many requests. Please wait a little, then try again.")
    refused.headers = (
        (b"retry-after", str(seconds).encode()),
        (b"ratelimit-policy", policy.encode()),
        (b"ratelimit", f'"{limit.name}";r=0;t={seconds}'.encode()),
    )
    return refused
