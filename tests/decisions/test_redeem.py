from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.grants import Grant
from projections.state import WorkerState
from schema import events
from service.decisions.redeem import (
    CodePresented,
    CodeReused,
    Redeemable,
    check_code_verifier,
    decide_redemption,
)
from service.errors import InvalidRequest, Rejection
from service.settings import SessionEndRevokes
from tests.decisions.people import (
    API,
    BEGAN,
    GRANT_ID,
    ISSUER,
    REDIRECT,
    REVOKED,
    SCOPE,
    VERIFIER,
    client_named,
    grant_of,
    issued,
    reason_of,
    state_of,
)

RIGHT = CodePresented("code", REDIRECT, VERIFIER)
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def decided(
    presented: CodePresented = RIGHT,
    grant: Grant | None = None,
    state: WorkerState | None = None,
    *,
    client_id: str = "app",
    now: int = BEGAN + 1,
    session_end_revokes: SessionEndRevokes = "online",
    **client: Any,
) -> Redeemable | CodeReused | str:
    """What a code is worth, or why nothing."""
    state = state or state_of()
    grant = grant or grant_of()
    try:
        return decide_redemption(
            state,
            client_named(state, client_id, **client),
            GRANT_ID,
            grant,
            presented,
            issuer=ISSUER,
            default_lifetime=600,
            session_end_revokes=session_end_revokes,
            now=now,
        )
    except Rejection as rejection:
        return reason_of(rejection)


def test_right_code_gives_what_was_granted() -> None:
    """Client, redirect URI and verifier fit: the grant's scope at its API, for the person who gave it."""
    found = decided()
    assert isinstance(found, Redeemable)
    assert (found.person.subject, found.account.subject) == ("zoe", "zoe")
    assert found.terms == (API, SCOPE, 600, "jwt")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"digest": "other"}, "code_unknown"),
        ({"redirect_uri": REDIRECT + "/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": REDIRECT.upper()}, "redirect_uri_mismatch"),
        ({"code_verifier": VERIFIER[:-1] + "l"}, "code_verifier_mismatch"),
        ({"code_verifier": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_verifier_mismatch"),
        ({"resource": "https://other.example.com"}, "resource_not_granted"),
    ],
)
def test_what_the_code_is_bound_to_must_fit(changes: dict[str, str], reason: str) -> None:
    """Each part alone is enough to be refused; the challenge itself is no verifier (no `plain`)."""
    assert reason == decided(RIGHT._replace(**changes))


@pytest.mark.parametrize(("after", "found"), [(0, None), (59, None), (60, "code_expired"), (10_000, "code_expired")])
def test_code_lives_a_minute(after: int, found: str | None) -> None:
    """In its last second it still works."""
    answer = decided(now=BEGAN + after)
    assert found == (answer if isinstance(answer, str) else None)


def test_second_use_is_reuse_whatever_else_comes_with_it() -> None:
    """That the code is about is what matters: as long as it would have lived, without the verifier it is the same."""
    for presented in (RIGHT, RIGHT._replace(code_verifier="x" * 43), RIGHT._replace(redirect_uri="x")):
        assert CodeReused() == decided(presented, grant_of(*issued()), now=BEGAN + 59)


def test_late_second_use_takes_the_verifier() -> None:
    """An old code in somebody's history ends no grant; who has the verifier too is the client, or has what it had."""
    found = RIGHT._replace(code_verifier="x" * 43)
    for after in (60, 9_999_999):
        assert CodeReused() == decided(RIGHT._replace(redirect_uri="x"), grant_of(*issued()), now=BEGAN + after)
        assert decided(found, grant_of(*issued()), now=BEGAN + after) == "code_expired"
    assert decided(found, grant_of(*issued(), REVOKED), now=BEGAN + 60) == "grant_revoked"


def test_another_client_can_do_nothing_with_a_code() -> None:
    """It neither redeems the code nor, once that was redeemed, has the grant revoked."""
    for grant in (grant_of(), grant_of(*issued()), grant_of(REVOKED)):
        assert decided(grant=grant, client_id="other") == "code_of_other_client"


def test_forged_code_is_never_reuse() -> None:
    """Another secret behind the right grant id ends nothing."""
    assert decided(RIGHT._replace(digest="other"), grant_of(*issued())) == "code_unknown"
    assert decided(grant=Grant()) == "code_unknown"


def test_revoked_grant_is_not_revoked_again() -> None:
    """A code of a revoked grant is refused, redeemed or not."""
    assert decided(grant=grant_of(REVOKED)) == "grant_revoked"
    assert decided(grant=grant_of(*issued(), REVOKED)) == "grant_revoked"


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (events.AccountDisabled(subject="zoe"), "account_disabled"),
        (events.ConsentWithdrawn(client_id="app", subject="zoe"), "consent_withdrawn"),
    ],
)
def test_what_the_grant_rests_on_must_hold_at_redemption(later: events.Event, reason: str) -> None:
    """What was taken away since the grant was given is not there any more."""
    assert reason == decided(state=state_of(later))


def test_first_party_client_needs_no_consent() -> None:
    """Where nobody was asked, nothing can be missing."""
    state = state_of(events.ConsentWithdrawn(client_id="app", subject="zoe"), first_party=True)
    assert isinstance(decided(state=state), Redeemable)


def test_grants_from_before_a_sign_out_are_over() -> None:
    """Those given before it and no others."""
    state = state_of(events.AccountSignedOut(subject="zoe"))
    after = state.accounts.by_subject["zoe"].grants_after
    assert decided(grant=grant_of(position=after - 1), state=state) == "account_signed_out"
    assert isinstance(decided(grant=grant_of(position=after + 1), state=state), Redeemable)


def test_grants_of_an_earlier_client_of_the_name_are_not_this_ones() -> None:
    """A client that was removed takes its grants along, though its id be given away in the same second."""
    assert decided(grant=grant_of(position=100), since=101) == "client_replaced"
    assert isinstance(decided(grant=grant_of(position=100), since=99), Redeemable)


@pytest.mark.parametrize("setting", ["online", "all", "none"])
@pytest.mark.parametrize("scope", ["openid read", SCOPE])
def test_a_code_from_before_the_sessions_ended_is_over(setting: SessionEndRevokes, scope: str) -> None:
    """Who had stolen a session keeps no code of it behind a new password, whatever hangs on sessions."""
    state = state_of(events.AccountPasswordSet(subject="zoe"))
    after = state.accounts.by_subject["zoe"].sessions_after
    before = grant_of(position=after - 1, scope=scope)
    assert decided(grant=before, state=state, session_end_revokes=setting) == "account_sessions_ended"
    since = grant_of(position=after + 1, scope=scope)
    assert isinstance(decided(grant=since, state=state, session_end_revokes=setting), Redeemable)


@given(st.text(UNRESERVED, min_size=43, max_size=128))
def test_verifiers_of_the_rfc_are_taken(verifier: str) -> None:
    """43 to 128 unreserved characters (RFC 7636 section 4.1)."""
    check_code_verifier(verifier)


@pytest.mark.parametrize(
    "verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "=", "a" * 42 + "+", "a" * 43 + "\n", "ä" * 43, "\u0661" * 43]
)
def test_other_verifiers_are_malformed(verifier: str) -> None:
    """Shorter, longer, or of other characters."""
    with pytest.raises(InvalidRequest, match="malformed_code_verifier"):
        check_code_verifier(verifier)


@given(st.builds(CodePresented, st.sampled_from(("code", "x")), st.sampled_from((REDIRECT, "x")), st.just(VERIFIER)))
def test_deciding_changes_nothing(presented: CodePresented) -> None:
    """A decision is pure: the grant is as it was, and the same question has the same answer."""
    grant = grant_of(*issued())
    before = msgspec.json.encode(grant)
    assert decided(presented, grant) == decided(presented, grant)
    assert before == msgspec.json.encode(grant)
