"""People who are signed in at a browser, and what a sign-out did."""

from __future__ import annotations

import json
from typing import Any

from tests.oidc.world import Given, OidcWorld, SignedInSession
from tests.people import Browser, Page

LOGOUT = "/oauth2/logout"
CONFIRM = "/oauth2/logout/confirm"
BACK = "https://app.example.com/signed-out"


async def signed_in(world: OidcWorld, **settings: Any) -> tuple[Given, SignedInSession, Browser]:
    """A person with a browser, and their grant to a client that may be gone back to."""
    client = await world.client(**({"post_logout_redirect_uris": (BACK, f"{BACK}?from=here")} | settings))
    session = await world.session(await world.person())
    return await world.grant(client, session, "openid"), session, world.browser(session)


async def ended(world: OidcWorld, session: SignedInSession) -> bool:
    """Whether a session is over, by its events."""
    return (await world.core.sessions.reload(session.id)).ended


async def types_after(world: OidcWorld, position: int) -> list[str]:
    """The types of the events committed after a position."""
    return [event.type for event in await world.events_after(position)]


async def refused(world: OidcWorld, browser: Browser, reason: str, **query: Any) -> Page:
    """A request that is refused: an error page, one event, and no redirect whatever."""
    before = await world.core.journal.head()
    page = await browser.get(LOGOUT, **query)
    (event,) = await world.events_after(before)
    data = json.loads(event.data)
    assert ("access.rejected", "logout", reason) == (event.type, data["endpoint"], data["reason"])
    assert page.status == 400
    assert "location" not in page.headers
    return page
