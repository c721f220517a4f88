"""How many wrong user codes may be entered, by a person and from a source, before it is refused unseen (RFC 8628
section 5.1). The limits are those of signing in.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from projections.wrong_user_codes import WrongUserCodes
from service.errors import TooManyAttempts
from service.settings import Settings


class Guesses:
    """Lets a code be entered, or not. A right one forgives nothing."""

    def __init__(self, wrong: WrongUserCodes, settings: Settings) -> None:
        self._wrong = wrong
        self._window = settings.login_failures_window
        self._per_person = settings.login_failures_per_account
        self._per_source = settings.login_failures_per_source
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def one(self, subject: str, source: str | None) -> AsyncIterator[None]:
        """A code is entered, for the body's duration; in it, a wrong one is committed and folded.

        One at a time on a worker, so that many at once get no further than one after the other. Raises
        TooManyAttempts.
        """
        async with self._turn:
            self._admit(self._wrong.of_person(subject), self._per_person, subject)
            self._admit(self._wrong.of_source(source), self._per_source, source or "")
            yield

    def _admit(self, wrong: tuple[float, ...], limit: int, whose: str) -> None:
        since = time.time() - self._window
        recent = [moment for moment in wrong if moment > since]
        if len(recent) >= limit:
            raise TooManyAttempts(
                "user_code_throttled",
                "Too many wrong codes were entered. Please wait a little, then try again.",
                max(1, math.ceil(recent[-limit] - since)),
                detail=whose,
            )
