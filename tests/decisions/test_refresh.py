from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from projections.grants import Grant
from projections.state import WorkerState
from schema import events
from service.decisions.refresh import Refreshing, RefreshPresented, RefreshReused, decide_refresh, knows
from service.errors import Rejection
from service.settings import SessionEndRevokes, Settings
from tests.decisions.people import (
    API,
    BEGAN,
    GRANT_ID,
    ISSUER,
    REVOKED,
    SCOPE,
    client_named,
    grant_of,
    issued,
    reason_of,
    refreshed,
    state_of,
)

SETTINGS = Settings(refresh_grace=10, refresh_grace_retries=2, refresh_idle_lifetime=1_000)
NOW = BEGAN + 100


def decided(
    digest: str,
    grant: Grant,
    state: WorkerState | None = None,
    *,
    client_id: str = "app",
    now: int = NOW,
    asked: dict[str, str] | None = None,
    settings: Settings = SETTINGS,
    **client: Any,
) -> Refreshing | RefreshReused | str:
    """What a refresh token is worth, or why nothing."""
    state = state or state_of()
    try:
        return decide_refresh(
            state,
            client_named(state, client_id, **client),
            GRANT_ID,
            grant,
            RefreshPresented(digest, **(asked or {})),
            issuer=ISSUER,
            settings=settings,
            now=now,
        )
    except Rejection as rejection:
        return reason_of(rejection)


def used(digest: str, grant: Grant, **question: Any) -> tuple[str, int]:
    """The use, and the generation that comes of it."""
    found = decided(digest, grant, **question)
    assert isinstance(found, Refreshing), found
    return found.use, found.generation


FRESH = grant_of(*issued())
ROTATED = grant_of(*issued(), refreshed(2, 1, NOW, "r0", "r1"))
RETRIED = grant_of(*issued(), refreshed(2, 1, NOW, "r0", "r1"), refreshed(3, 1, NOW, "r0", "r1b", retry=True))
SECOND = grant_of(*issued(), refreshed(2, 1, NOW, "r0", "r1"), refreshed(3, 2, NOW, "r1", "r2"))


def test_first_use_rotates() -> None:
    """It makes the next generation, and an access token of the grant's scope with the next number."""
    found = decided("r0", FRESH)
    assert isinstance(found, Refreshing)
    assert found[:3] == ("rotate", 2, 1)
    assert found.terms == (API, SCOPE, 600, "jwt")


def test_retry_within_the_grace_window_makes_a_sibling() -> None:
    """The generation stays; the first of the siblings that is used makes the next one."""
    assert used("r0", ROTATED) == ("retry", 1)
    assert used("r1", RETRIED) == ("rotate", 2)
    assert used("r1b", RETRIED) == ("rotate", 2)


@pytest.mark.parametrize(("after", "use"), [(0, "retry"), (9, "retry"), (10, "reuse"), (1_000_000, "reuse")])
def test_grace_window_ends(after: int, use: str) -> None:
    """After it the token before is an old one."""
    found = decided("r0", ROTATED, now=NOW + after)
    assert use == (found.use if isinstance(found, Refreshing) else "reuse")
    assert isinstance(found, Refreshing if use == "retry" else RefreshReused)


def test_retries_are_counted() -> None:
    """As many as are set, and not one more."""
    twice = grant_of(
        *issued(),
        refreshed(2, 1, NOW, "r0", "r1"),
        refreshed(3, 1, NOW, "r0", "r1b", retry=True),
        refreshed(4, 1, NOW, "r0", "r1c", retry=True),
    )
    assert used("r0", RETRIED) == ("retry", 1)
    assert decided("r0", twice) == RefreshReused(1)


@pytest.mark.parametrize("digest", ["r0", "r1b", "long ago"])
def test_what_is_neither_present_nor_the_one_before_is_reuse(digest: str) -> None:
    """A thief's sibling is old once the other's was used, though the window is open."""
    grant = grant_of(
        *issued(),
        refreshed(2, 1, NOW, "r0", "r1"),
        refreshed(3, 1, NOW, "r0", "r1b", retry=True),
        refreshed(4, 2, NOW, "r1", "r2"),
    )
    assert decided(digest, grant) == RefreshReused(2)


def test_another_client_can_do_nothing_with_a_refresh_token() -> None:
    """Neither with the present one nor with an old one: the grant of its client lives on."""
    for digest in ("r0", "r1", "r2"):
        assert decided(digest, SECOND, client_id="other") == "refresh_token_of_other_client"


def test_revoked_grant_is_not_revoked_again() -> None:
    """Within the grace window and outside of it, present or old: refused, and that is all."""
    grant = grant_of(*issued(), refreshed(2, 1, NOW, "r0", "r1"), REVOKED)
    for digest in ("r0", "r1", "old"):
        assert decided(digest, grant) == "grant_revoked"


def test_grant_without_a_refresh_token_has_none() -> None:
    """There is nothing to be genuine."""
    for grant in (Grant(), grant_of(), grant_of(*issued(digest=None))):
        assert decided("r0", grant) == "refresh_token_unknown"
        assert not knows(grant, "r0")


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (BEGAN + 999, "rotate"),
        (BEGAN + 1_000, "refresh_token_idle"),
        (BEGAN + 2_592_000, "refresh_token_expired"),
    ],
)
def test_lifetimes(now: int, found: str) -> None:
    """Idle from its last use on, absolute from the grant on."""
    answer = decided("r0", FRESH, now=now)
    assert found == (answer.use if isinstance(answer, Refreshing) else answer)


def test_absolute_lifetime_is_that_of_the_first_token() -> None:
    """Rotation does not prolong it, however often it happens."""
    grant = grant_of(*issued(expires_in=500), refreshed(2, 1, BEGAN + 400, "r0", "r1"))
    assert used("r1", grant, now=BEGAN + 499) == ("rotate", 2)
    assert decided("r1", grant, now=BEGAN + 500) == "refresh_token_expired"


def test_use_puts_the_idle_end_off() -> None:
    """Also where the token stays the same."""
    grant = grant_of(*issued(), refreshed(2, 0, BEGAN + 900, "r0", None))
    state = state_of(refresh_rotation=False)
    assert used("r0", grant, state=state, now=BEGAN + 1_899) == ("keep", 0)
    assert decided("r0", grant, state, now=BEGAN + 1_900) == "refresh_token_idle"


def test_token_of_a_client_without_rotation_stays() -> None:
    """Unless there are two of it, of which one use leaves one; and a public client's rotates always."""
    state = state_of(refresh_rotation=False)
    assert used("r0", FRESH, state=state) == ("keep", 0)
    assert used("r1", RETRIED, state=state) == ("rotate", 2)
    assert used("r0", FRESH, state=state_of(refresh_rotation=False, auth_method="none")) == ("rotate", 1)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (events.AccountDisabled(subject="zoe"), "account_disabled"),
        (events.ConsentWithdrawn(client_id="app", subject="zoe"), "consent_withdrawn"),
    ],
)
def test_what_the_grant_rests_on_must_hold(later: events.Event, reason: str) -> None:
    """For a retry as for a first use."""
    for digest in ("r0", "r1"):
        assert reason == decided(digest, ROTATED, state_of(later))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"scope": "read"}, "read"),
        ({"scope": "openid read"}, "openid read"),
        ({"scope": SCOPE + " more"}, "scope_not_granted"),
        ({"scope": "more"}, "scope_not_granted"),
        ({"resource": API}, SCOPE),
        ({"resource": "https://other.example.com"}, "resource_not_granted"),
        ({"scope": "read  write"}, "malformed_scope"),
    ],
)
def test_less_may_be_asked_for_and_never_more(asked: dict[str, str], found: str) -> None:
    """Scope and resource are within the grant, not within what the client could have asked for."""
    answer = decided("r0", FRESH, asked=asked)
    assert found == (answer.terms.scope if isinstance(answer, Refreshing) else answer)


class _Book:
    """What the rules say, kept in the plainest way: every token's state by itself."""

    def __init__(self) -> None:
        self.current = {"t0"}
        self.previous: str | None = None
        self.rotated_at, self.retries, self.made, self.generation = 0, 0, 0, 0
        self.revoked = False
        self.story: list[events.Event] = list(issued(BEGAN, "t0"))

    def use(self, token: str, now: int) -> str:
        """Use a token; returns what must come of it."""
        if self.revoked:
            return "grant_revoked"
        if token in self.current:
            self.generation += 1
            self.previous, self.rotated_at, self.retries = token, now, 0
            self.current = {self._new(token, now, retry=False)}
            return "rotate"
        if token == self.previous and now - self.rotated_at < 10 and self.retries < 2:
            self.retries += 1
            self.current.add(self._new(token, now, retry=True))
            return "retry"
        self.revoked = True
        self.story.append(REVOKED)
        return "reuse"

    def _new(self, token: str, now: int, *, retry: bool) -> str:
        self.made += 1
        number = self.made + 1
        self.story.append(refreshed(number, self.generation, now, token, f"t{self.made}", retry=retry))
        return f"t{self.made}"


@hypothesis_settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from((0, 3, 9, 10))), max_size=12))
def test_any_sequence_of_uses_follows_the_rules(uses: list[tuple[int, int]]) -> None:
    """Whoever uses which token when: the decision is what the rules say, and one generation lives at most."""
    book, now = _Book(), BEGAN
    for back, waited in uses:
        now += waited
        token = f"t{max(0, book.made - back)}"
        grant = grant_of(*book.story)
        found = decided(token, grant, now=now)
        shown = found.use if isinstance(found, Refreshing) else found if isinstance(found, str) else "reuse"
        expected = book.use(token, now)
        assert expected == shown
        after = grant_of(*book.story)
        assert after.refresh is not None
        assert book.revoked == after.revoked
        assert book.revoked or set(after.refresh.digests) == book.current


@pytest.mark.parametrize(
    ("setting", "scope", "over"),
    [
        ("online", "openid read", True),
        ("online", SCOPE, False),
        ("all", SCOPE, True),
        ("none", "openid read", False),
    ],
)
def test_what_hangs_on_a_session_ends_with_all_sessions(setting: SessionEndRevokes, scope: str, over: bool) -> None:
    """A new password ends the grants that hang on the sessions it ends, and leaves the others."""
    settings = msgspec.structs.replace(SETTINGS, session_end_revokes=setting)
    state = state_of(events.AccountPasswordSet(subject="zoe"))
    after = state.accounts.by_subject["zoe"].sessions_after
    before = decided("r0", grant_of(*issued(), position=after - 1, scope=scope), state, settings=settings)
    assert over == (before == "account_sessions_ended")
    since = decided("r0", grant_of(*issued(), position=after + 1, scope=scope), state, settings=settings)
    assert isinstance(since, Refreshing)
