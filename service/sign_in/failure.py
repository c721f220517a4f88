"""A proof that did not hold: an event, before anybody is told."""

from __future__ import annotations

from typing import Literal

from schema.events import LoginFailed
from schema.streams import new_stream
from service.browser.visit import Visit

LoginMethod = Literal["pwd", "otp", "recovery", "passkey"]


class NotProven(Exception):
    """Somebody did not prove who they are. `reason` is for the audit alone; `subject` is who it was about, if known."""

    def __init__(self, reason: str, subject: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.subject = subject


async def login_failed(
    visit: Visit, method: LoginMethod, reason: str, *, subject: str | None = None, name_digest: str | None = None
) -> None:
    """Commit `login.failed`; on return this worker's throttle counts it. Raises JournalUnavailable.

    `name_digest` is there where the name is nobody's: it may be a password, typed into the wrong field.
    """
    event = LoginFailed(
        reason=reason,
        method=method,
        subject=subject,
        name_digest=name_digest,
        client_id=visit.exchange.client_id,
        user_agent=visit.request.user_agent,
    )
    appended = await visit.exchange.append(new_stream(), 0, event)
    visit.core.metrics.signed_in(method, "failed")
    await visit.core.follower.folded(appended.last)
