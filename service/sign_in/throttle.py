"""How often signing in may fail, by account and by source, before it is refused unseen."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from projections.login_failures import LoginFailures, network_of
from service.browser.visit import Visit
from service.errors import TooManyAttempts
from service.settings import Settings
from service.sign_in.failure import LoginMethod

_ASK_AGAIN = 1
"""Seconds to wait where other attempts are still under way: how they end is known by then."""


class Throttle:
    """Lets an attempt begin, or not.

    Attempts under way on this worker count as failures until they are done, so that many at once get no further than
    one after the other. A success forgives nothing: somebody with an account of their own could wipe the slate clean
    between guesses at another's. An account is throttled by what was typed, whether it exists or not, so that this
    tells nobody which names do. A passkey cannot be guessed, and is not throttled: nobody is locked out of theirs by
    what others do, be it at the same address.

    There is one for all the pages of a worker, so that an attempt counts at each of them.
    """

    def __init__(self, failures: LoginFailures, settings: Settings) -> None:
        self._failures = failures
        self._window = settings.login_failures_window
        self._per_account = settings.login_failures_per_account
        self._per_source = settings.login_failures_per_source
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def attempt(self, visit: Visit, method: LoginMethod, account: str) -> Iterator[None]:
        """An attempt under way, for the body's duration; in it, a failure is committed and folded (`login_failed`).

        `account` is what it guesses at, a subject or the digest of a name that is nobody's. Raises TooManyAttempts.
        """
        places = list(self._places(account, visit.request.source))
        try:
            for place, failed, limit in places:
                self._admit(place, failed, limit)
        except TooManyAttempts:
            visit.core.metrics.signed_in(method, "throttled")
            raise
        self._under_way.update(place for place, _, _ in places)
        try:
            yield
        finally:
            self._under_way -= Counter(place for place, _, _ in places)

    def _places(self, account: str, source: str | None) -> Iterator[tuple[str, tuple[float, ...], int]]:
        yield f"account {account}", self._failures.of_account(account), self._per_account
        if source is not None:
            yield f"source {network_of(source)}", self._failures.of_source(source), self._per_source

    def _admit(self, place: str, failed: tuple[float, ...], limit: int) -> None:
        since = time.time() - self._window
        recent = [moment for moment in failed if moment > since]
        if len(recent) + self._under_way[place] < limit:
            return
        wait = math.ceil(recent[-limit] - since) if len(recent) >= limit else _ASK_AGAIN
        raise TooManyAttempts(
            "login_throttled",
            "Too many attempts to sign in have failed. Please wait a little, then try again.",
            max(wait, _ASK_AGAIN),
            detail=place,
        )
