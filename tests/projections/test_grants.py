from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from projections import state
from projections.grant_cache import GrantCache
from projections.grants import Grant, Refresh, fold_grant
from projections.state import WorkerState, takes_away
from schema import events
from schema.envelope import Fact
from schema.streams import new_stream
from tests.projections.feeding import of_stream
from tests.projections.grant_histories import (
    REVOKED_ALL,
    authorized,
    device_approved,
    device_requested,
    grant_histories,
    refreshed,
    with_refresh,
)
from tests.projections.histories import GRANTS, MOMENT, Writer, issued
from tests.schema.samples import SAMPLES

GRANT = GRANTS[0]
REVOKED = events.TokenRevoked(number=1, client_id="alpha", reason="client_request")


def history(*happened: events.Event) -> list[Fact]:
    """Facts of one grant, in order."""
    writer = Writer()
    for event in happened:
        writer.write(GRANT, event)
    return writer.facts


def test_expired_grants_are_swept() -> None:
    """Grants whose tokens have all expired go as new ones come, without any limit being reached."""
    cache = GrantCache(1_000_000)
    for second in range(2_000):
        grant_id = new_stream()
        cache.apply(Fact(second + 1, grant_id, 1, issued(at=second, lifetime=50), MOMENT))
    assert len(cache) <= 102


def test_living_grants_are_not_swept() -> None:
    """A grant with a living token stays as long as there is room."""
    cache = GrantCache(1_000)
    for second in range(500):
        cache.apply(Fact(second + 1, new_stream(), 1, issued(at=second, lifetime=86_400), MOMENT))
    assert len(cache) == 500


def test_a_revocation_that_arrives_during_a_load_counts() -> None:
    """The read saw the token alone; the feed brought its revocation before the read came back."""
    cache, facts = GrantCache(10), history(issued(), REVOKED)
    cache.begin_load(GRANT)
    cache.apply(facts[1])
    grant = cache.finish_load(GRANT, facts[:1], now=200)
    assert grant is not None
    assert not grant.active(1, 200)


def test_an_abandoned_load_leaves_nothing() -> None:
    """After a read that failed the next load starts anew."""
    cache, facts = GrantCache(10), history(issued(), REVOKED)
    cache.begin_load(GRANT)
    cache.apply(facts[1])
    cache.abandon_load(GRANT)
    assert cache.get(GRANT) is None
    cache.begin_load(GRANT)
    loaded = cache.finish_load(GRANT, facts, now=200)
    assert loaded == fold_grant(facts)


def test_a_grant_without_events_is_none() -> None:
    """A grant id that leads nowhere is not a grant, and is not kept."""
    cache = GrantCache(10)
    cache.begin_load(GRANT)
    assert cache.finish_load(GRANT, [], now=200) is None
    assert len(cache) == 0


def test_an_expired_grant_that_is_loaded_is_told_but_not_kept() -> None:
    """What has expired is answered once and takes no room."""
    cache = GrantCache(10)
    cache.begin_load(GRANT)
    assert cache.finish_load(GRANT, history(issued(at=0, lifetime=10)), now=200) is not None
    assert len(cache) == 0


@pytest.mark.parametrize(
    ("happened", "number", "now", "expected"),
    [
        ((issued(),), 1, 200, True),
        ((issued(),), 2, 200, False),
        ((issued(),), 1, 699.9, True),
        ((issued(),), 1, 700, False),
        ((issued(), REVOKED), 1, 200, False),
        ((issued(), issued(2), REVOKED), 2, 200, True),
        ((issued(), issued(2), REVOKED_ALL), 2, 200, False),
        ((issued(), REVOKED_ALL, issued(2)), 2, 200, False),
    ],
)
def test_active(happened: tuple[events.Event, ...], number: int, now: float, *, expected: bool) -> None:
    """A token is active until it expires or it or its grant is revoked."""
    assert expected == fold_grant(history(*happened)).active(number, now)


def test_revocation_of_an_unknown_token_is_poison() -> None:
    """A fold raises on an event that makes no sense; it never passes it over."""
    with pytest.raises(KeyError):
        fold_grant(history(issued(), events.TokenRevoked(number=9, client_id="alpha", reason="client_request")))


@given(grant_histories())
def test_a_worker_folds_the_same_grants(facts: list[Fact]) -> None:
    """A worker's state holds the same grants, at the position of the last event."""
    state = WorkerState(grant_limit=100)
    for fact in facts:
        state.apply(fact)
    assert len(facts) == state.position
    for grant in {fact.stream for fact in facts}:
        assert state.grants.get(grant) in (None, fold_grant(of_stream(facts, grant)))


TAKES_NOTHING = {
    "access.rejected",
    "authorization.denied",
    "authorization.granted",
    "authorization.redeemed",
    "device.approved",
    "device.redeemed",
    "device.requested",
    "login.failed",
    "logout.notified",
    "session.started",
    "token.issued",
    "token.refreshed",
    "token.source_observed",
    *(kind.TYPE for kind in state._OF_NO_ANSWER),
}
"""Codes and refresh tokens are among them though they are used up: the version of their stream refuses a second use."""


def test_all_but_what_gives_or_refuses_wakes_the_barrier() -> None:
    """Every event that may end a right is one that other workers wait for."""
    assert {event.TYPE for event in SAMPLES if not takes_away(event)} == TAKES_NOTHING


REDEEMED = events.AuthorizationRedeemed(client_id="alpha")
ROTATED = refreshed(2, 1, used_digest="refresh-0", refresh_digest="refresh-1")
RETRIED = refreshed(3, 1, at=205, used_digest="refresh-0", refresh_digest="refresh-2", retry=True)


def grant_of(*happened: events.Event) -> Grant:
    """The grant that this makes."""
    return fold_grant(history(*happened))


def test_a_code_gives_its_person_and_is_redeemed_once() -> None:
    """The grant knows who gave it, what its code is bound to, and that it was used."""
    grant = grant_of(authorized())
    assert grant.person is not None
    assert grant.code is not None
    assert (grant.person.subject, grant.person.client_id, grant.person.nonce) == ("zoe", "alpha", "n")
    assert (grant.code.digest, grant.code.expires_at, grant.code.redeemed) == ("code", 160, False)
    assert msgspec.structs.replace(grant.code, redeemed=True) == grant_of(authorized(), REDEEMED).code


def test_a_device_has_a_person_once_it_is_approved() -> None:
    """Nobody gave it before; a denial gives nothing; the code is used up by its redemption."""
    asked, approved = device_requested(), device_approved()
    denied = events.DeviceDenied(client_id="alpha", subject="zoe")
    assert [
        grant.person and grant.person.subject
        for grant in (grant_of(asked), grant_of(asked, approved), grant_of(asked, denied))
    ] == [None, "zoe", None]
    redeemed = grant_of(asked, approved, events.DeviceRedeemed(client_id="alpha")).device
    states = [(device.denied, device.redeemed) for device in (grant_of(asked, denied).device, redeemed) if device]
    assert states == [(True, False), (False, True)]


def test_a_rotation_replaces_the_refresh_token() -> None:
    """The new one is of the next generation, and the one before is known as that which made it."""
    first = with_refresh(issued())
    assert Refresh(digests=("refresh-0",), expires_at=2_100, used_at=100) == grant_of(first).refresh
    rotated = Refresh(
        digests=("refresh-1",), expires_at=2_100, used_at=200, generation=1, previous="refresh-0", rotated_at=200
    )
    assert rotated == grant_of(first, ROTATED).refresh


def test_a_retry_adds_one_of_the_same_generation() -> None:
    """Neither the moment of the rotation nor the token that made it changes, so that the grace window does not move."""
    before = grant_of(with_refresh(issued()), ROTATED).refresh
    assert before is not None
    expected = msgspec.structs.replace(before, digests=("refresh-1", "refresh-2"), retries=1)
    assert expected == grant_of(with_refresh(issued()), ROTATED, RETRIED).refresh


def test_the_next_use_ends_the_others_of_its_generation() -> None:
    """Of the tokens that retries made, the first that is used is the one that lives on."""
    used = refreshed(4, 2, at=300, used_digest="refresh-2", refresh_digest="refresh-3")
    refresh = grant_of(with_refresh(issued()), ROTATED, RETRIED, used).refresh
    assert refresh is not None
    assert (
        refresh.digests,
        refresh.generation,
        refresh.previous,
        refresh.retries,
    ) == (("refresh-3",), 2, "refresh-2", 0)


def test_without_rotation_the_refresh_token_stays() -> None:
    """Only the time of its last use changes."""
    refresh = grant_of(with_refresh(issued()), refreshed(2, 0)).refresh
    assert Refresh(digests=("refresh-0",), expires_at=2_100, used_at=200) == refresh


def test_a_refresh_forgets_what_has_expired() -> None:
    """A grant that is refreshed for years holds the living tokens alone, and goes on counting."""
    grant = grant_of(with_refresh(issued(lifetime=50)), ROTATED, RETRIED)
    assert ({2, 3}, 3) == (set(grant.tokens), grant.last_number)
    assert not grant.active(1, 100)


@given(grant_histories())
def test_never_two_generations(facts: list[Fact]) -> None:
    """At any moment the refresh tokens that may be used are those that one rotation and its retries made."""
    made: dict[tuple[Any, ...], int] = {}
    for index, fact in enumerate(facts):
        match fact.event:
            case events.TokenRefreshed() as event if event.refresh_digest is not None:
                made[fact.stream, event.refresh_digest] = event.generation
            case events.TokenIssued() as event if event.refresh_digest is not None:
                made[fact.stream, event.refresh_digest] = 0
        refresh = fold_grant(of_stream(facts[: index + 1], fact.stream)).refresh
        if refresh is not None:
            assert {refresh.generation} == {made[fact.stream, digest] for digest in refresh.digests}


@pytest.mark.parametrize(
    ("happened", "until"),
    [
        ((issued(),), 700),
        ((authorized(),), 160),
        ((device_requested(),), 700),
        ((authorized(), REDEEMED, with_refresh(issued())), 2_100),
        ((authorized(), REDEEMED, with_refresh(issued()), REVOKED_ALL), 700),
        ((authorized(), REVOKED_ALL), 0),
    ],
)
def test_a_grant_expires_with_the_last_thing_it_gave(happened: tuple[events.Event, ...], until: int) -> None:
    """Token, code, device code and refresh token keep it; those but its tokens no more once it is revoked."""
    grant = grant_of(*happened)
    assert grant.until == until
